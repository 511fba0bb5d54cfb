package flattened

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"kinspect/kmem/dumptest"
)

func flatJoin(parts ...[]byte) []byte { return append(dumptest.FlatHead(), bytes.Join(parts, nil)...) }

func openFlatBytes(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := Open(bytes.NewReader(b), int64(len(b)), "test")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// throughPieces reads the file inside where its pieces lie in the whole, and checks them; '.' is a hole.
func throughPieces(t testing.TB, f *File, whole []byte) string {
	t.Helper()
	var out []byte
	for off := uint64(0); off < f.end; {
		at, n, err := f.PieceAt(off)
		if err != nil {
			var h *holeError
			if !errors.As(err, &h) || h.off != off || errors.Is(err, io.ErrUnexpectedEOF) != f.cut {
				t.Fatalf("at %d: error %v", off, err)
			}
			out = append(out, '.')
			off++
			continue
		}
		if n == 0 || n > f.end-off || at > uint64(len(whole)) || n > uint64(len(whole))-at {
			t.Fatalf("at %d: %d bytes at %d of %d", off, n, at, len(whole))
		}
		// Each byte of a piece begins one that ends where it does.
		for i := range n {
			if a, m, err := f.PieceAt(off + i); a != at+i || m != n-i || err != nil {
				t.Fatalf("at %d, of a piece of %d bytes at %d: %d bytes at %d, %v", off+i, n, at, m, a, err)
			}
		}
		out = append(out, whole[at:at+n]...)
		off += n
	}
	return string(out)
}

func TestFlatFile(t *testing.T) {
	for _, tt := range []struct {
		name string
		file []byte
		want string // what the file inside holds; '.' is a hole
		cut  bool
	}{
		{"empty", flatJoin(dumptest.FlatEnd()), "", false},
		{"one record", flatJoin(dumptest.FlatRec(0, []byte("hello")), dumptest.FlatEnd()), "hello", false},
		{"in order", flatJoin(dumptest.FlatRec(0, []byte("he")), dumptest.FlatRec(2, []byte("llo")), dumptest.FlatEnd()), "hello", false},
		{"out of order", flatJoin(dumptest.FlatRec(2, []byte("llo")), dumptest.FlatRec(0, []byte("he")), dumptest.FlatEnd()), "hello", false},
		{"hole", flatJoin(dumptest.FlatRec(0, []byte("he")), dumptest.FlatRec(4, []byte("o")), dumptest.FlatEnd()), "he..o", false},
		{"hole at the start", flatJoin(dumptest.FlatRec(3, []byte("lo")), dumptest.FlatEnd()), "...lo", false},
		{"empty record", flatJoin(dumptest.FlatRec(0, []byte("he")), dumptest.FlatRec(2, nil), dumptest.FlatRec(2, []byte("llo")), dumptest.FlatEnd()), "hello", false},
		{"the later one counts", flatJoin(dumptest.FlatRec(0, []byte("hello")), dumptest.FlatRec(1, []byte("ipp")), dumptest.FlatEnd()), "hippo", false},
		{"the later one counts, in full", flatJoin(dumptest.FlatRec(1, []byte("ipp")), dumptest.FlatRec(0, []byte("hello")), dumptest.FlatEnd()), "hello", false},
		{"the later one reaches further", flatJoin(dumptest.FlatRec(0, []byte("hello")), dumptest.FlatRec(3, []byte("ping")), dumptest.FlatEnd()), "helping", false},
		{"three of them", flatJoin(dumptest.FlatRec(0, []byte("aaaaaaa")), dumptest.FlatRec(1, []byte("bbbbb")), dumptest.FlatRec(2, []byte("c")), dumptest.FlatRec(4, []byte("dddd")), dumptest.FlatEnd()), "abcbdddd", false},
		{"a header again", flatJoin(dumptest.FlatRec(0, []byte("head")), dumptest.FlatRec(4, []byte("body")), dumptest.FlatRec(8, []byte("tail")), dumptest.FlatRec(0, []byte("HEAD")), dumptest.FlatEnd()), "HEADbodytail", false},
		{"garbage behind the end", flatJoin(dumptest.FlatRec(0, []byte("hello")), dumptest.FlatEnd(), []byte("garbage")), "hello", false},
		{"no end", flatJoin(dumptest.FlatRec(0, []byte("hello"))), "hello", true},
		{"cut in a head", flatJoin(dumptest.FlatRec(0, []byte("hello")), []byte{0, 0, 0}), "hello", true},
		{"cut in a record", flatJoin(dumptest.FlatRec(0, []byte("hel")), dumptest.FlatRec(3, []byte("lo"))[:17]), "hell.", true},
		{"cut behind a head", flatJoin(dumptest.FlatRec(0, []byte("hel")), dumptest.FlatRec(3, []byte("lo"))[:16]), "hel..", true},
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
			if got := throughPieces(t, f, tt.file); got != tt.want {
				t.Errorf("in pieces: %q", got)
			}
			if n, err := f.ReadAt(make([]byte, 3), int64(len(tt.want))); n != 0 || err != io.EOF {
				t.Errorf("behind the end: %d, %v", n, err)
			}
		})
	}
}

