package kmem

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// put overwrites memory at an address.
func (f *fakeKallsyms) put(at Addr, data ...byte) { copy(f.data[at-f.base:], data) }

func TestKallsymsDamaged(t *testing.T) {
	cases := []struct {
		name string
		do   func(f *fakeKallsyms)
		want string // in the error; "" where the tables open all the same
	}{
		{"no symbols", func(f *fakeKallsyms) { f.put(f.at["num"], 0, 0, 0, 0) }, "0 symbols"},
		{"too many symbols", func(f *fakeKallsyms) { f.put(f.at["num"], 255, 255, 255, 255) }, "4294967295 symbols"},
		{"more symbols than there are", func(f *fakeKallsyms) { f.put(f.at["num"], 0, 0, 16, 0) }, ""},
		{"num_syms not mapped", func(f *fakeKallsyms) { f.places.numSyms = 5 }, "kallsyms_num_syms: cannot read"},
		{"offsets at an odd address", func(f *fakeKallsyms) { f.places.offsets++ }, "odd address"},
		{"offsets not mapped", func(f *fakeKallsyms) { f.places.offsets = 0x1000 }, "kallsyms_offsets: cannot read"},
		{"offsets at the end of the address space", func(f *fakeKallsyms) { f.places.offsets = 0xfffffffffffffff0 }, "kallsyms_offsets"},
		{"names not mapped", func(f *fakeKallsyms) { f.places.names = 0 }, "kallsyms_names: cannot read"},
		{"names behind the tokens", func(f *fakeKallsyms) { f.places.names = f.places.tokenIndex }, ""},
		{"token table behind its index", func(f *fakeKallsyms) { f.places.tokenTable = f.places.tokenIndex + 8 }, "token table at"},
		{"token table far from its index", func(f *fakeKallsyms) { f.places.tokenTable -= 1 << 20 }, "token table at"},
		{"token outside the table", func(f *fakeKallsyms) { f.put(f.places.tokenIndex+8, 255, 255) }, "token 4 begins 65535 bytes"},
		{"token without end", func(f *fakeKallsyms) {
			f.put(f.places.tokenTable, bytes.Repeat([]byte{'a'}, int(f.places.tokenIndex-f.places.tokenTable))...)
		}, "has no end"},
		{"token with a control character", func(f *fakeKallsyms) {
			f.put(f.places.tokenTable+Addr(bytes.IndexByte(f.data[f.places.tokenTable-f.base:], '[')), 27)
		}, "holds the byte 0x1b"},
		{"base not mapped", func(f *fakeKallsyms) { f.places.relativeBase = 8 }, "kallsyms_relative_base: cannot read"},
		{"another base", func(f *fakeKallsyms) { f.put(f.places.relativeBase, 0x10) }, "no known encoding"},
		{"another _stext", func(f *fakeKallsyms) { f.places.stext += 0x100 }, "no known encoding"},
		{"first name empty", func(f *fakeKallsyms) { f.put(f.places.names, 0) }, "a name is empty"},
		{"first name endless", func(f *fakeKallsyms) { f.put(f.places.names, 0xff, 0x7f) }, "a name is empty, too long"},
		{"markers damaged", func(f *fakeKallsyms) { f.put(f.at["markers"]+4, 1, 2, 3) }, ""},
		{"index not sorted", func(f *fakeKallsyms) {
			f.put(f.at["seqs"]+3*Addr(len(f.syms)/2), 0, 0, 1)
		}, ""},
		{"index outside the symbols", func(f *fakeKallsyms) { f.put(f.at["seqs"], 255, 255, 255) }, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := kallsymsShapes[4].build(fakeSymbols(1000, true))
			c.do(f)
			k, err := openKallsyms(f, f.places)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %q in it", err, c.want)
				} else if !errors.Is(err, ErrBadKallsyms) && AsFault(err) == nil {
					t.Errorf("%v is neither of the errors that callers know", err)
				}
				return
			}
			if err == nil {
				ask(t, k, f.syms[:50])
			}
		})
	}
}

// ask asks k all kinds of questions; only that it answers matters, and that what it
// says of itself holds together.
func ask(t *testing.T, k *Kallsyms, syms []Symbol) {
	t.Helper()
	for _, s := range syms {
		if got, ok := k.Lookup(s.Name); ok && got.Name != s.Name {
			t.Errorf("Lookup(%s): %+v", s.Name, got)
		}
		if got, off, ok := k.At(s.Addr + 3); ok && got.Addr+Addr(off) != s.Addr+3 {
			t.Errorf("At(%v): %+v+%#x", s.Addr+3, got, off)
		}
	}
	k.At(0)
	k.At(0xffffffffffffffff)
	for _, prefix := range []string{"", "n", "netif_"} {
		for _, name := range k.Prefix(prefix, 20) {
			if !strings.HasPrefix(name, prefix) {
				t.Errorf("Prefix(%s) gives %s", prefix, name)
			}
		}
	}
	n := 0
	k.All(func(s Symbol) bool { n++; return n < 5000 })
	if n > k.Len() {
		t.Errorf("All gave %d of %d symbols", n, k.Len())
	}
	_ = k.Err()
	_ = k.Index()
	_ = k.Source()
}

