package kmem

import (
	"runtime/debug"

	"kinspect/kmem/dump"
)

// minMapped is the least that is worth looking at by itself, in bytes: a flattened file may have its
// bytes in pieces of any size.
const minMapped = PageSize

// mappedMemory looks at a dump's memory where it lies in the file, without a copy: so fast as the
// processor gets at it, where nothing has to be unpacked. It is for one goroutine.
type mappedMemory struct {
	space *dump.Space
	view  *dump.View
}

// newMappedMemory returns nil where the file cannot be mapped, or space is none.
func newMappedMemory(memory any) *mappedMemory {
	space, ok := memory.(*dump.Space)
	if !ok || space == nil || space.Live {
		return nil
	}
	view := space.File.NewView()
	if view == nil {
		return nil
	}
	return &mappedMemory{space, view}
}

func (m *mappedMemory) close() {
	if m != nil {
		m.view.Close()
	}
}

// look has the first bytes of a span looked at, as many as lie together, and returns how many they are: none
// where they have to be read. look is called once at most, and may be left by a panic where
// the file was cut or its disk fails: who reads is told where.
func (m *mappedMemory) look(span dump.Span, look func(data []byte)) (n uint64) {
	if m == nil {
		return 0
	}
	seg := m.space.Segments.Find(span.Addr)
	if seg == nil || seg.Kind != dump.InFile {
		return 0
	}
	size := seg.Part(span.Addr, int(min(span.Size, scanMapped)))
	data := m.view.Bytes(seg.Off+(span.Addr-seg.Start), size)
	if len(data) < minMapped && uint64(len(data)) < span.Size {
		return 0
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
			n = 0
		}
	}()
	look(data)
	return uint64(len(data))
}
