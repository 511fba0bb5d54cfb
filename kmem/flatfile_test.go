package kmem

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

func flatJoin(parts ...[]byte) []byte { return append(flatHead(), bytes.Join(parts, nil)...) }

func openFlatBytes(t testing.TB, b []byte) *flatFile {
	t.Helper()
	f, err := openFlat(bytes.NewReader(b), int64(len(b)), "test")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFlatFile(t *testing.T) {
	for _, tt := range []struct {
		name string
		file []byte
		want string // what the file inside holds; '.' is a hole
		cut  bool
	}{
		{"empty", flatJoin(flatEnd()), "", false},
		{"one record", flatJoin(flatRec(0, []byte("hello")), flatEnd()), "hello", false},
		{"in order", flatJoin(flatRec(0, []byte("he")), flatRec(2, []byte("llo")), flatEnd()), "hello", false},
		{"out of order", flatJoin(flatRec(2, []byte("llo")), flatRec(0, []byte("he")), flatEnd()), "hello", false},
		{"hole", flatJoin(flatRec(0, []byte("he")), flatRec(4, []byte("o")), flatEnd()), "he..o", false},
		{"hole at the start", flatJoin(flatRec(3, []byte("lo")), flatEnd()), "...lo", false},
		{"empty record", flatJoin(flatRec(0, []byte("he")), flatRec(2, nil), flatRec(2, []byte("llo")), flatEnd()), "hello", false},
		{"the later one counts", flatJoin(flatRec(0, []byte("hello")), flatRec(1, []byte("ipp")), flatEnd()), "hippo", false},
		{"the later one counts, in full", flatJoin(flatRec(1, []byte("ipp")), flatRec(0, []byte("hello")), flatEnd()), "hello", false},
		{"the later one reaches further", flatJoin(flatRec(0, []byte("hello")), flatRec(3, []byte("ping")), flatEnd()), "helping", false},
		{"three of them", flatJoin(flatRec(0, []byte("aaaaaaa")), flatRec(1, []byte("bbbbb")), flatRec(2, []byte("c")), flatRec(4, []byte("dddd")), flatEnd()), "abcbdddd", false},
		{"a header again", flatJoin(flatRec(0, []byte("head")), flatRec(4, []byte("body")), flatRec(8, []byte("tail")), flatRec(0, []byte("HEAD")), flatEnd()), "HEADbodytail", false},
		{"garbage behind the end", flatJoin(flatRec(0, []byte("hello")), flatEnd(), []byte("garbage")), "hello", false},
		{"no end", flatJoin(flatRec(0, []byte("hello"))), "hello", true},
		{"cut in a head", flatJoin(flatRec(0, []byte("hello")), []byte{0, 0, 0}), "hello", true},
		{"cut in a record", flatJoin(flatRec(0, []byte("hel")), flatRec(3, []byte("lo"))[:17]), "hell.", true},
		{"cut behind a head", flatJoin(flatRec(0, []byte("hel")), flatRec(3, []byte("lo"))[:16]), "hel..", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := openFlatBytes(t, tt.file)
			if f.end != uint64(len(tt.want)) || f.cut != tt.cut {
				t.Errorf("%d bytes, cut %v; want %d, %v", f.end, f.cut, len(tt.want), tt.cut)
			}
			for from := range len(tt.want) {
				for to := from + 1; to <= len(tt.want); to++ {
					want := tt.want[from:to]
					before, _, hole := strings.Cut(want, ".")
					got := make([]byte, len(want))
					n, err := f.ReadAt(got, int64(from))
					if n != len(before) || string(got[:n]) != before || (err != nil) != hole {
						t.Fatalf("%d to %d: %q, %v; want %q", from, to, got[:n], err, want)
					}
					var h *holeError
					if hole && (!errors.As(err, &h) || h.off != uint64(from+n) || errors.Is(err, io.ErrUnexpectedEOF) != tt.cut) {
						t.Fatalf("%d to %d: error %v", from, to, err)
					}
				}
			}
			if n, err := f.ReadAt(make([]byte, 3), int64(len(tt.want))); n != 0 || err != io.EOF {
				t.Errorf("behind the end: %d, %v", n, err)
			}
		})
	}
}

