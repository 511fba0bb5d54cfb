package search

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// naive is what a search of memory at addr has to find.
func naive(p *Pattern, b []byte, addr uint64) []uint64 {
	var hits []uint64
	for i := 0; i+len(p.Bytes) <= len(b); i++ {
		ok := (addr+uint64(i))%p.Align == 0
		for j := range p.Bytes {
			m := byte(0xff)
			if p.Mask != nil {
				m = p.Mask[j]
			}
			ok = ok && b[i+j]&m == p.Bytes[j]&m
		}
		if ok {
			hits = append(hits, addr+uint64(i))
		}
	}
	return hits
}

// inPieces searches memory that comes in pieces, some of them as zeros.
func inPieces(p *Pattern, b []byte, addr uint64, limit int, cuts []int) []uint64 {
	s := seam{p: p, limit: limit, zeros: p.zeros()}
	from := 0
	for _, to := range append(cuts, len(b)) {
		if to <= from || to > len(b) {
			continue
		}
		piece := kmem.ScanPiece{Addr: addr + uint64(from), Size: uint64(to - from), Data: b[from:to]}
		if strings.Trim(string(piece.Data), "\x00") == "" && from%2 == 0 {
			piece.Data = nil
		}
		if !s.take(s.look(piece)) {
			break
		}
		from = to
	}
	return s.hits
}

// TestFind compares with the naive search: patterns of all lengths and alignments, with and without a
// mask, in memory of few values, cut anywhere.
func TestFind(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	found := 0
	for range 20000 {
		b := make([]byte, rng.IntN(200))
		for i := range b {
			b[i] = byte(rng.IntN(3) * rng.IntN(2))
		}
		p := Pattern{Bytes: make([]byte, []int{1, 2, 3, 4, 8, 9, 20}[rng.IntN(7)]), Align: 1 << rng.IntN(5)}
		for i := range p.Bytes {
			p.Bytes[i] = byte(rng.IntN(2))
		}
		if rng.IntN(3) == 0 {
			p.Mask = make([]byte, len(p.Bytes))
			for i := range p.Mask {
				p.Mask[i] = byte(rng.IntN(4))
			}
		}
		addr := uint64(rng.IntN(100))
		var cuts []int
		for range rng.IntN(12) {
			cuts = append(cuts, rng.IntN(len(b)+1))
		}
		slices.Sort(cuts)
		want := naive(&p, b, addr)
		if got := p.find(nil, b, addr, 1<<20); !slices.Equal(got, want) {
			t.Fatalf("%+v in %x at %#x: %x, want %x", p, b, addr, got, want)
		}
		if got := inPieces(&p, b, addr, 1<<20, cuts); !slices.Equal(got, want) {
			t.Fatalf("%+v in %x at %#x, cut at %d: %x, want %x", p, b, addr, cuts, got, want)
		}
		limit := 1 + rng.IntN(5)
		if got := inPieces(&p, b, addr, limit, cuts); !slices.Equal(got, want[:min(len(want), limit)]) {
			t.Fatalf("%+v in %x at %#x, cut at %d: the first %d are %x, want %x", p, b, addr, cuts, limit, got, want)
		}
		found += len(want)
	}
	if found < 1000 {
		t.Errorf("%d matches are too few for a test", found)
	}
}

// TestFindRare is of numbers that are found by one of their bytes, where memory has that byte seldom
// and where it has it all over.
func TestFindRare(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	found := 0
	for round := range 600 {
		b := make([]byte, rng.IntN(12000))
		for i := range b {
			if rng.IntN([]int{2, 9, 400}[round%3]) == 0 {
				b[i] = byte(7 + rng.IntN(2))
			}
		}
		p := Pattern{Bytes: make([]byte, 8), Align: 8}
		p.Bytes[rng.IntN(8)] = 7
		p.Bytes[rng.IntN(8)] = byte(7 + rng.IntN(2))
		for range rng.IntN(20) {
			if len(b) > 8 {
				copy(b[rng.IntN(len(b)-8):], p.Bytes)
			}
		}
		if p.rareByte() < 0 {
			t.Fatalf("%x has no rare byte", p.Bytes)
		}
		addr := uint64(rng.IntN(9))
		want := naive(&p, b, addr)
		limit := 1 << 20
		if round%5 == 0 {
			limit = 3
			want = want[:min(len(want), limit)]
		}
		if got := p.find(nil, b, addr, limit); !slices.Equal(got, want) {
			t.Fatalf("%x in %d bytes at %#x: %x, want %x", p.Bytes, len(b), addr, got, want)
		}
		found += len(want)
	}
	if found < 500 {
		t.Errorf("%d matches are too few for a test", found)
	}
}

