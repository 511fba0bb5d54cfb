package kmem

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestKallsymsShapes(t *testing.T) {
	for _, shape := range kallsymsShapes {
		for _, n := range []int{1, 240, 1300} {
			t.Run(fmt.Sprintf("%s/%d", shape.release, n), func(t *testing.T) {
				f := shape.build(fakeSymbols(n, shape.kind == absolutePerCPU))
				k, err := OpenKallsyms(f, f.info(t))
				if err != nil {
					t.Fatal(err)
				}
				if k.addrs.kind != shape.kind {
					t.Errorf("addresses are taken for %v", k.addrs.kind)
				}
				if (k.seqs != nil) != (f.at["seqs"] != 0) || k.seqs != nil && k.seqs.base != f.at["seqs"] {
					t.Errorf("index: %s (%+v), want it at %v", k.Index(), k.seqs, f.at["seqs"])
				}
				p, hidden, err := ParseProcKallsyms(strings.NewReader(f.procText()))
				if err != nil || hidden {
					t.Fatal(hidden, err)
				}
				compareTables(t, k, p, shape.sorted, 1)
				checkPrefix(t, k, f.syms, shape.sorted)
				if err := k.Err(); err != nil {
					t.Error(err)
				}
				// An image of nothing but the ranges opens as well.
				part := make(rangesMemory)
				for _, r := range k.Ranges() {
					buf := make([]byte, r.Len)
					if err := f.ReadMem(r.Addr, buf); err != nil {
						t.Fatalf("range %+v: %v", r, err)
					}
					part[r.Addr] = buf
				}
				if k, err = OpenKallsyms(part, f.info(t)); err != nil {
					t.Fatal(err)
				}
				compareTables(t, k, p, shape.sorted, 1)
			})
		}
	}
}

// rangesMemory is memory of nothing but some ranges.
type rangesMemory map[Addr][]byte

func (m rangesMemory) ReadMem(addr Addr, buf []byte) error {
	for base, data := range m {
		if (fakeMemory{base, data}).ReadMem(addr, buf) == nil {
			return nil
		}
	}
	return &Fault{Addr: uint64(addr), Len: uint64(len(buf)), Reason: Filtered}
}

func checkPrefix(t *testing.T, k *Kallsyms, syms []Symbol, sorted nameOrder) {
	t.Helper()
	for _, prefix := range []string{"", "_", "net", "netif_receive_", "__key.0", "nobody", "_stext"} {
		for _, limit := range []int{0, 1, 7, 1 << 30} {
			list := newNameList(len(syms))
			for _, s := range syms {
				if strings.HasPrefix(s.Name, prefix) {
					list.add([]byte(s.Name))
				}
			}
			want := list.sorted()
			want = want[:min(limit, len(want))]
			got := k.Prefix(prefix, limit)
			if sorted != "" && limit > 0 && limit < len(syms) {
				// Names with one stem come by address: any of them may fill the list.
				if len(got) != len(want) {
					t.Errorf("Prefix(%q, %d): %d names, want %d", prefix, limit, len(got), len(want))
				}
				continue
			}
			if strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("Prefix(%q, %d): %.300q, want %.300q", prefix, limit, got, want)
			}
		}
	}
}

// Per-CPU symbols up to 6.14 have small offsets for addresses: they are found by
// name, but small numbers are not theirs.
func TestKallsymsPerCPU(t *testing.T) {
	f := kallsymsShapes[0].build(fakeSymbols(300, true))
	k, err := openKallsyms(f, f.places)
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := k.Lookup("softnet_data"); !ok || s.Addr != 0x2fac0 || s.Type != 'A' {
		t.Errorf("softnet_data: %+v %v", s, ok)
	}
	for _, a := range []Addr{0, 5, 0x2fac0, 0x2fac8, 0x34000, 0x40000, 0xffff888000000000, fakeText - 1} {
		if s, off, ok := k.At(a); ok {
			t.Errorf("At(%v): %s+%#x", a, s.Name, off)
		}
	}
}

// The 2.6.32 host on which 298 "drops" at net_tx_action were shown as
// init_dummy_netdev+0x50: an address that equals a symbol's start is that symbol's.
func TestKallsymsStartWins(t *testing.T) {
	syms := []Symbol{
		{"_stext", fakeText, 'T', ""},
		{"init_dummy_netdev", 0xffffffff81459cc0, 'T', ""},
		{"net_tx_action", 0xffffffff81459d10, 't', ""},
		{"netif_receive_skb", 0xffffffff81459f30, 'T', ""},
		{"_end", 0xffffffff8145b000, 'B', ""},
	}
	cases := []struct {
		addr Addr
		want string
	}{
		{0xffffffff81459d10, "net_tx_action+0x0"},
		{0xffffffff81459d0f, "init_dummy_netdev+0x4f"},
		{0xffffffff81459cc0, "init_dummy_netdev+0x0"},
		{0xffffffff81459d11, "net_tx_action+0x1"},
		{0xffffffff81459f2f, "net_tx_action+0x21f"},
	}
	for _, shape := range kallsymsShapes {
		f := shape.build(syms)
		k, err := openKallsyms(f, f.places)
		if err != nil {
			t.Fatal(shape.release, err)
		}
		p, _, err := ParseProcKallsyms(strings.NewReader(f.procText()))
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range []SymbolTable{k, p} {
			for _, c := range cases {
				s, off, ok := table.At(c.addr)
				if got := fmt.Sprintf("%s+%#x", s.Name, off); !ok || got != c.want {
					t.Errorf("%s: At(%v): %s %v, want %s", table.Source(), c.addr, got, ok, c.want)
				}
			}
		}
	}
}

