package expr

import (
	"encoding/binary"
	"testing"

	"kinspect/btf"
)

// bigEndianType is the typedef __be16, out of a BTF made by hand.
func bigEndianType(t *testing.T) (btf.Type, bool) {
	t.Helper()
	le := binary.LittleEndian
	strings := "\x00unsigned short\x00__be16\x00"
	var types []byte
	// [1] INT "unsigned short", 2 bytes, 16 bits
	for _, w := range []uint32{1, 1 << 24, 2, 16} {
		types = le.AppendUint32(types, w)
	}
	// [2] TYPEDEF "__be16" of [1]
	for _, w := range []uint32{16, 8 << 24, 1} {
		types = le.AppendUint32(types, w)
	}
	var blob []byte
	blob = le.AppendUint16(blob, 0xeb9f)
	blob = append(blob, 1, 0)
	for _, w := range []uint32{24, 0, uint32(len(types)), uint32(len(types)), uint32(len(strings))} {
		blob = le.AppendUint32(blob, w)
	}
	spec, err := btf.Parse(append(append(blob, types...), strings...))
	if err != nil {
		t.Fatal(err)
	}
	td, err := spec.Typedef("__be16")
	if err != nil {
		t.Fatal(err)
	}
	return td, true
}