// A file that is not what it was when its heads were read has pieces nowhere, or where it is not read beyond
// its end: whoever maps it is told.
func TestFlatChanged(t *testing.T) {
	file := flatJoin(dumptest.FlatRec(0, []byte("hello")), dumptest.FlatRec(5, []byte("world")), dumptest.FlatEnd())
	for _, size := range []uint64{0, 1, 4, 6, 1 << 40, 1<<63 - 5000, 1 << 63, 1<<64 - 1} {
		changed := bytes.Clone(file)
		f := openFlatBytes(t, changed)
		for i := range 8 {
			changed[4096+8+i] = byte(size >> (56 - 8*i))
		}
		for off := range uint64(10) {
			at, n, err := f.PieceAt(off)
			if err == nil && (n == 0 || n > 10-off || at < 4096+16) {
				t.Errorf("a record of %d bytes, offset %d: %d bytes at %d", size, off, n, at)
			}
		}
	}
}

// Many records, of which groups are made, in each of some orders.
func TestFlatGroups(t *testing.T) {
	data := make([]byte, 40000)
	dumptest.Pattern(data, 7)
	var recs [][]byte
	for off := 0; off < len(data); {
		n := min(1+off*7%61, len(data)-off)
		recs = append(recs, dumptest.FlatRec(off, data[off:off+n]))
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
		f := openFlatBytes(t, flatJoin(append(list, dumptest.FlatEnd())...))
		if want := (len(recs) + groupRecords - 1) / groupRecords; name == "in order" && len(f.groups) != want {
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

// bools makes a 1 of each true.
func bools(list []bool) []byte {
	out := make([]byte, len(list))
	for i, b := range list {
		if b {
			out[i] = 1
		}
	}
	return out
}

// FuzzFlat compares with records that are written one after the other.
func FuzzFlat(f *testing.F) {
	f.Add([]byte{0, 3, 3, 3, 6, 2, 1, 4})
	f.Add([]byte{9, 3, 0, 9, 200, 40, 100, 220, 3, 0, 1, 1})
	f.Add(bytes.Repeat([]byte{5, 9, 14, 9}, 40))
	f.Fuzz(func(t *testing.T, plan []byte) {
		plan = plan[:min(len(plan), 400)]
		file := dumptest.FlatHead()
		var want []byte
		var known []bool
		overlap := false
		for i := 0; i+1 < len(plan); i += 2 {
			off, n := int(plan[i]), int(plan[i+1])
			data := bytes.Repeat([]byte{byte(i + 1)}, n)
			file = append(file, dumptest.FlatRec(off, data)...)
			for len(want) < off+n {
				want, known = append(want, 0), append(known, false)
			}
			for j := range data {
				overlap = overlap || known[off+j]
				want[off+j], known[off+j] = data[j], true
			}
		}
		last := bytes.LastIndexByte(bools(known), 1)
		hole := bytes.IndexByte(bools(known)[:last+1], 0) >= 0
		// An empty record at the very end makes the file longer.
		file = append(file, dumptest.FlatEnd()...)
		flat, err := Open(bytes.NewReader(file), int64(len(file)), "fuzz")
		if (err != nil) != (hole && overlap) { // a record was moved
			t.Fatalf("hole %v, overlap %v: %v", hole, overlap, err)
		}
		if err != nil {
			return
		}
		if flat.end < uint64(len(want)) {
			t.Fatalf("%d bytes, want %d", flat.end, len(want))
		}
		through := throughPieces(t, flat, file)
		for i, b := range []byte(through[:len(want)]) {
			if known[i] && b != want[i] || !known[i] && b != '.' {
				t.Fatalf("at %d, in pieces: %d, want %d (known %v)", i, b, want[i], known[i])
			}
		}
		for from := 0; from < len(want); from++ {
			got := make([]byte, min(33, len(want)-from))
			n, err := flat.ReadAt(got, int64(from))
			expect := 0
			for expect < len(got) && known[from+expect] {
				expect++
			}
			if n != expect || !bytes.Equal(got[:n], want[from:from+n]) || (err == nil) != (n == len(got)) {
				t.Fatalf("at %d: %d bytes %v, %v; want %d", from, n, got[:n], err, expect)
			}
		}
	})
}
