package check_test

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
)

// mutation is one way in which a source is spoiled.
type mutation struct {
	region string // what was hit
	how    string
	file   int
	patch  []patch
	cut    int // the file's new size, or -1
}

// patch replaces bytes of a file.
type patch struct {
	off  int
	data []byte
}

func (m *mutation) String() string {
	s := fmt.Sprintf("%s of %s in file %d", m.how, m.region, m.file)
	if m.cut >= 0 {
		return s + fmt.Sprintf(", cut to %#x bytes", m.cut)
	}
	for _, p := range m.patch {
		s += fmt.Sprintf(" %#x:% x", p.off, p.data[:min(len(p.data), 16)])
	}
	return s
}

// mutant makes the index-th mutation. Half of them hit any byte of a region, half a byte
// that the answer hangs on.
func (s *source) mutant(index int) *mutation {
	h := fnv.New64a()
	_, _ = io.WriteString(h, s.name)
	rng := rand.New(rand.NewPCG(mutateSeed^h.Sum64(), uint64(index)))
	for {
		if m := s.mutate(rng, index%2 == 1); m != nil {
			return m
		}
	}
}

// mutate returns nil where it came upon bytes that are left alone.
func (s *source) mutate(rng *rand.Rand, aimed bool) *mutation {
	m := &mutation{cut: -1}
	var off int
	if aimed {
		m.region = s.aimed[rng.IntN(len(s.aimed))]
		t := s.aims[m.region][rng.IntN(len(s.aims[m.region]))]
		m.file, off = t.file, t.off+rng.IntN(t.n)
		m.region = "aimed " + m.region
	} else {
		m.region = s.names[rng.IntN(len(s.names))]
		off = -1
		m.file, off = s.anyOf(m.region, rng)
	}
	data := s.files[m.file].Data
	put := func(off int, b []byte) { m.patch = append(m.patch, patch{off, b}) }
	switch n := rng.IntN(100); {
	case n < 45:
		m.how = "bit flip"
		put(off, []byte{data[off] ^ 1<<rng.IntN(8)})
	case n < 70:
		m.how = "byte"
		b := []byte{0, 0xff, byte(rng.Uint32())}[rng.IntN(3)]
		put(off, []byte{b})
	case n < 80:
		m.how = "8 bytes from elsewhere"
		from := off&^7 + (rng.IntN(512)-256)*8
		if rng.IntN(2) == 0 {
			from = rng.IntN(len(data))
		}
		from = max(0, min(from, len(data)-8))
		put(off&^7, bytes.Clone(data[from:from+8]))
	case n < 84:
		m.how = "cut"
		m.cut = off
	case n < 89:
		m.how = "sector of zeros"
		put(off&^511, make([]byte, 512))
	case n < 93:
		m.how = "page of zeros"
		put(off&^(pageSize-1), make([]byte, pageSize))
	default:
		m.how = "two sectors swapped"
		a := off &^ 511
		b := a + (rng.IntN(16)-8)*512
		if rng.IntN(2) == 0 {
			b = rng.IntN(len(data)) &^ 511
		}
		b = max(0, min(b, (len(data)-512)&^511))
		a = min(a, (len(data)-512)&^511)
		put(a, bytes.Clone(data[b:b+512]))
		put(b, bytes.Clone(data[a:a+512]))
	}
	changed := m.cut >= 0
	for i := range m.patch {
		p := &m.patch[i]
		p.data = p.data[:max(0, min(len(p.data), len(data)-p.off))]
		s.spare(m.file, p)
		changed = changed || !bytes.Equal(p.data, data[p.off:p.off+len(p.data)])
	}
	if !changed {
		return nil
	}
	return m
}

// anyOf picks a byte of a region.
func (s *source) anyOf(region string, rng *rand.Rand) (file, off int) {
	places := s.kinds[region]
	total := 0
	for _, p := range places {
		total += p.Len
	}
	n := rng.IntN(total)
	for _, p := range places {
		if n < p.Len {
			return p.file, p.Off + n
		}
		n -= p.Len
	}
	return 0, 0 // not reached
}

// spare leaves the bytes that hold the answer as they are.
func (s *source) spare(file int, p *patch) {
	data := s.files[file].Data
	for _, k := range s.keep[file] {
		from, to := max(k.from, p.off), min(k.to, p.off+len(p.data))
		if from < to {
			copy(p.data[from-p.off:to-p.off], data[from:to])
		}
	}
}

// mutantReader is a file with the mutation in it.
type mutantReader struct {
	data  []byte
	patch []patch
}

// ReadAt implements [io.ReaderAt].
func (r *mutantReader) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(r.data)) {
		return 0, io.EOF
	}
	n := copy(p, r.data[off:])
	for _, q := range r.patch {
		from, to := max(q.off, int(off)), min(q.off+len(q.data), int(off)+n)
		if from < to {
			copy(p[from-int(off):to-int(off)], q.data[from-q.off:])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
