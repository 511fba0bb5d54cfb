package debuginfo

import (
	"bytes"
	"encoding/binary"
)

var le = binary.LittleEndian

// cursor reads a part of a section. After the first read beyond the end all reads give zeros, and bad is set.
type cursor struct {
	data []byte
	off  int
	bad  bool
}

func (c *cursor) left() int { return len(c.data) - c.off }

// take returns the next n bytes, nil where there are not as many.
func (c *cursor) take(n uint64) []byte {
	if c.bad || n > uint64(c.left()) {
		c.fail()
		return nil
	}
	b := c.data[c.off : c.off+int(n)]
	c.off += int(n)
	return b
}

func (c *cursor) fail() {
	c.bad, c.off = true, len(c.data)
}

func (c *cursor) skip(n uint64) {
	if n > uint64(c.left()) {
		c.fail()
		return
	}
	c.off += int(n)
}

func (c *cursor) u8() uint8 {
	if c.off >= len(c.data) {
		c.fail()
		return 0
	}
	b := c.data[c.off]
	c.off++
	return b
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return le.Uint16(b)
	}
	return 0
}

func (c *cursor) u24() uint32 {
	if b := c.take(3); b != nil {
		return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return le.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return le.Uint64(b)
	}
	return 0
}

// offset reads an offset into a section, 8 bytes wide in 64-bit DWARF.
func (c *cursor) offset(wide bool) uint64 {
	if wide {
		return c.u64()
	}
	return uint64(c.u32())
}

// length reads how a unit begins: its length, and whether it is of 64-bit DWARF.
func (c *cursor) length() (n uint64, wide bool) {
	n = uint64(c.u32())
	switch {
	case n == 0xffffffff:
		return c.u64(), true
	case n >= 0xfffffff0: // reserved
		c.fail()
	}
	return n, false
}

// uleb and sleb read LEB128 numbers; bits beyond the 64th are dropped.
func (c *cursor) uleb() uint64 {
	if c.off < len(c.data) {
		if b := c.data[c.off]; b < 0x80 {
			c.off++
			return uint64(b)
		}
	}
	n, _, _ := c.leb()
	return n
}

func (c *cursor) sleb() int64 {
	n, shift, last := c.leb()
	if last&0x40 != 0 && shift < 64 {
		n |= ^uint64(0) << shift
	}
	return int64(n)
}

func (c *cursor) leb() (n uint64, shift uint, last uint8) {
	for {
		b := c.u8()
		if shift < 64 {
			n |= uint64(b&0x7f) << shift
			shift += 7
		}
		if b < 0x80 {
			return n, shift, b
		}
	}
}

// text reads a string with its NUL.
func (c *cursor) text() []byte {
	i := bytes.IndexByte(c.data[c.off:], 0)
	if i < 0 {
		c.fail()
		return nil
	}
	b := c.data[c.off : c.off+i]
	c.off += i + 1
	return b
}

// textAt is the string at an offset of a section of strings, nil where there is none.
func textAt(section []byte, off uint64) []byte {
	if off >= uint64(len(section)) {
		return nil
	}
	i := bytes.IndexByte(section[off:], 0)
	if i < 0 {
		return nil
	}
	return section[off : off+uint64(i)]
}
