package kmem

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"kinspect/kmem/kdump"
)

func TestSavedMapRoundTrip(t *testing.T) {
	for name, m := range map[string]struct {
		ranges []savedRange
		spans  []span
	}{
		"empty":          {},
		"last byte":      {[]savedRange{{math.MaxUint64, math.MaxUint64, 5}}, []span{{1<<52 - 1, 1<<52 - 1}}},
		"first and last": {[]savedRange{{0, 9, 1 << 51}, {10, 19, 0}, {math.MaxUint64 - 3, math.MaxUint64, strayPlace | 4}}, []span{{0, 0}, {2, 1 << 40}}},
		"stream":         {[]savedRange{{5, 9, 0x5000}, {10, 19, streamPlace}, {20, 29, strayPlace | 9}, {30, 39, streamPlace | 4*PageSize - 10}}, nil},
		"stray":          {[]savedRange{{testKernel, testKernel + 4095, strayPlace}, {testKernel + 4096, testKernel + 8191, 0x5000}}, nil},
	} {
		got, err := parseSavedMap(encodeSavedMap(m.ranges, m.spans), 2*PageSize, 4*PageSize)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(got.ranges, m.ranges) {
			t.Errorf("%s: %#x, want %#x", name, got.ranges, m.ranges)
		}
	}
}

