package dumptest

import (
	"bytes"
	"encoding/binary"
)

// Flatten takes a file apart into records of up to size bytes.
func Flatten(b []byte, size int) []byte {
	out := FlatHead()
	for off := 0; off < len(b); off += size {
		out = append(out, FlatRec(off, b[off:min(len(b), off+size)])...)
	}
	return append(out, FlatEnd()...)
}

// FlatHead is the header of a flattened file.
func FlatHead() []byte {
	out := make([]byte, 4096)
	copy(out, "makedumpfile")
	binary.BigEndian.PutUint64(out[16:], 1)
	binary.BigEndian.PutUint64(out[24:], 1)
	return out
}

// FlatRec is a record.
func FlatRec(off int, data []byte) []byte {
	out := binary.BigEndian.AppendUint64(nil, uint64(off))
	out = binary.BigEndian.AppendUint64(out, uint64(len(data)))
	return append(out, data...)
}

// FlatEnd is the record at the end.
func FlatEnd() []byte { return bytes.Repeat([]byte{0xff}, 16) }
