package kmem

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Reader is kernel virtual memory. All else is built on its one method.
type Reader interface {
	// ReadMem fills buf with the memory at addr, whole, or returns an error
	// that wraps a [*Fault]. After an error the content of buf is undefined.
	ReadMem(addr Addr, buf []byte) error
}

// ReadUint64 reads a little-endian 64-bit value.
func ReadUint64(r Reader, addr Addr) (uint64, error) {
	var b [8]byte
	if err := r.ReadMem(addr, b[:]); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// ReadUint32 reads a little-endian 32-bit value.
func ReadUint32(r Reader, addr Addr) (uint32, error) {
	var b [4]byte
	if err := r.ReadMem(addr, b[:]); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b[:]), nil
}

// ReadAddr reads a pointer.
func ReadAddr(r Reader, addr Addr) (Addr, error) {
	v, err := ReadUint64(r, addr)
	return Addr(v), err
}

// ReadCString reads the NUL-terminated string at addr, without its NUL. It
// reads no page that the string does not reach, and of a page little behind its end: a
// redacted snapshot keeps what was read. It stops after limit bytes: ok is false when
// there was no NUL among them. The bytes are the kernel's
// own: escape them before a terminal sees them.
func ReadCString(r Reader, addr Addr, limit int) (s string, ok bool, err error) {
	out, ok, err := AppendCString(make([]byte, 0, max(0, min(limit, 32))), r, addr, limit)
	return string(out), ok, err
}

// AppendCString is [ReadCString] that appends to what there is.
func AppendCString(to []byte, r Reader, addr Addr, limit int) (out []byte, ok bool, err error) {
	out = to
	for have := 0; have < limit; {
		const piece = 16 // aligned, as allocated memory is
		n := min(limit-have, int(piece-addr%piece))
		out = slices.Grow(out, n)
		chunk := out[len(out) : len(out)+n]
		if err := r.ReadMem(addr, chunk); err != nil {
			return out, false, err
		}
		if i := bytes.IndexByte(chunk, 0); i >= 0 {
			return out[:len(out)+i], true, nil
		}
		out = out[:len(out)+n]
		addr = addr.Add(int64(n))
		have += n
	}
	return out, false, nil
}
