package kmem

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLabKallsyms compares the tables in the memory of real kernels with what
// those kernels themselves said in /proc/kallsyms: every symbol, by name and by
// address. The lab runs it with KINSPECT_LAB_RESULTS set to its results, which
// hold KERNEL/SCENARIO.elf and KERNEL/facts/SCENARIO/kallsyms.
func TestLabKallsyms(t *testing.T) {
	dir := os.Getenv("KINSPECT_LAB_RESULTS")
	if dir == "" {
		t.Skip("KINSPECT_LAB_RESULTS is not set: the lab runs this on its dumps")
	}
	dumps, err := filepath.Glob(filepath.Join(dir, "*", "*.elf"))
	if err != nil || len(dumps) == 0 {
		t.Fatalf("no KERNEL/SCENARIO.elf in %s (%v)", dir, err)
	}
	for _, dump := range dumps {
		kernel := filepath.Base(filepath.Dir(dump))
		scenario := strings.TrimSuffix(filepath.Base(dump), ".elf")
		said := filepath.Join(filepath.Dir(dump), "facts", scenario, "kallsyms")
		t.Run(kernel+"/"+scenario, func(t *testing.T) {
			img, err := Open(dump)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = img.Close() }()
			start := time.Now()
			k, err := OpenKallsyms(img, img.VMCoreInfo())
			opened := time.Since(start)
			if kernel == "5.10" {
				if err == nil {
					t.Fatal("5.10 has no tables in VMCOREINFO, and yet they opened")
				}
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			start = time.Now()
			sym, ok := k.Lookup("init_net")
			first := time.Since(start)
			if !ok {
				t.Fatal("no init_net")
			}
			start = time.Now()
			if _, _, ok := k.At(sym.Addr + 1); !ok {
				t.Fatal("init_net+1 is nobody's")
			}
			t.Logf("open %v, first Lookup %v, first At %v; %s; %s", opened, first, time.Since(start), k.Source(), k.Index())
			file, err := os.Open(said)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = file.Close() }()
			p, hidden, err := ParseProcKallsyms(file)
			if err != nil || hidden {
				t.Fatalf("%s: hidden %v, %v", said, hidden, err)
			}
			labCompare(t, k, p)
			if err := k.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

// labCompare compares k with the part of p that is the kernel's own.
func labCompare(t *testing.T, k *Kallsyms, p SymbolTable) {
	var own []Symbol
	p.All(func(s Symbol) bool {
		if s.Module == "" {
			own = append(own, s)
		}
		return true
	})
	if k.Len() != len(own) {
		t.Fatalf("%d symbols, /proc/kallsyms has %d", k.Len(), len(own))
	}
	wrong := 0
	check := func(ok bool, format string, args ...any) {
		if !ok {
			if wrong++; wrong <= 20 {
				t.Errorf(format, args...)
			}
		}
	}
	i := 0
	k.All(func(s Symbol) bool {
		check(s == own[i], "symbol %d: %+v, /proc/kallsyms has %+v", i, s, own[i])
		i++
		return true
	})
	check(i == len(own), "All gave %d symbols of %d", i, len(own))
	first := make(map[string]Symbol)
	for _, s := range own {
		if _, ok := first[s.Name]; !ok {
			first[s.Name] = s
		}
	}
	start := time.Now()
	for name, want := range first {
		got, ok := k.Lookup(name)
		check(ok && got == want, "Lookup(%s): %+v %v, want %+v", name, got, ok, want)
		_, ok = k.Lookup(name + "~")
		check(!ok, "Lookup(%s~) finds something", name)
	}
	t.Logf("%d names looked up, and as many that are not there: %v", len(first), time.Since(start))
	start = time.Now()
	none := 0
	for i := 0; i < len(own); {
		s := own[i]
		j := i + 1
		for j < len(own) && own[j].Addr == s.Addr {
			j++
		}
		got, off, ok := k.At(s.Addr)
		check(ok && off == 0 && got == s || !s.Addr.IsKernel() && !ok, "At(%v): %+v+%#x %v, want %+v", s.Addr, got, off, ok, s)
		pgot, poff, pok := p.At(s.Addr)
		check(pgot == got && poff == off && pok == ok, "At(%v): %+v in memory, %+v in /proc/kallsyms", s.Addr, got, pgot)
		if j < len(own) && own[j].Addr-s.Addr > 1 && s.Addr.IsKernel() {
			end := own[j].Addr - 1
			got, off, ok := k.At(end)
			if !ok {
				none++
				marker := true
				for _, a := range own[i:j] {
					marker = marker && isEndMarker(a.Name)
				}
				check(marker, "At(%v) is nobody's, but %+v begins before it", end, s)
			} else {
				check(got.Addr == s.Addr && off == uint64(end-s.Addr), "At(%v): %+v+%#x, want %+v", end, got, off, s)
			}
			pgot, poff, pok := p.At(end)
			check(pgot == got && poff == off && pok == ok, "At(%v): %+v in memory, %+v in /proc/kallsyms", end, got, pgot)
		}
		i = j
	}
	t.Logf("both ends of each address looked up: %v; %d ends of sections are nobody's", time.Since(start), none)
	for _, a := range []Addr{0, 5, own[len(own)-1].Addr + 0x10000, 0xffff888000000000, 0xffffffffffffffff, 0xffffffffff600000} {
		s, off, ok := k.At(a)
		check(!ok, "At(%v): %+v+%#x", a, s, off)
	}
	names := k.Prefix("netif_r", 1000)
	check(len(names) > 3, "Prefix(netif_r): %q", names)
	pnames := p.Prefix("netif_r", 1000)
	for _, n := range names {
		s, ok := k.Lookup(n)
		check(ok && strings.HasPrefix(s.Name, "netif_r"), "Prefix gives %q", n)
	}
	t.Logf("%d names begin with netif_r (with modules %d), e.g. %q", len(names), len(pnames), names[:3])
}
