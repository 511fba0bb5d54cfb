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

// lateData is where the data of beforeData is.
const lateData = Addr(0xffffffff83000000)

// beforeData are tables before all data that VMCOREINFO names.
func beforeData(t testing.TB, shape kallsymsShape) (*fakeKallsyms, *VMCoreInfo) {
	t.Helper()
	f := shape.build(append(shapeSymbols(1000, shape), Symbol{"late_a", lateData, 'D', ""}, Symbol{"late_b", lateData + 8, 'D', ""}))
	text := fmt.Sprintf("OSRELEASE=6.12.0-test\nSYMBOL(_stext)=%x\nSYMBOL(late_a)=%x\nSYMBOL(late_b)=%x\n", uint64(fakeText), uint64(lateData), uint64(lateData+8))
	info, err := ParseVMCoreInfo([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f, info
}

// Before all data the tables are found by less; behind some they are not looked for there.
func TestFindReadOnlyKallsyms(t *testing.T) {
	for _, shape := range shapesToFind {
		if shape.release == "unknown order" {
			continue
		}
		f, info := beforeData(t, shape)
		k, err := findReadOnlyKallsyms(f, info)
		if err != nil || k.places.numSyms != f.places.numSyms {
			t.Errorf("%s: %v", shape.release, err)
			continue
		}
		if a, err := k.Find("late_b"); err != nil || a.Addr != lateData+8 {
			t.Errorf("%s: %v, %v", shape.release, a, err)
		}
		if _, err := findReadOnlyKallsyms(f, shapeInfo(t)); !errors.Is(err, ErrNoKallsyms) {
			t.Errorf("%s, behind data: %v", shape.release, err)
		}
	}
}

// counting is memory that counts the bytes that are read of it.
type counting struct {
	fakeMemory
	bytes int
}

func (m *counting) ReadMem(addr Addr, buf []byte) error {
	err := m.fakeMemory.ReadMem(addr, buf)
	if err == nil {
		m.bytes += len(buf)
	}
	return err
}

// Copies of the pages with the token table, as whoever read them leaves them in the memory that a kernel frees behind
// its read-only data, are told from it with little to read, however many there are.
func TestFindKallsymsCopies(t *testing.T) {
	const copies = 50
	rnd := rand.New(rand.NewPCG(5, 5))
	before := map[string]func(page []byte){
		"zeros":   func([]byte) {},
		"pattern": func(page []byte) { copy(page, bytes.Repeat([]byte("abc\x00"), len(page)/4)) },
		"numbers": func(page []byte) { // that may be of symbols
			for i := range page {
				page[i] = byte(rnd.IntN(16))
			}
		},
		"rising": func(page []byte) { // as markers do, and from 0
			for i := 0; i < len(page); i += 4 {
				binary.LittleEndian.PutUint32(page[i:], uint32(i/4*3000))
			}
		},
	}
	for _, shape := range shapesToFind {
		if shape.release == "unknown order" {
			continue
		}
		for name, fill := range before {
			f, info := beforeData(t, shape)
			first := f.at["tokens"].Page() - f.base
			last := (f.at["index"] + tokenIndexSize - 1).Page() - f.base + PageSize
			tables := bytes.Clone(f.data[first:last])
			for range copies {
				page := make([]byte, 2*PageSize)
				fill(page)
				f.data = append(append(f.data, page...), tables...)
			}
			m := &counting{fakeMemory: f.fakeMemory}
			k, err := findReadOnlyKallsyms(m, info)
			if err != nil || k.places.numSyms != f.places.numSyms {
				t.Errorf("%s, %s: %v", shape.release, name, err)
				continue
			}
			if most := 4*len(f.data) + copies*256<<10; m.bytes > most {
				t.Errorf("%s, %s: %d bytes were read, more than %d", shape.release, name, m.bytes, most)
			}
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
type decoys struct {
	page  [PageSize]byte
	bytes int // that were read
}

func (m *decoys) ReadMem(addr Addr, buf []byte) error {
	m.bytes += len(buf)
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
		m.bytes = 0
		if _, err := FindKallsyms(m, info); err == nil {
			t.Error("decoys were taken for tables")
		}
		if most := maxShapeScan + maxShapeScan/16; m.bytes > most {
			t.Errorf("%d bytes were read, more than %d", m.bytes, most)
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