// A capture host's dropwatch showed a module's address as __brk_limit+0x3e1e36a8.
func TestKallsymsPastTheEnd(t *testing.T) {
	f := kallsymsShapes[4].build(fakeSymbols(300, true))
	k, err := openKallsyms(f, f.places)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := k.Lookup("__brk_limit")
	if !ok {
		t.Fatal("no __brk_limit")
	}
	if s, off, ok := k.At(s.Addr + 0x3e1e36a8); ok {
		t.Errorf("%s+%#x", s.Name, off)
	}
	if s, _, ok := k.At(s.Addr); !ok || s.Name != "_end" {
		t.Errorf("the end itself: %+v %v", s, ok)
	}
}

func TestKallsymsConcurrent(t *testing.T) {
	for _, shape := range []kallsymsShape{kallsymsShapes[0], kallsymsShapes[6]} {
		f := shape.build(fakeSymbols(2000, shape.kind == absolutePerCPU))
		k, err := openKallsyms(f, f.places)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := w; i < len(f.syms); i += 3 {
					s := f.syms[i]
					if got, ok := k.Lookup(s.Name); !ok || got.Name != s.Name || got.Addr > s.Addr {
						t.Errorf("%+v: %+v %v", s, got, ok)
					}
					if got, _, ok := k.At(s.Addr); ok != s.Addr.IsKernel() || ok && got.Addr != s.Addr {
						t.Errorf("%+v: %+v %v", s, got, ok)
					}
				}
				k.Prefix("net", 10)
				_ = k.Index()
			})
		}
		wg.Wait()
	}
}

func TestKallsymsMissing(t *testing.T) {
	info, err := ParseVMCoreInfo([]byte("OSRELEASE=5.10.0\nSYMBOL(_stext)=ffffffff81000000\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKallsyms(fakeMemory{}, info); !errors.Is(err, ErrNoKallsyms) {
		t.Error(err)
	}
}

func BenchmarkKallsyms(b *testing.B) {
	for _, shape := range []kallsymsShape{kallsymsShapes[4], kallsymsShapes[0]} {
		f := shape.build(fakeSymbols(150000, true))
		name, addr := "softnet_data", f.syms[len(f.syms)/2].Addr
		index := "sorted"
		if f.at["seqs"] == 0 {
			index = "hashed"
		}
		open := func() *Kallsyms {
			k, err := openKallsyms(f, f.places)
			if err != nil {
				b.Fatal(err)
			}
			return k
		}
		b.Run(index+"/Open", func(b *testing.B) {
			for b.Loop() {
				open()
			}
		})
		b.Run(index+"/OpenLookup", func(b *testing.B) {
			for b.Loop() {
				open().Lookup(name)
			}
		})
		b.Run(index+"/OpenAt", func(b *testing.B) {
			for b.Loop() {
				open().At(addr)
			}
		})
		k := open()
		b.Run(index+"/Lookup", func(b *testing.B) {
			for b.Loop() {
				k.Lookup(name)
			}
		})
		b.Run(index+"/At", func(b *testing.B) {
			for b.Loop() {
				k.At(addr)
			}
		})
	}
}

// compareTables compares k with the part of p that is the kernel's own: all
// symbols, and the lookup of every n-th name.
func compareTables(t *testing.T, k *Kallsyms, p SymbolTable, order nameOrder, every int) {
	t.Helper()
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
		if every > 1 && int(want.Addr)/16%every != 0 {
			continue
		}
		got, ok := k.Lookup(name)
		if order != "" && strings.Contains(name, ".") {
			got.Addr, got.Type = want.Addr, want.Type // see nameOrder
		}
		check(ok && got == want, "Lookup(%s): %+v %v, want %+v", name, got, ok, want)
		if len(name)%8 == 0 {
			_, ok = k.Lookup(name + "~")
			check(!ok, "Lookup(%s~) finds something", name)
		}
	}
	t.Logf("%d names looked up: %v", len(first)/every, time.Since(start))
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
				held := false
				for _, a := range own[i:j] {
					held = held || holds(a, uint64(end-s.Addr), k.Len())
				}
				check(!held, "At(%v) is nobody's, but %+v begins before it", end, s)
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
	for _, prefix := range []string{"netif_r", "__key.", "_stext", "nobody_"} {
		if order != "" {
			continue // see prefixSorted
		}
		list := newNameList(1000)
		for _, s := range own {
			if strings.HasPrefix(s.Name, prefix) {
				list.add([]byte(s.Name))
			}
		}
		got, want := k.Prefix(prefix, 1000), list.sorted()
		check(strings.Join(got, " ") == strings.Join(want, " "), "Prefix(%s): %.200q, want %.200q", prefix, got, want)
	}
}
