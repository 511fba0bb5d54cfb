package main

import (
	"encoding/binary"
	"fmt"
	"os"

	"kinspect/kmem/dump"
)

// Of a kdump-compressed file: see package kdump.
const (
	block        = 4096
	descSize     = 24
	subHeader    = block
	bitmapBlocks = 436
	maxPages32   = 440
	maxPages64   = subHeader + 96
	endPage64    = subHeader + 88
	cutPages     = 8 * block // as many as a block of the bitmap has bits for
)

// kdump seeds with reduced files, and with pages of each kind of compression.
func (m *maker) kdump() error {
	for _, name := range []string{"zlib31", "lzo31", "zstd31", "raw31", "snappy31"} {
		f, err := os.Open(m.dump("6.12", "vmcore-formats/"+name))
		if err != nil {
			return err
		}
		r, err := newReducer(f)
		if err == nil {
			err = m.reduced(name, r)
		}
		_ = f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) reduced(name string, r *reducer) error {
	const inFile, alone = 6, 5
	b, err := r.file(inFile)
	if err != nil {
		return err
	}
	if err := m.add("kmem", "FuzzKdump", name, b); err != nil {
		return err
	}
	// Pages from here and there, the small ones: they hold more kinds of data.
	seen := 0
	for n := 1000; n < 20000 && seen < alone; n += 37 {
		desc, data, err := r.page(n)
		if err != nil {
			return err
		}
		flags := binary.LittleEndian.Uint32(desc[12:])
		if len(data) < 40 || len(data) > 700 && flags != 0 || flags == 0 && name != "raw31" {
			continue
		}
		seen++
		if err := m.add("kmem/kdump", "FuzzPage", name+"-"+string(rune('a'+seen-1)), flags, data); err != nil {
			return err
		}
		if err := m.codec(name, string(rune('a'+seen-1)), data); err != nil {
			return err
		}
		if name == "raw31" {
			break
		}
	}
	return nil
}

// codec seeds the packages that unpack pages with the same.
func (m *maker) codec(name, letter string, data []byte) error {
	switch name {
	case "zlib31":
		return m.add("kmem/inflate", "FuzzInflate", name+"-"+letter, data)
	case "lzo31":
		return m.add("kmem/lzo", "FuzzLZO", name+"-"+letter, data)
	}
	return nil
}

// reducer cuts a file down.
type reducer struct {
	f      *os.File
	head   []byte // header and sub header
	bitmap []byte // the second one's first block
	descs  int64
}

func newReducer(f *os.File) (*reducer, error) {
	var first [block]byte
	if _, err := f.ReadAt(first[:], 0); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	sub, blocks := le.Uint32(first[432:]), le.Uint32(first[bitmapBlocks:])
	r := &reducer{f: f, head: make([]byte, (1+sub)*block), bitmap: make([]byte, block)}
	if _, err := f.ReadAt(r.head, 0); err != nil {
		return nil, err
	}
	r.descs = int64(1+sub+blocks) * block
	_, err := f.ReadAt(r.bitmap, int64(1+sub+blocks/2)*block)
	return r, err
}

// page reads the n-th page of the dump: its descriptor and its data.
func (r *reducer) page(n int) (desc, data []byte, err error) {
	desc = make([]byte, descSize)
	if _, err := r.f.ReadAt(desc, r.descs+int64(n)*descSize); err != nil {
		return nil, nil, err
	}
	le := binary.LittleEndian
	data = make([]byte, le.Uint32(desc[8:]))
	_, err = r.f.ReadAt(data, int64(le.Uint64(desc)))
	return desc, data, err
}

// file makes a file of n pages: one of zeros, and some that are not.
func (r *reducer) file(n int) ([]byte, error) {
	le := binary.LittleEndian
	out := append([]byte(nil), r.head...)
	le.PutUint32(out[bitmapBlocks:], 2)
	le.PutUint32(out[maxPages32:], cutPages)
	le.PutUint64(out[maxPages64:], cutPages)
	le.PutUint64(out[endPage64:], cutPages)
	bitmap := make([]byte, block)
	at := len(out) + 2*block
	zeros := at + n*descSize
	var descs, pages []byte
	rank, zero := 0, false
	for page := 0; page < cutPages && len(descs) < n*descSize; page++ {
		if r.bitmap[page/8]&(1<<(page%8)) == 0 {
			continue
		}
		desc, data, err := r.page(rank)
		if err != nil {
			return nil, err
		}
		rank++
		off := zeros + block + len(pages)
		if le.Uint32(desc[12:]) == 0 && dump.AllZero(data) {
			if zero {
				continue
			}
			zero, off, data = true, zeros, nil
		} else if rank%50 != 0 {
			continue
		}
		bitmap[page/8] |= 1 << (page % 8)
		le.PutUint64(desc, uint64(off))
		descs, pages = append(descs, desc...), append(pages, data...)
	}
	if len(descs) < n*descSize {
		return nil, fmt.Errorf("%s: fewer than %d pages that are not zero", r.f.Name(), n)
	}
	out = append(append(out, bitmap...), bitmap...)
	out = append(append(out, descs...), make([]byte, block)...)
	return append(out, pages...), nil
}
