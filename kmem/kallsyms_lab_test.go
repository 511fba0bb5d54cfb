package kmem

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kinspect/testdata/lab/results"
)

// TestLabKallsyms compares the tables in the memory of real kernels with what
// those kernels themselves said in /proc/kallsyms: every symbol, by name and by
// address. The lab runs it with KINSPECT_LAB_RESULTS set to its results, which
// hold SERIES/CAPTURE.elf and SERIES/facts/CAPTURE/kallsyms. Of a series' captures
// the first is compared whole, of the others each sixteenth name.
func TestLabKallsyms(t *testing.T) {
	seen := make(map[string]bool)
	for _, dump := range results.Find(t, "*.elf") {
		series := results.Series(dump)
		capture := strings.TrimSuffix(filepath.Base(dump), ".elf")
		said := filepath.Join(filepath.Dir(dump), "facts", capture, "kallsyms")
		every := 1
		if seen[series] {
			every = 16
		}
		seen[series] = true
		t.Run(series+"/"+capture, func(t *testing.T) {
			img, err := Open(dump)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = img.Close() }()
			start := time.Now()
			found, err := FindKallsyms(img, img.VMCoreInfo())
			scanned := time.Since(start)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("found by shape in %v; %s", scanned, found.Source())
			blind, err := FindKallsyms(img, nil)
			if err != nil {
				t.Fatal("without VMCOREINFO:", err)
			}
			if found.places.offsets != blind.places.offsets || found.addrs != blind.addrs {
				t.Errorf("with VMCOREINFO %+v, without %+v", found.places, blind.places)
			}
			start = time.Now()
			k, err := OpenKallsyms(img, img.VMCoreInfo())
			opened := time.Since(start)
			switch {
			case series != "5.10" && err != nil:
				t.Fatal(err)
			case series != "5.10" && k.places != found.places:
				t.Errorf("VMCOREINFO says %+v, the shape %+v", k.places, found.places)
			case series == "5.10" && !errors.Is(err, ErrNoKallsyms):
				t.Fatal("5.10 has no tables in VMCOREINFO, and yet:", err)
			case series == "5.10":
				k, opened = found, scanned
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
			compareTables(t, k, p, "", every)
			if err := k.Err(); err != nil {
				t.Error(err)
			}
			// Newer kernels list the tables that VMCOREINFO leaves out.
			if sym, ok := k.Lookup("kallsyms_seqs_of_names"); ok && (k.seqs == nil || k.seqs.base != sym.Addr) {
				t.Errorf("the sorted index is at %v, and %s was used", sym.Addr, k.Index())
			}
			// And without what the kernel sorted.
			if k.seqs != nil {
				k.seqs = nil
				compareTables(t, k, p, "", every)
			}
			t.Log(k.Index())
		})
	}
}

// BenchmarkLabKallsyms measures the incident's dumps: what one process asks for,
// and the parts of it.
func BenchmarkLabKallsyms(b *testing.B) {
	names := strings.Fields(`init_net ptype_base ptype_all net_hotdata netdev_max_backlog softnet_data __per_cpu_offset
		__cpu_possible_mask nr_cpu_ids modules btf_modules __start_BTF __stop_BTF net_namespace_list init_task
		linux_banner jiffies_64 init_uts_ns swapper_pg_dir ip_rcv ipv6_rcv arp_rcv packet_rcv tpacket_rcv
		loopback_ops netif_receive_skb __netif_receive_skb_core sysctl_tcp_mem kallsyms_names no_such_symbol`)
	for _, dump := range results.Find(b, "incident.elf") {
		series := results.Series(dump)
		img, err := Open(dump)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = img.Close() }()
		text, _ := img.VMCoreInfo().Symbol("_stext")
		if _, err := OpenKallsyms(img, img.VMCoreInfo()); errors.Is(err, ErrNoKallsyms) {
			continue
		}
		open := func() *Kallsyms {
			k, err := OpenKallsyms(img, img.VMCoreInfo())
			if err != nil {
				b.Fatal(err)
			}
			return k
		}
		for _, bench := range []struct {
			name string
			do   func(k *Kallsyms)
		}{
			{"Open", func(*Kallsyms) {}},
			{"OpenLookup", func(k *Kallsyms) { k.Lookup("init_net") }},
			{"OpenAt", func(k *Kallsyms) { k.At(text + 0x234567) }},
			{"Open30LookupsAndAts", func(k *Kallsyms) {
				for _, name := range names {
					if s, ok := k.Lookup(name); ok {
						k.At(s.Addr + 1)
					}
				}
			}},
			{"OpenHash", func(k *Kallsyms) { k.makeHash() }},
		} {
			b.Run(series+"/"+bench.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					bench.do(open())
				}
			})
		}
		b.Run(series+"/Warm", func(b *testing.B) {
			k := open()
			for b.Loop() {
				s, _ := k.Lookup("init_net")
				k.At(s.Addr + 1)
			}
		})
	}
}
