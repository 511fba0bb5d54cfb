package bpfmem

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"

	"kinspect/kmem"
)

// The parts of a value do not overlap, whatever its size; the verifier's view of the longest piece is inside, too.
func TestLayout(t *testing.T) {
	for _, pages := range []int{1, 8, 16, 512} {
		l := newLayout(pages)
		if l.data != pages*kmem.PageSize || l.data&(l.data-1) != 0 || l.start%kmem.PageSize != 0 {
			t.Errorf("%d pages: %+v", pages, l)
		}
		if end := headPieces + l.pieces()*pieceSize; end > l.start {
			t.Errorf("%d pages: the pieces end at %d, the data begins at %d", pages, end, l.start)
		}
		if last := l.start + (l.data - 1) + kmem.PageSize; last > l.size() {
			t.Errorf("%d pages: a piece may end at %d of %d", pages, last, l.size())
		}
		for name, insns := range map[string]asm.Instructions{"reader": l.reader(3), "lookup": l.lookup(3)} {
			var code bytes.Buffer
			if err := insns.Marshal(&code, binary.LittleEndian); err != nil || code.Len()%asm.InstructionSize != 0 {
				t.Errorf("%s: %d bytes, %v", name, code.Len(), err)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	err := refusal(stepProgram, fs.ErrPermission)
	if !errors.Is(err, fs.ErrPermission) || err.Error() != "loading a program: permission denied" {
		t.Errorf("%v", err)
	}
	long := refusal(stepMap, errors.New("one\n\ttwo  "+strings.Repeat("x", 1000))).Error()
	if !strings.HasPrefix(long, "making a map: one two x") || len(long) > 400 {
		t.Errorf("%q", long)
	}
}
