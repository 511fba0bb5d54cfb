package knet

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// lossesNS is the namespace of the lab's losses, which is the only one beside the first whose counters the
// snapshot has.
func lossesNS(t *testing.T, s *Stack) NetNS {
	t.Helper()
	all, err := s.Namespaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, ns := range all {
		if n, ok, err := s.SNMPCounter(ns, "UdpRcvbufErrors"); err == nil && ok && n > 0 && !ns.Init {
			return ns
		}
	}
	t.Fatal("no namespace has lost datagrams")
	return NetNS{}
}

// TestSNMPFiles compares the files with those that the guest's kernel printed when the snapshot was taken.
func TestSNMPFiles(t *testing.T) {
	img := kernels.OpenLosses(t)
	s := New(value.New(img, img), host.None{})
	ns := lossesNS(t, s)
	all, err := s.SNMP(ns)
	if err != nil || all.Err() != nil {
		t.Fatal(err, all.Err())
	}
	for _, file := range SNMPFiles {
		want, err := os.ReadFile(filepath.Join("testdata", "losses-7.3", file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := all.Text(file)
		if err != nil || got != string(want) {
			t.Errorf("%s: %v\n%s\nwant\n%s", file, err, got, want)
		}
	}
	if _, err := all.Text("dev"); err == nil {
		t.Error("/proc/net/dev is none of these files")
	}
	// One counter asked for alone is the same.
	for _, g := range all.Groups {
		for _, c := range g.Counters {
			n, ok, err := s.SNMPCounter(ns, c.ID)
			if err != nil {
				t.Fatalf("%s: %v", c.ID, err)
			}
			if ok && n != c.Value {
				t.Errorf("%s is %d alone, and %d of all", c.ID, n, c.Value)
			}
			if !ok && !strings.HasPrefix(c.ID, "Icmp") && c.Name != "Forwarding" && c.Name != "DefaultTTL" {
				t.Errorf("there is no %s alone", c.ID)
			}
		}
	}
	if _, ok, err := s.SNMPCounter(ns, "UdpNothing"); ok || err != nil {
		t.Errorf("UdpNothing: %v, %v", ok, err)
	}
}

// TestIcmpMessagesLine: more than 16 types of messages take more than one pair of lines.
func TestIcmpMessagesLine(t *testing.T) {
	for _, c := range []struct{ types, lines int }{{0, 0}, {1, 2}, {16, 2}, {17, 4}, {32, 4}, {33, 6}} {
		counts := make([]uint64, 512)
		for i := range c.types {
			counts[7*i] = uint64(i + 1)
		}
		g := SNMPGroup{File: SNMPFile, Name: "IcmpMsg", Counters: messagesByNumber("", counts)}
		var b strings.Builder
		g.write(&b)
		if got := strings.Count(b.String(), "\n"); got != c.lines {
			t.Errorf("%d types: %d lines\n%s", c.types, got, b.String())
		}
	}
}

// patched is memory with other bytes at one address.
type patched struct {
	kmem.Reader
	at   kmem.Addr
	data []byte
}

// ReadMem implements [kmem.Reader].
func (p *patched) ReadMem(addr kmem.Addr, buf []byte) error {
	if off := uint64(addr - p.at); addr >= p.at && off < uint64(len(p.data)) && uint64(len(buf)) <= uint64(len(p.data))-off {
		copy(buf, p.data[off:])
		return nil
	}
	return p.Reader.ReadMem(addr, buf)
}

const mibStrings = 4096

// mibTableStack is a stack whose snmp4_tcp_list is what the memory's data is, with strings at [kernels.Base].
func mibTableStack(tb testing.TB) (*Stack, *patched) {
	img := kernels.Open(tb, "6.12")
	over := kernels.NewOverlay(img, mibStrings)
	over.PutBytes(kernels.Base, []byte("First\x00Second_2\x00bad name\x00"+strings.Repeat("x", 2*maxMIBName)))
	p := &patched{Reader: over}
	k := value.New(img, p)
	sym, ok := k.LookupSymbol("snmp4_tcp_list")
	if !ok {
		tb.Fatal("no snmp4_tcp_list")
	}
	p.at = sym.Addr
	return New(k, host.None{}), p
}

func mibRow(name kmem.Addr, index uint32) []byte {
	raw := binary.LittleEndian.AppendUint64(nil, uint64(name))
	return binary.LittleEndian.AppendUint64(raw, uint64(index))
}

// TestMIBNames: where a table ends, and what is no table.
func TestMIBNames(t *testing.T) {
	const first, second, bad, long = kernels.Base, kernels.Base + 6, kernels.Base + 15, kernels.Base + 24
	row := mibRow
	s, mem := mibTableStack(t)
	zeros := make([]byte, 512)
	full := []byte{}
	for range 64 { // snmp4_tcp_list has room for 16 on this kernel
		full = append(full, row(first, 3)...)
	}
	for name, c := range map[string]struct {
		raw  []byte
		want int
		err  string
	}{
		"a NULL at its end":   {append(append(row(first, 1), row(second, 2)...), zeros...), 2, ""},
		"the next symbol":     {full, 16, ""},
		"empty":               {zeros, 0, ""},
		"a name elsewhere":    {append(append(row(first, 1), row(0x1000, 2)...), zeros...), 1, "row 1"},
		"a name that is none": {append(append(row(first, 1), row(bad, 2)...), zeros...), 1, `"bad name"`},
		"a name without end":  {append(row(long, 1), zeros...), 0, "is no counter"},
		"an index too large":  {append(append(row(first, 1), row(second, 1<<31)...), zeros...), 1, "its index is 2147483648"},
		"no memory":           {append(row(kernels.Base+1<<30, 1), zeros...), 0, "…"},
	} {
		mem.data = c.raw
		names, err := s.readMIBNames("snmp4_tcp_list")
		switch {
		case len(names) != c.want:
			t.Errorf("%s: %d rows, want %d: %v", name, len(names), c.want, err)
		case (err == nil) != (c.err == ""):
			t.Errorf("%s: %v", name, err)
		case err != nil && c.err != "…" && !strings.Contains(err.Error(), c.err):
			t.Errorf("%s: %v, want %q", name, err, c.err)
		}
		if c.want == 2 && (names[0] != mibName{"First", 1} || names[1] != mibName{"Second_2", 2}) {
			t.Errorf("%s: %v", name, names)
		}
	}
	if _, err := s.mibNames("no_such_list"); err == nil {
		t.Error("a table that is not there")
	}
}

// FuzzMIBNames: whatever a table holds, its names are names and its indices bounded.
func FuzzMIBNames(f *testing.F) {
	f.Add(append(mibRow(kernels.Base, 1), mibRow(kernels.Base+6, 2)...))
	f.Add(append(mibRow(kernels.Base+15, 1), mibRow(0, 0)...))
	f.Add(mibRow(kernels.Base+24, 1<<20))
	s, mem := mibTableStack(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		mem.data = raw
		names, err := s.readMIBNames("snmp4_tcp_list")
		if len(names) > maxMIBNames {
			t.Fatalf("%d rows, %v", len(names), err)
		}
		for _, n := range names {
			if n.name == "" || len(n.name) >= maxMIBName || strings.Trim(n.name, counterLetters) != "" || n.index < 0 || n.index >= maxMIBIndex {
				t.Errorf("%+v", n)
			}
		}
	})
}
