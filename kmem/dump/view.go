package dump

import (
	"io"
	"os"
)

// viewSize is how much of a file a view has mapped at a time, in bytes. To map and unmap costs as much as
// to look at some tens of KiB, and memory that is mapped anew is entered page by page into new tables; what
// is mapped and was looked at counts as the process's memory, though the system may take it back.
const viewSize = 8 << 20

// View looks at a file's bytes where they lie, without a copy of them. It is for one goroutine.
//
// What the file loses meanwhile, or what cannot be read of it, is a fault of the processor: who looks
// calls [debug.SetPanicOnFault] and recovers.
type View struct {
	f     *File
	parts pieced // nil where the file is one on disk itself
	disk  *os.File
	size  uint64 // of the file on disk
	start uint64 // what is mapped of it, from here on
	data  []byte
	unmap func()
}

// pieced is a reader whose bytes lie in another.
type pieced interface {
	// Whole is what they lie in.
	Whole() io.ReaderAt
	// PieceAt is where the byte at off lies there, and how many from it on lie behind one another, at
	// least one.
	PieceAt(off uint64) (at, n uint64, err error)
}

// NewView returns a view of the file, or nil where it cannot be mapped. It has to be closed.
func (f *File) NewView() *View {
	v := &View{f: f}
	r := f.r
	if p, ok := r.(pieced); ok {
		v.parts, r = p, p.Whole()
	}
	disk, ok := r.(*os.File)
	if !ok {
		return nil
	}
	info, err := disk.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	v.disk, v.size = disk, uint64(max(info.Size(), 0))
	return v
}

// Bytes returns the bytes at off, up to n of them and at least one: as many as lie together. It returns nil
// where they are not there, or cannot be mapped. They are valid until the next call.
func (v *View) Bytes(off uint64, n int) []byte {
	if size := uint64(max(v.f.Size, 0)); n <= 0 || off >= size {
		return nil
	} else if size-off < uint64(n) {
		n = int(size - off)
	}
	if v.parts != nil {
		at, run, err := v.parts.PieceAt(off)
		if err != nil || run == 0 {
			return nil
		}
		off, n = at, int(min(uint64(n), run))
	}
	if off >= v.size {
		return nil
	}
	if off < v.start || off-v.start >= uint64(len(v.data)) {
		if !v.move(off) {
			return nil
		}
	}
	data := v.data[off-v.start:]
	return data[:min(n, len(data))]
}

// move maps what is around off, which is in the file.
func (v *View) move(off uint64) bool {
	v.Close()
	start := off &^ (viewSize - 1)
	data, unmap := mapFile(v.disk, start, int(min(v.size-start, viewSize)))
	if data == nil {
		return false
	}
	v.start, v.data, v.unmap = start, data, unmap
	return true
}

// Close ends what the view has mapped. It may be called again, and on nil.
func (v *View) Close() {
	if v == nil || v.unmap == nil {
		return
	}
	v.unmap()
	v.data, v.unmap = nil, nil
}
