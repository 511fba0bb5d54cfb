package disasm

import (
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// code is memory with some code at an address.
type code struct {
	kmem.Reader
	at   kmem.Addr
	data []byte
}

// ReadMem implements [kmem.Reader].
func (c *code) ReadMem(a kmem.Addr, p []byte) error {
	if a < c.at || uint64(a-c.at)+uint64(len(p)) > uint64(len(c.data)) {
		return c.Reader.ReadMem(a, p)
	}
	copy(p, c.data[a-c.at:])
	return nil
}

// FuzzDisasm decodes any bytes: all of them are in the lines, in order, and nothing panics.
func FuzzDisasm(f *testing.F) {
	for _, e := range extras {
		f.Add(e.code)
	}
	f.Add([]byte{0x65, 0x4c, 0x8b, 0x35, 0x6e, 0xdb, 0xb7, 0x44, 0xe8, 0x34, 0x9e, 0xf5, 0xfa, 0xc3, 0xcc})
	f.Add([]byte{0x41, 0xf6, 0x84, 0x24, 0xb2, 0, 0, 0, 2, 0xf0, 0x0f, 0xb1, 0x0a, 0x67, 0x48, 0x0f, 0xb9, 0x3a})
	f.Add([]byte{0xc5, 0xf8, 0x77, 0x62, 0xf1, 0x7c, 0x48, 0x10, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66})
	img := kernels.Open(f, "6.12")
	mem := &code{Reader: img}
	k := value.New(img, mem)
	sym, ok := k.LookupSymbol("netif_rx")
	if !ok {
		f.Fatal("no netif_rx")
	}
	mem.at = sym.Addr
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || len(data) > 4096 {
			return
		}
		mem.data = data
		l := &Listing{Symbol: sym, k: k}
		if err := l.decode(sym.Addr, sym.Addr.Add(int64(len(data))), -1); err != nil {
			t.Fatal(err)
		}
		at := sym.Addr
		for _, line := range l.Lines {
			if line.Addr != at || len(line.Bytes) == 0 || line.Text == "" {
				t.Fatalf("%+v at %v", line, at)
			}
			at = at.Add(int64(len(line.Bytes)))
		}
		if at != sym.Addr.Add(int64(len(data))) {
			t.Fatalf("the lines end at %v", at)
		}
		if text, err := l.Text(value.DefaultFormat); err != nil || text == "" {
			t.Fatal(text, err)
		}
	})
}