// Where markers or index cannot be trusted, answers are the same, but slower.
func TestKallsymsFallbacks(t *testing.T) {
	syms := fakeSymbols(1300, true)
	for name, do := range map[string]func(f *fakeKallsyms){
		"markers": func(f *fakeKallsyms) { f.put(f.at["markers"]+4, 1, 2, 3) },
		"index":   func(f *fakeKallsyms) { f.put(f.at["seqs"], 255, 255, 255) },
	} {
		f := kallsymsShapes[4].build(syms)
		do(f)
		k, err := openKallsyms(f, f.places)
		if err != nil {
			t.Fatal(name, err)
		}
		p, _, err := ParseProcKallsyms(strings.NewReader(f.procText()))
		if err != nil {
			t.Fatal(err)
		}
		compareTables(t, k, p, "", 1)
		if name == "index" && !strings.Contains(k.Index(), "hash index of") {
			t.Error(k.Index())
		}
	}
}

// holes is memory some of whose pages cannot be read.
type holes struct {
	fakeMemory
	gone func(page Addr) bool
}

func (m holes) ReadMem(addr Addr, buf []byte) error {
	for p := addr.Page(); p < addr+Addr(len(buf)); p += PageSize {
		if m.gone(p) {
			return &Fault{Addr: uint64(max(p, addr)), Len: uint64(len(buf)), Reason: Filtered}
		}
	}
	return m.fakeMemory.ReadMem(addr, buf)
}

// A dump that lacks pages of the tables answers what the others hold, and says
// why it does not answer the rest.
func TestKallsymsHoles(t *testing.T) {
	for _, shape := range kallsymsShapes {
		f := shape.build(fakeSymbols(1300, shape.kind == absolutePerCPU))
		for page := f.base; page < f.base+Addr(len(f.data)); page += PageSize {
			m := holes{f.fakeMemory, func(p Addr) bool { return p == page }}
			k, err := openKallsyms(m, f.places)
			if err != nil {
				if AsFault(err) == nil {
					t.Errorf("%s without %v: %v", shape.release, page, err)
				}
				continue
			}
			found := 0
			for _, s := range f.syms {
				if got, ok := k.Lookup(s.Name); ok && got.Name == s.Name {
					found++
				}
			}
			if found < len(f.syms) && AsFault(k.Err()) == nil {
				t.Errorf("%s without %v: %d of %d found, and Err is %v", shape.release, page, found, len(f.syms), k.Err())
			}
			ask(t, k, f.syms[:30])
		}
	}
}

// zeros is memory that is all zero and never ends: nothing may allocate by what it
// seems to hold.
type zeros struct{ num uint32 }

func (m zeros) ReadMem(_ Addr, buf []byte) error {
	clear(buf)
	if len(buf) == 4 {
		binary.LittleEndian.PutUint32(buf, m.num)
	}
	return nil
}

func TestKallsymsAllocation(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := openKallsyms(zeros{maxKallsyms}, kallsymsPlaces{
		numSyms: 0xffffffff81000000, names: 0xffffffff81100000, tokenTable: 0xffffffff85000000,
		tokenIndex: 0xffffffff85001000, offsets: 0xffffffff86000000, stext: 0xffffffff81000000,
	})
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Error("zeros are no tables")
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("%d bytes were allocated for tables that hold nothing", n)
	}
}

// FuzzKallsyms opens tables in hostile memory. Its seeds are whole tables of each
// shape, and damaged ones; the places stay those of the seeds.
func FuzzKallsyms(f *testing.F) {
	var seeds []*fakeKallsyms
	rnd := rand.New(rand.NewPCG(7, 7))
	for _, n := range []int{10, 300} {
		for _, shape := range kallsymsShapes {
			seed := shape.build(fakeSymbols(n, shape.kind == absolutePerCPU))
			f.Add(uint8(len(seeds)), bytes.Clone(seed.data))
			for range 20 {
				seed.data[rnd.IntN(len(seed.data))] = byte(rnd.Uint32())
			}
			f.Add(uint8(len(seeds)), seed.data)
			seeds = append(seeds, seed)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		seed := seeds[int(which)%len(seeds)]
		k, err := openKallsyms(fakeMemory{0xffffffff82000000, data}, seed.places)
		if err != nil {
			if !errors.Is(err, ErrBadKallsyms) && AsFault(err) == nil {
				t.Fatalf("%v is neither of the errors that callers know", err)
			}
			return
		}
		ask(t, k, seed.syms[:min(40, len(seed.syms))])
	})
}
