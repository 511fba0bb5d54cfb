package knet

import (
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// TestCallsAtEnd: a function in the last page of a module, behind which nothing is mapped.
func TestCallsAtEnd(t *testing.T) {
	const size, left = 4 * kmem.PageSize, 352
	img := kernels.Open(t, "6.12")
	o := kernels.NewOverlay(img, size)
	s := New(value.New(img, o), nil)
	at := kernels.Base.Add(size - left)
	code := make([]byte, left)
	for i := range code {
		code[i] = 0x90
	}
	o.PutBytes(at, code)
	if calls, err := s.callsAt(kmem.Symbol{Addr: at, Name: "gre_rcv"}, kmem.Symbol{Addr: kernels.Base}); calls || err != nil {
		t.Errorf("%v, %v", calls, err)
	}
	if _, err := s.callsAt(kmem.Symbol{Addr: kernels.Base.Add(size), Name: "gone"}, kmem.Symbol{Addr: kernels.Base}); err == nil {
		t.Error("a function that is not there was read")
	}
}
