package kernels

import (
	"encoding/binary"

	"kinspect/kmem"
)

// An Overlay is memory that a test makes up, where a real kernel has none: Size bytes from
// Base on, zero where nothing was written. All other memory is that of the reader below.
type Overlay struct {
	kmem.Reader
	data []byte
}

// Base is where made-up memory starts: in the direct map, where no snapshot reaches.
const Base kmem.Addr = 0xffff_9999_0000_0000

// NewOverlay makes size bytes of memory.
func NewOverlay(below kmem.Reader, size int) *Overlay {
	return &Overlay{below, make([]byte, size)}
}

// Fill puts data at the start of the made-up memory.
func (o *Overlay) Fill(data []byte) { copy(o.data, data) }

// Put writes words from an address on.
func (o *Overlay) Put(at kmem.Addr, words ...uint64) {
	for i, w := range words {
		binary.LittleEndian.PutUint64(o.data[int(at-Base)+8*i:], w)
	}
}

// PutBytes writes bytes from an address on.
func (o *Overlay) PutBytes(at kmem.Addr, data []byte) { copy(o.data[at-Base:], data) }

// ReadMem implements [kmem.Reader].
func (o *Overlay) ReadMem(addr kmem.Addr, buf []byte) error {
	if off := uint64(addr - Base); addr >= Base && off < uint64(len(o.data)) && uint64(len(buf)) <= uint64(len(o.data))-off {
		copy(buf, o.data[off:])
		return nil
	}
	return o.Reader.ReadMem(addr, buf)
}

// Words is memory of which a few words of 8 bytes are others, for who reads just these.
type Words struct {
	kmem.Reader
	At map[kmem.Addr]uint64
}

// ReadMem implements [kmem.Reader].
func (w Words) ReadMem(a kmem.Addr, buf []byte) error {
	if n, ok := w.At[a]; ok && len(buf) == 8 {
		binary.LittleEndian.PutUint64(buf, n)
		return nil
	}
	return w.Reader.ReadMem(a, buf)
}
