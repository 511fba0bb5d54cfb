package kmem

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// shapeSymbols are symbols with those by which a kernel is recognized.
func shapeSymbols(n int, shape kallsymsShape) []Symbol {
	return append(fakeSymbols(n, shape.kind == absolutePerCPU || shape.kind == wholeAddress),
		Symbol{"linux_banner", fakeBanner, 'R', ""}, Symbol{"init_uts_ns", fakeBanner + 0x90, 'D', ""},
		Symbol{"init_top_pgt", fakeBanner + 0x98, 'D', ""}, Symbol{"prb", fakeBanner + 0x100, 'd', ""})
}

// shapeInfo is a VMCOREINFO that does not name the tables.
func shapeInfo(t testing.TB, change ...string) *VMCoreInfo {
	t.Helper()
	at := func(a Addr) string { return fmt.Sprintf("=%x\n", uint64(a)) }
	text := "OSRELEASE=6.12.0-test\nSYMBOL(_stext)" + at(fakeText) + "SYMBOL(init_uts_ns)" + at(fakeBanner+0x90) +
		"SYMBOL(swapper_pg_dir)" + at(fakeBanner+0x98) + "SYMBOL(prb)" + at(fakeBanner+0x100) +
		"SYMBOL(node_online_map)" + at(fakeBanner+0xa8) + "SYMBOL(mem_section)=ffff93050e820000\n"
	info, err := ParseVMCoreInfo([]byte(strings.NewReplacer(change...).Replace(text)))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestFindKallsyms(t *testing.T) {
	sizes := []int{300, 1000, 1279}
	if testing.Short() {
		sizes = sizes[2:]
	}
	for _, shape := range shapesToFind {
		for _, n := range sizes {
			for _, info := range []*VMCoreInfo{shapeInfo(t), nil} {
				t.Run(fmt.Sprintf("%s/%d/%v", shape.release, n, info != nil), func(t *testing.T) {
					f := shape.build(shapeSymbols(n, shape))
					k, err := FindKallsyms(f, info)
					if shape.release == "unknown order" {
						if !errors.Is(err, ErrBadKallsyms) {
							t.Fatalf("error %v", err)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					if k.places.numSyms != f.places.numSyms || k.places.offsets != f.places.offsets || k.addrs.kind != shape.kind {
						t.Errorf("found %+v %v, they are at %+v", k.places, k.addrs.kind, f.places)
					}
					if !strings.Contains(k.Source(), "found by its shape") {
						t.Error(k.Source())
					}
					p, _, err := ParseProcKallsyms(strings.NewReader(f.procText()))
					if err != nil {
						t.Fatal(err)
					}
					compareTables(t, k, p, shape.sorted, 1)

					// An image of nothing but its ranges is enough to find it again.
					m := holes{f.fakeMemory, func(page Addr) bool {
						for _, r := range k.Ranges() {
							if page >= r.Addr.Page() && page < r.Addr.Add(int64(r.Len)) {
								return false
							}
						}
						return true
					}}
					if _, err := FindKallsyms(m, info); err != nil {
						t.Error("in its own ranges:", err)
					}
				})
			}
		}
	}
}

// Before all data the tables are found by less; behind some they are not looked for there.
func TestFindReadOnlyKallsyms(t *testing.T) {
	for _, shape := range shapesToFind {
		if shape.release == "unknown order" {
			continue
		}
		const data = Addr(0xffffffff83000000)
		f := shape.build(append(shapeSymbols(1000, shape), Symbol{"late_a", data, 'D', ""}, Symbol{"late_b", data + 8, 'D', ""}))
		late := fmt.Sprintf("SYMBOL(late_a)=%x\nSYMBOL(late_b)=%x\n", uint64(data), uint64(data+8))
		info, err := ParseVMCoreInfo([]byte(fmt.Sprintf("OSRELEASE=6.12.0-test\nSYMBOL(_stext)=%x\n", uint64(fakeText)) + late))
		if err != nil {
			t.Fatal(err)
		}
		k, err := findReadOnlyKallsyms(f, info)
		if err != nil || k.places.numSyms != f.places.numSyms {
			t.Errorf("%s: %v", shape.release, err)
			continue
		}
		if a, err := k.Find("late_b"); err != nil || a.Addr != data+8 {
			t.Errorf("%s: %v, %v", shape.release, a, err)
		}
		if _, err := findReadOnlyKallsyms(f, shapeInfo(t)); !errors.Is(err, ErrNoKallsyms) {
			t.Errorf("%s, behind data: %v", shape.release, err)
		}
	}
}

// What has the shape but is not this kernel's is not believed.
func TestFindKallsymsRefuses(t *testing.T) {
	shape := shapesToFind[1]
	cases := []struct {
		name   string
		info   *VMCoreInfo
		change func(f *fakeKallsyms)
		want   string
	}{
		{"another release", shapeInfo(t, "6.12.0-test", "6.12.1-test"), nil, "is not \"Linux version 6.12.1-test \""},
		{"a longer release", shapeInfo(t, "6.12.0-test", "6.12.0"), nil, "is not \"Linux version 6.12.0 \""},
		{"another _stext", shapeInfo(t, "81000000", "81000100"), nil, "no known encoding"},
		{"another init_uts_ns", shapeInfo(t, "82000110", "82000111"), nil, "says that init_uts_ns is at 0xffffffff82000111, and they say"},
		{"nothing but _stext", shapeInfo(t, "init_uts_ns", "no_such_a", "SYMBOL(prb)", "SYMBOL(no_such_b)"), nil, "only 0 of the symbols"},
		{"no _stext", shapeInfo(t, "_stext", "_text"), nil, "no _stext"},
		{"_stext elsewhere", shapeInfo(t, "ffffffff81000000", "ffff888000000000"), nil, "outside the kernel's mapping"},
		{"no banner", nil, func(f *fakeKallsyms) { f.put(fakeBanner, 'X') }, "where a banner is"},
		{"no index", shapeInfo(t), func(f *fakeKallsyms) { f.put(f.at["index"]+100, 0, 0) }, "nothing in the kernel's image"},
		{"no texts", shapeInfo(t), func(f *fakeKallsyms) { f.put(f.at["tokens"]+37, 1) }, "nothing in the kernel's image"},
		{"no markers", shapeInfo(t), func(f *fakeKallsyms) { f.put(f.at["markers8"], 1) }, "no markers"},
		{"no names", shapeInfo(t), func(f *fakeKallsyms) { f.put(f.at["names"], 0) }, "no markers"},
		{"another number", shapeInfo(t), func(f *fakeKallsyms) { f.put(f.at["num"], 1, 0) }, "no markers"},
		{"zeros", shapeInfo(t), func(f *fakeKallsyms) { clear(f.data) }, "nothing in the kernel's image"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := shape.build(shapeSymbols(1000, shape))
			if c.change != nil {
				c.change(f)
			}
			k, err := FindKallsyms(f, c.info)
			if err == nil {
				t.Fatalf("found %+v", k.places)
			}
			if !strings.Contains(err.Error(), c.want) || !errors.Is(err, ErrBadKallsyms) && !errors.Is(err, ErrNoKallsyms) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

// decoys is memory that has the shape everywhere, but for what follows from it.
type decoys struct{ page [PageSize]byte }

func (m *decoys) ReadMem(addr Addr, buf []byte) error {
	for n := 0; n < len(buf); {
		n += copy(buf[n:], m.page[(uint64(addr)+uint64(n))%PageSize:])
	}
	return nil
}

// However much memory there is, and whatever it is full of, the search ends soon.
func TestFindKallsymsBounded(t *testing.T) {
	m := new(decoys)
	for i := range 256 {
		binary.LittleEndian.PutUint16(m.page[1024+2*i:], uint16(2*i))
		m.page[512+2*i] = 'a'
	}
	infos := []*VMCoreInfo{nil, shapeInfo(t)}
	if testing.Short() {
		infos = infos[:1]
	}
	for _, info := range infos {
		if _, err := FindKallsyms(m, info); err == nil {
			t.Error("decoys were taken for tables")
		}
		if _, err := FindKallsyms(zeros{1000}, info); err == nil {
			t.Error("zeros were taken for tables")
		}
	}
}

// FuzzFindKallsyms searches hostile memory. Its seeds are whole tables of each
// shape, and damaged ones.
func FuzzFindKallsyms(f *testing.F) {
	rnd := rand.New(rand.NewPCG(3, 3))
	for _, shape := range shapesToFind {
		seed := shape.build(shapeSymbols(300, shape))
		f.Add(bytes.Clone(seed.data))
		for range 20 {
			seed.data[rnd.IntN(len(seed.data))] = byte(rnd.Uint32())
		}
		f.Add(seed.data)
	}
	info := shapeInfo(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		m := fakeMemory{0xffffffff82000000, data}
		for _, info := range []*VMCoreInfo{info, nil} {
			if info == nil {
				// Without an anchor the search goes through a gigabyte of holes.
				s := shapeScan{r: m, budget: maxShapeScan}
				if k := s.up(m.base, m.base.Add(int64(len(data))+PageSize)); k != nil {
					ask(t, k, nil)
				}
				continue
			}
			k, err := FindKallsyms(m, info)
			if err != nil {
				if !errors.Is(err, ErrBadKallsyms) && !errors.Is(err, ErrNoKallsyms) && AsFault(err) == nil {
					t.Fatalf("%v is none of the errors that callers know", err)
				}
				continue
			}
			if sym, ok := k.Lookup("_stext"); !ok || sym.Addr != fakeText {
				t.Fatalf("believed, and _stext is %+v", sym)
			}
			ask(t, k, nil)
		}
	})
}