func FuzzFind(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0}, []byte{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, uint8(3), uint8(5))
	f.Add([]byte("ab"), []byte("aabab"), uint8(0), uint8(2))
	f.Fuzz(func(t *testing.T, pattern, b []byte, align, step uint8) {
		if len(pattern) == 0 || len(pattern) > 100 || len(b) > 1000 {
			return
		}
		p := Pattern{Bytes: pattern, Align: 1 << (align % 13)}
		var cuts []int
		for at := int(step); at < len(b) && step > 0; at += int(step) {
			cuts = append(cuts, at)
		}
		if got, want := inPieces(&p, b, 4096, 1<<20, cuts), naive(&p, b, 4096); !slices.Equal(got, want) {
			t.Fatalf("%x, want %x", got, want)
		}
	})
}

// Gaps in memory separate.
func TestFindAcrossGap(t *testing.T) {
	p := Pattern{Bytes: []byte("abcd"), Align: 1}
	s := seam{p: &p, limit: 10}
	for _, piece := range []kmem.ScanPiece{
		{Addr: 0x1000, Size: 3, Data: []byte("xab")},
		{Addr: 0x1004, Size: 3, Data: []byte("cdx")},
		{Addr: 0x1007, Size: 2, Data: []byte("ab")},
		{Addr: 0x1009, Size: 2, Data: []byte("cd")},
	} {
		s.take(s.look(piece))
	}
	if len(s.hits) != 1 || s.hits[0] != 0x1007 {
		t.Errorf("%x", s.hits)
	}
}

type load struct {
	virt, phys uint64
	data       []byte
}

// core writes an ELF core, less its last bytes, and opens it.
func core(t *testing.T, cut int, loads ...load) (*value.Kernel, *kmem.Image) {
	t.Helper()
	le := binary.LittleEndian
	file := make([]byte, 64+56*len(loads))
	copy(file, "\x7fELF\x02\x01\x01")
	le.PutUint16(file[16:], 4)  // ET_CORE
	le.PutUint16(file[18:], 62) // x86-64
	le.PutUint32(file[20:], 1)
	le.PutUint64(file[32:], 64)
	le.PutUint16(file[52:], 64)
	le.PutUint16(file[54:], 56)
	le.PutUint16(file[56:], uint16(len(loads)))
	for i, l := range loads {
		h := file[64+56*i:]
		le.PutUint32(h, 1)
		le.PutUint64(h[8:], uint64(len(file)))
		le.PutUint64(h[16:], l.virt)
		le.PutUint64(h[24:], l.phys)
		le.PutUint64(h[32:], uint64(len(l.data)))
		le.PutUint64(h[40:], uint64(len(l.data)))
		file = append(file, l.data...)
	}
	name := filepath.Join(t.TempDir(), "core")
	if err := os.WriteFile(name, file[:len(file)-cut], 0o600); err != nil {
		t.Fatal(err)
	}
	img, err := kmem.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = img.Close() })
	return value.New(img, img), img
}

