package knet

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// coded is a kernel's memory in which functions have code that a test makes.
type coded struct {
	below kmem.Reader
	parts []codePart
}

func (c *coded) ReadMem(addr kmem.Addr, buf []byte) error {
	for _, p := range c.parts {
		if end := p.at + kmem.Addr(len(p.code)); addr < p.at || addr+kmem.Addr(len(buf)) > end {
			continue
		}
		copy(buf, p.code[addr-p.at:])
		return nil
	}
	return c.below.ReadMem(addr, buf)
}

// TestCopiesInReceive: that a call is there is believed wherever it stands, and that none is only where all code was seen.
func TestCopiesInReceive(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(code []byte, at, to kmem.Addr) []byte
		copies bool
		fails  string
	}{
		{"no call", func(code []byte, _, _ kmem.Addr) []byte { return code }, false, ""},
		{"a call", call(0xe8, 100, 0), true, ""},
		{"a call before the function's first instruction", call(0xe8, 300, -16), true, ""},
		{"a jump", call(0xe9, 100, 0), true, ""},
		{"a call into the function", call(0xe8, 100, 32), true, ""}, // skb_copy_ubufs is not called there, and is at stake
		{"a call to another one", call(0xe8, 100, -4096), false, ""},
		{"a page of zeros", func(code []byte, at, _ kmem.Addr) []byte {
			first := kmem.PageSize - int(at%kmem.PageSize)
			clear(code[first:min(len(code), first+kmem.PageSize)])
			return code
		}, false, "reads as zeros"},
		{"code that ends too early", func(code []byte, at, _ kmem.Addr) []byte {
			return code[:kmem.PageSize-int(at%kmem.PageSize)]
		}, false, "not in the dump"},
	} {
		img := kernels.Open(t, "7.3")
		memory := &coded{below: img}
		s := New(value.New(img, memory), host.None{})
		from, ok := s.K.LookupSymbol("__netif_receive_skb_core.constprop.0")
		to, ok2 := s.K.LookupSymbol("skb_copy_ubufs")
		if !ok || !ok2 {
			t.Fatal("no symbols")
		}
		code := make([]byte, maxPartCode)
		for i := range code {
			code[i] = 0xcc
		}
		memory.parts = []codePart{{from.Addr, c.change(code, from.Addr, to.Addr)}}
		copies, err := s.CopiesInReceive()
		if copies != c.copies || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %v, %v", c.name, copies, err)
		}
		if again, err2 := s.CopiesInReceive(); again != copies || !errors.Is(err2, err) {
			t.Errorf("%s: asked again: %v, %v", c.name, again, err2)
		}
	}
}

// call puts a call at an offset of the code, to a place before or after a function's beginning.
func call(op byte, offset int, away int64) func([]byte, kmem.Addr, kmem.Addr) []byte {
	return func(code []byte, at, to kmem.Addr) []byte {
		code[offset] = op
		distance := int64(to) + away - int64(at) - int64(offset) - 5
		binary.LittleEndian.PutUint32(code[offset+1:], uint32(int32(distance)))
		return code
	}
}

// TestWholeCode: a function without symbol has no code.
func TestWholeCode(t *testing.T) {
	img := kernels.Open(t, "7.3")
	s := New(value.New(img, img), host.None{})
	if parts, err := s.wholeCode("there_is_no_such_function"); err == nil {
		t.Errorf("%d parts", len(parts))
	}
}