// Many records, of which groups are made, in each of some orders.
func TestFlatGroups(t *testing.T) {
	data := make([]byte, 40000)
	pattern(data, 7)
	var recs [][]byte
	for off := 0; off < len(data); {
		n := min(1+off*7%61, len(data)-off)
		recs = append(recs, flatRec(off, data[off:off+n]))
		off += n
	}
	interleaved := make([][]byte, 0, len(recs))
	for i := range recs[:len(recs)/2] { // descriptors and pages take turns
		interleaved = append(interleaved, recs[i], recs[len(recs)/2+i])
	}
	interleaved = append(interleaved, recs[len(recs)/2*2:]...)
	backwards := make([][]byte, len(recs))
	for i := range recs {
		backwards[len(recs)-1-i] = recs[i]
	}
	for name, list := range map[string][][]byte{"in order": recs, "interleaved": interleaved, "backwards": backwards} {
		f := openFlatBytes(t, flatJoin(append(list, flatEnd())...))
		if want := (len(recs) + flatGroupRecords - 1) / flatGroupRecords; name == "in order" && len(f.groups) != want {
			t.Errorf("%d records, %d groups", len(recs), len(f.groups))
		}
		got := make([]byte, len(data))
		if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %v", name, err)
		}
		for off := 0; off < len(data); off += 37 {
			n := min(100, len(data)-off)
			if _, err := f.ReadAt(got[:n], int64(off)); err != nil || !bytes.Equal(got[:n], data[off:off+n]) {
				t.Fatalf("%s at %d: %v", name, off, err)
			}
		}
	}
}

func TestFlatRefuses(t *testing.T) {
	head := func(at int, v uint64) []byte {
		b := flatJoin(flatEnd())
		binary.BigEndian.PutUint64(b[at:], v)
		return b
	}
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"header cut off":  {[]byte(flatMagic), "a flattened dump of 16 bytes"},
		"type":            {head(16, 2), "type 2, version 1"},
		"version":         {head(24, 9), "type 1, version 9"},
		"negative offset": {head(flatHeaderSize, 1<<63), "a record of -1 bytes for offset 0x8000000000000000"},
		"negative size":   {head(flatHeaderSize, 5), "a record of -1 bytes for offset 0x5"},
		"size":            {flatJoin(flatRec(1<<62, nil)[:8], flatRec(1<<62, nil)[:8]), "a record of 4611686018427387904"},
		"nothing in it":   {flatJoin(flatEnd()), "not an ELF core dump: the file is empty"},
		"text in it":      {flattened([]byte("hello world"), 3), `it starts with "hello wo"`},
		"flattened twice": {flattened(flattened([]byte("hello"), 5), 1000), `it starts with "makedump"`},
		"hole in headers": {flatJoin(flatRec(0, (&testKdump{ram: testPages(3)}).bytes(t)[:5000]), flatRec(30000, []byte("x")), flatEnd()), "no record holds offset 0x4000"},
	} {
		_, err := openBytes(tt.file)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v does not say %q", name, err, tt.want)
		}
	}
}

// Dumps of both kinds inside, and what is told of missing parts.
func TestFlattenedDumps(t *testing.T) {
	k := testKdump{flags: kdumpZstd, ram: testPages(50), dumped: func(p int) bool { return p%7 != 0 }}
	file := k.bytes(t)
	filtered := func(p int) (Reason, bool) { return Filtered, p%7 == 0 }
	for _, size := range []int{100, 4096, 16384, 1 << 20} {
		img, err := openBytes(flattened(file, size))
		if err != nil {
			t.Fatal(err)
		}
		checkPages(t, img, k.ram, filtered)
		if len(img.Remarks()) != 0 {
			t.Errorf("remarks %q", img.Remarks())
		}
	}
	elf := testCore{loads: []testLoad{{data: k.ram}}}
	img, err := openBytes(flattened(elf.bytes(), 777))
	if err != nil {
		t.Fatal(err)
	}
	checkPages(t, img, k.ram, present1)

	whole := flattened(file, 64)
	cut := whole[:len(whole)-3000]
	if img, err = openBytes(cut); err != nil {
		t.Fatal(err)
	}
	inside := uint64(len(file)) - 3000/80*64
	checkPages(t, img, k.ram, func(p int) (Reason, bool) {
		if p%7 == 0 {
			return Filtered, true
		}
		n, _, _ := img.phys.(*kdumpMemory).bitmap.rank(uint64(p))
		d := parsePageDesc(file[k.layout.descs+int(n)*kdumpDescSize:])
		return Truncated, d.off+uint64(d.size) > inside+64
	})
	if r := strings.Join(img.Remarks(), "\n"); !strings.Contains(r, "end record is missing") {
		t.Errorf("remarks %q", r)
	}
	// A record that is missing in the middle is damage, not an end.
	at := k.layout.data + 5000
	img, err = openBytes(flatJoin(flatRec(0, file[:at]), flatRec(at+8, file[at+8:]), flatEnd()))
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for p := range 50 {
		if f := AsFault(img.ReadPhys(PhysAddr(p*PageSize), make([]byte, 8))); f != nil && f.Reason == Failed {
			failed++
		}
	}
	if failed != 1 && failed != 2 {
		t.Errorf("%d pages failed", failed)
	}
}