// A match in two pages is found where their physical addresses follow one another, in one segment
// or in two, and nowhere else; what is known of its place is told.
func TestFindInDump(t *testing.T) {
	const direct = 0xffff888000000000
	ram := make([]byte, 4*kmem.PageSize)
	copy(ram[kmem.PageSize-3:], "needle")
	copy(ram[2*kmem.PageSize-3:], "needle")
	copy(ram[3*kmem.PageSize-3:], "nee")
	copy(ram[3*kmem.PageSize:], "dle")
	k, img := core(t, 0,
		load{direct + 0x100000, 0x100000, ram[:2*kmem.PageSize]},
		load{direct + 0x102000, 0x102000, ram[2*kmem.PageSize : 3*kmem.PageSize]},
		load{direct + 0x200000, 0x200000, ram[3*kmem.PageSize:]})
	p, err := String("needle")
	if err != nil {
		t.Fatal(err)
	}
	a, err := Find(context.Background(), k, img, p, Options{Context: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range hits(a) {
		got = append(got, *h.Phys+" "+*h.Direct+" "+*h.Address)
		if h.Image != nil || h.Symbol != nil || h.Context == nil || h.Offset != 0xffd {
			t.Errorf("%+v", h)
		}
	}
	want := []string{"0x100ffd 0xffff888000100ffd 0xffff888000100ffd", "0x101ffd 0xffff888000101ffd 0xffff888000101ffd"}
	if !slices.Equal(got, want) || a.Partial() || a.More || a.Searched != uint64(len(ram)) {
		t.Errorf("%q, %+v", got, a)
	}
	text := a.Text()
	for _, s := range []string{"phys 0x100ffd  direct map 0xffff888000100ffd\n", "|.............nee|", `2 matches of string "needle" in the 16 KiB (4 pages) that the dump holds`} {
		if !strings.Contains(text, s) {
			t.Errorf("%q is not in\n%s", s, text)
		}
	}
	a, err = Find(context.Background(), k, img, p, Options{Limit: 1})
	if err != nil || !a.More || len(hits(a)) != 1 || a.Partial() {
		t.Errorf("%+v, %v", a, err)
	}
}

// What a damaged dump lacks is never searched in silence.
func TestFindInPart(t *testing.T) {
	k, img := core(t, 5000, load{0, 0x1000, make([]byte, 8*kmem.PageSize)})
	a, err := Find(context.Background(), k, img, Uint(1, ^uint64(0), 8), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !a.Partial() || len(hits(a)) != 0 || len(a.Unread) != 1 || a.Unread[0].Bytes != 5000 {
		t.Errorf("%+v", a)
	}
	if text := a.Text(); !strings.Contains(text, "no match of u64 0x1 in the") || !strings.Contains(text, "not searched: 5 KiB (2 pages) that could not be read: beyond the end of the file") {
		t.Error(text)
	}
	if out, err := json.Marshal(a); err != nil || !strings.Contains(string(out), `"hits":[],"more":false`) {
		t.Errorf("%s, %v", out, err)
	}
}

// A snapshot knows virtual addresses alone.
func TestFindVirtual(t *testing.T) {
	b := make([]byte, 64)
	b[24] = 7
	k, img := core(t, 0, load{0xffffffff81000010, ^uint64(0), b})
	a, err := Find(context.Background(), k, img, Uint(7, ^uint64(0), 8), Options{Context: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(hits(a)) != 1 || hits(a)[0].Phys != nil || *hits(a)[0].Address != "0xffffffff81000028" || a.LeftOut != nil {
		t.Errorf("%+v", a)
	}
}

// Somebody who interrupts gets what there is.
func TestFindInterrupted(t *testing.T) {
	k, img := core(t, 0, load{0, 0x1000, make([]byte, 8*kmem.PageSize)})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	a, err := Find(ctx, k, img, Uint(1, ^uint64(0), 8), Options{})
	if err != nil || !a.Partial() || !strings.Contains(a.Text(), "before it was interrupted") {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		digits string
		want   string // "" is an error
	}{
		{"0180c2", "\x01\x80\xc2"},
		{"01:80:C2", "\x01\x80\xc2"},
		{"0x0180", "\x01\x80"},
		{"01 80-c2", "\x01\x80\xc2"},
		{"018", ""},
		{"", ""},
		{"0x", ""},
		{"zz", ""},
		{strings.Repeat("00", maxPattern+1), ""},
	} {
		p, err := Bytes(tt.digits)
		if (err == nil) != (tt.want != "") || string(p.Bytes) != tt.want {
			t.Errorf("%.20q: %x, %v", tt.digits, p.Bytes, err)
		}
	}
	if p := Uint(0x1122, 0xff00, 8); string(p.Bytes) != "\x00\x11\x00\x00\x00\x00\x00\x00" || p.Mask == nil || p.Align != 8 {
		t.Errorf("%+v", p)
	}
	if p := Uint(0x11223344, ^uint64(0), 4); string(p.Bytes) != "\x44\x33\x22\x11" || p.Mask != nil || p.Align != 4 {
		t.Errorf("%+v", p)
	}
	if p, _ := String("\x1b[31m" + strings.Repeat("é", 200)); strings.ContainsAny(p.Text, "\x1b\n") || !strings.HasPrefix(p.Text, "string ") {
		t.Errorf("%q", p.Text)
	}
}

// BenchmarkFind searches memory that the CPU has in its cache.
func BenchmarkFind(b *testing.B) {
	mem := make([]byte, 256<<10)
	for i := range mem {
		mem[i] = byte(i * 7 >> 3)
	}
	text, _ := String("needle")
	for name, p := range map[string]Pattern{
		"u64":      Uint(0x5a17c0ffee0ddba1, ^uint64(0), 8),
		"u64 mask": Uint(0x5a17c0ffee0ddba1, ^uint64(0xfff), 8),
		"u32":      Uint(0x5a17c0ff, ^uint64(0), 4),
		"string":   text,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(mem)))
			for b.Loop() {
				p.find(nil, mem, 0, 100)
			}
		})
	}
}

func hits(a *Answer) []Hit { return slices.Collect(a.All) }
