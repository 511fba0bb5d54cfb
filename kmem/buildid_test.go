package kmem

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

func TestBuildIDInMemory(t *testing.T) {
	const at = Addr(0xffffffff82000000)
	le := binary.LittleEndian
	note := func(name string, typ uint32, desc []byte) []byte {
		b := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, uint32(len(name))), uint32(len(desc))), typ)
		b = append(append(b, name...), make([]byte, -len(name)&3)...)
		return append(append(b, desc...), make([]byte, -len(desc)&3)...)
	}
	xen, id := note("Xen\x00", 6, []byte("linux")), note("GNU\x00", 3, []byte{0xab, 0xcd, 0xef, 0x01, 0x23})
	for _, c := range []struct {
		name  string
		notes []byte
		size  int // 0: that of the notes
		want  string
	}{
		{"the first", id, 0, "abcdef0123"},
		{"behind another", bytes.Join([][]byte{xen, id}, nil), 0, "abcdef0123"},
		{"none", xen, 0, ""},
		{"cut off", id[:len(id)-4], 0, ""},
		{"another owner", note("XYZ\x00", 3, []byte{1}), 0, ""},
		{"lying lengths", bytes.Repeat([]byte{0xff}, 40), 0, ""},
		{"not in memory", id, len(id) + 1, ""},
		{"too long", id, maxBuildNotes + 1, ""},
		{"nothing", nil, 0, ""},
	} {
		if c.size == 0 {
			c.size = len(c.notes)
		}
		syms, err := openSymbols(t, fmt.Appendf(nil, "%x R __start_notes\n%x R __stop_notes\n", uint64(at), uint64(at)+uint64(c.size)))
		if err != nil {
			t.Fatal(err)
		}
		if got := BuildIDInMemory(fakeMemory{at, c.notes}, syms); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
