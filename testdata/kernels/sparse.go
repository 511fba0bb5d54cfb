package kernels

import (
	"cmp"
	"encoding/binary"
	"io"
	"os"
	"slices"
)

// Sparse is a file of which only some ranges are not zero. It is an [io.ReaderAt].
type Sparse struct {
	Size   int64
	pieces []piece // sorted by off, disjoint
}

type piece struct {
	off  int64
	data []byte
}

func (s *Sparse) add(off int64, data []byte) {
	s.pieces = append(s.pieces, piece{off, data})
	s.Size = max(s.Size, off+int64(len(data)))
}

func (s *Sparse) sort() {
	slices.SortFunc(s.pieces, func(a, b piece) int { return cmp.Compare(a.off, b.off) })
}

// ReadAt implements [io.ReaderAt].
func (s *Sparse) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.Size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), s.Size-off))
	clear(p[:n])
	i, _ := slices.BinarySearchFunc(s.pieces, off, func(c piece, off int64) int {
		if c.off+int64(len(c.data)) <= off {
			return -1
		}
		return 1
	})
	for ; i < len(s.pieces) && s.pieces[i].off < off+int64(n); i++ {
		c := s.pieces[i]
		if c.off >= off {
			copy(p[c.off-off:n], c.data)
		} else {
			copy(p[:n], c.data[off-c.off:])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteFile makes a file with holes.
func (s *Sparse) WriteFile(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(s.Size); err != nil {
		return err
	}
	for _, c := range s.pieces {
		if _, err := f.WriteAt(c.data, c.off); err != nil {
			return err
		}
	}
	return f.Close()
}

// Flattened is the file taken apart into records, as makedumpfile -F writes it.
func (s *Sparse) Flattened() *Sparse {
	const head, recordHead, record = 4096, 16, 16 << 20
	be := binary.BigEndian
	flat := &Sparse{}
	start := make([]byte, head)
	copy(start, "makedumpfile")
	be.PutUint64(start[16:], 1)
	be.PutUint64(start[24:], 1)
	flat.add(0, start)
	at := func(off int64) int64 { return head + (off/record+1)*recordHead + off }
	for off := int64(0); off < s.Size; off += record {
		h := be.AppendUint64(nil, uint64(off))
		flat.add(at(off)-recordHead, be.AppendUint64(h, uint64(min(record, s.Size-off))))
	}
	for _, c := range s.pieces {
		for off, data := c.off, c.data; len(data) > 0; {
			n := min(int64(len(data)), record-off%record)
			flat.add(at(off), data[:n])
			off, data = off+n, data[n:]
		}
	}
	end := make([]byte, recordHead)
	for i := range end {
		end[i] = 0xff
	}
	flat.add(at(s.Size-1)+1, end)
	flat.sort()
	return flat
}