func TestSavedMapRefuses(t *testing.T) {
	numbers := func(n ...uint64) []byte {
		var b []byte
		for _, v := range n {
			b = binary.AppendUvarint(b, v)
		}
		return b
	}
	signed := func(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }
	for name, tt := range map[string]struct {
		b    []byte
		want string
	}{
		"nothing":            {nil, "cut off"},
		"no spans":           {numbers(0), "cut off"},
		"cut range":          {numbers(1, 5), "cut off"},
		"endless number":     {bytes.Repeat([]byte{0xff}, 20), "cut off"},
		"too many":           {numbers(maxSavedRanges + 1), "ranges, more than"},
		"too many spans":     {numbers(0, maxSavedRanges+1), "ranges, more than"},
		"more than there is": {numbers(maxSavedRanges, 1, 1, 0), "cut off"},
		"wraps":              {numbers(1, math.MaxUint64, 1, 0, 0), "out of order"},
		"after the end":      {numbers(2, math.MaxUint64, 0, 0, 5, 0, 0, 0), "out of order"},
		"overlap by wrap":    {numbers(2, 100, 0, 0, math.MaxUint64-50, 0, 0, 0), "out of order"},
		"place too high":     {numbers(1, 0, 0, signed(1<<52), 0), "nothing can be"},
		"place grows high":   {numbers(1, 0, 1<<52, 0, 0), "nothing can be"},
		"into the stray":     {numbers(1, 0, 1, signed(math.MaxInt64), 0), "nothing can be"},
		"stray too far":      {numbers(1, 0, PageSize, signed(math.MinInt64), 0), "nothing can be"},
		"beyond the stream":  {numbers(1, 0, PageSize, signed(-1<<62), 0), "nothing can be"},
		"into the stream":    {numbers(1, 0, 1<<62, signed(math.MinInt64), 0), "nothing can be"},
		"span wraps":         {numbers(0, 1, 5, math.MaxUint64-2), "out of order"},
		"span too high":      {numbers(0, 1, 1<<52, 0), "out of order"},
		"more":               {numbers(0, 0, 0), "1 bytes too many"},
	} {
		if _, err := parseSavedMap(tt.b, PageSize, PageSize); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The parts of a page, and what is left of ranges, against counting bytes.
func TestBytesAgainstScan(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var asked askedBytes
		var want [PageSize]bool
		for range random.IntN(8) {
			from := random.IntN(PageSize)
			to := from + 1 + random.IntN(min(PageSize-from, 1+random.IntN(300)))
			asked.add(from, to)
			for i := from; i < to; i++ {
				want[i] = true
			}
		}
		var got [PageSize]bool
		last := -1
		for _, p := range asked.parts() {
			if p.from <= last || p.to <= p.from {
				t.Fatalf("%v", asked.parts())
			}
			last = p.to
			for i := p.from; i < p.to; i++ {
				got[i] = true
			}
		}
		for i := range want {
			if want[i] != got[i] || want[i] != asked.has(i) {
				t.Fatalf("byte %d: asked %v, parts %v, has %v", i, want[i], got[i], asked.has(i))
			}
		}
	}
	const space = 200
	spans := func() []span {
		var out []span
		for range random.IntN(10) {
			from := random.Uint64N(space)
			out = append(out, span{from, from + random.Uint64N(space-from)})
		}
		return joinSpans(out)
	}
	in := func(list []span, at uint64) bool {
		return slices.ContainsFunc(list, func(s span) bool { return s.first <= at && at <= s.last })
	}
	for range 2000 {
		a, b := spans(), spans()
		rest := subtractSpans(a, b)
		m := savedMap{spans: rest}
		for at := range uint64(space) {
			if want := in(a, at) && !in(b, at); want != in(rest, at) || want != (m.known(at) > 0) {
				t.Fatalf("%v less %v is said to be %v", a, b, rest)
			}
		}
	}
}

// testSavedKdump makes a snapshot whose note of what it holds may be anything.
func testSavedKdump(t testing.TB, info string, text []byte, stray bool, more ...kdump.Note) []byte {
	file := &kdump.File{
		VMCoreInfo: []byte("OSRELEASE=6.12.0-test\n"),
		Notes:      []kdump.Note{{Name: noteSnapshot, Desc: []byte(info)}},
		Pages:      []uint64{0, 1, 5},
		Read:       func(page uint64, buf []byte) error { copy(buf, ramp(PageSize)); return nil },
	}
	if text != nil {
		file.Notes = append(file.Notes, kdump.Note{Name: noteMap, Desc: pack(t, text)})
	}
	if stray {
		inner := *file
		inner.Notes = nil
		var b memoryFile
		if _, err := inner.Write(&b); err != nil {
			t.Fatal(err)
		}
		file.Notes = append(file.Notes, kdump.Note{Name: noteStray, Desc: b.b})
	}
	file.Notes = append(file.Notes, more...)
	var b memoryFile
	if _, err := file.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.b
}

func TestSavedMapHostile(t *testing.T) {
	const info = `{"version":2,"command":["x"]}`
	if _, err := openBytes(testSavedKdump(t, info, nil, false)); err == nil || !strings.Contains(err.Error(), "damaged snapshot") {
		t.Error(err)
	}
	if _, err := openBytes(testSavedKdump(t, info, []byte("garbage"), false)); err == nil || !strings.Contains(err.Error(), "damaged snapshot") {
		t.Error(err)
	}
	if _, err := openBytes(testSavedKdump(t, `{"version":4}`, nil, false)); err == nil || !strings.Contains(err.Error(), "a newer one is needed") {
		t.Error(err)
	}
	// Without a map nothing is known, whatever pages there are.
	img := mustOpen(t, testSavedKdump(t, `{"version":1}`, nil, false))
	if _, err := ReadUint64(img, testKernel); AsFault(err) == nil {
		t.Error(err)
	}
	// A map of what the file does not have, or has not all of.
	text := encodeSavedMap([]savedRange{{testKernel, testKernel + 3*PageSize, 0}, {testKernel + 1<<20, testKernel + 1<<20 + 99, strayPlace | 4*PageSize}}, nil)
	img = mustOpen(t, testSavedKdump(t, info, text, true))
	buf := make([]byte, 3*PageSize)
	if err := img.ReadMem(testKernel, buf[:2*PageSize]); err != nil {
		t.Error(err)
	}
	for _, addr := range []Addr{testKernel, testKernel + 1<<20} {
		err := img.ReadMem(addr, buf)
		if f := AsFault(err); f == nil || f.Addr < uint64(addr) || f.Addr+f.Len != uint64(addr)+uint64(len(buf)) {
			t.Errorf("%v: %v", addr, err)
		}
	}
	if err := img.ReadPhys(0, buf); AsFault(err) == nil {
		t.Error(err)
	}
}

// FuzzSavedMap reads snapshots whose note of what they hold is anything.
func FuzzSavedMap(f *testing.F) {
	f.Add(encodeSavedMap([]savedRange{{testKernel, testKernel + 99, 0x1000}, {testKernel + 1<<20, testKernel + 1<<20 + 99, strayPlace | 5*PageSize}}, []span{{0x2000, 0x2fff}}), true)
	f.Add([]byte{1, 5, 5, 5, 1, 5, 5}, false)
	f.Add(encodeSavedMap([]savedRange{{testKernel, testKernel + 99, streamPlace | 3}, {testKernel + 1<<20, testKernel + 1<<20 + 99, streamPlace | 2*PageSize}}, nil), true)
	empty := encodeSavedMap(nil, nil)
	images := map[bool]*Image{}
	for _, stray := range []bool{false, true} {
		stream := kdump.Note{Name: noteStream, Desc: pack(f, ramp(2*PageSize))}
		images[stray] = mustOpen(f, testSavedKdump(f, `{"version":3,"redacted":true}`, empty, stray, stream))
	}
	f.Fuzz(func(t *testing.T, text []byte, stray bool) {
		size := uint64(0)
		if stray {
			size = 6 * PageSize
		}
		m, err := parseSavedMap(text, size, maxStream)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error %q is not one clean line", err)
			}
			return
		}
		img := images[stray]
		img.saved.savedMap = m
		readAnything(t, img)
		last := uint64(0)
		for i, r := range img.saved.ranges {
			if r.last < r.start || i > 0 && r.start <= last {
				t.Fatalf("ranges overlap at %#x", r.start)
			}
			last = r.last
			buf := make([]byte, 1+min(r.last-r.start, 3*PageSize))
			if err := img.ReadMem(Addr(r.start), buf); err != nil && AsFault(err) == nil {
				t.Errorf("%#x: %v is no fault", r.start, err)
			}
			if i > 100 {
				break
			}
		}
	})
}
