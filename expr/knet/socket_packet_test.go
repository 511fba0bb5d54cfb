package knet_test

import (
	"slices"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// TestHandlerSockets: a handler's own socket, or those of its group, as many as the group says.
func TestHandlerSockets(t *testing.T) {
	for _, series := range kernels.Series {
		img := kernels.Open(t, series)
		o := kernels.NewOverlay(img, 1<<17)
		k := value.New(img, o)
		s := knet.New(k, host.None{})
		st, err := k.Struct("packet_fanout")
		if err != nil {
			t.Fatal(err)
		}
		put := func(member string, to func(kmem.Addr)) {
			m, err := k.Ref(st, kernels.Base).Path(member)
			if err != nil {
				t.Fatalf("%s: %v", series, err)
			}
			a, _ := m.Addr()
			to(a)
		}
		members := func(n byte) {
			put("num_members", func(a kmem.Addr) { o.PutBytes(a, []byte{n, 0}) })
		}
		put("arr", func(a kmem.Addr) { o.Put(a, 0xffff888000001000, 0xffff888000002000, 0) })
		for _, tt := range []struct {
			h       knet.Handler
			members byte
			want    []kmem.Addr
		}{
			{knet.Handler{}, 0, nil},
			{knet.Handler{Sock: 0xffff888000003000}, 0, []kmem.Addr{0xffff888000003000}},
			{knet.Handler{Group: kernels.Base}, 0, nil},
			{knet.Handler{Group: kernels.Base}, 2, []kmem.Addr{0xffff888000001000, 0xffff888000002000}},
			{knet.Handler{Group: kernels.Base}, 3, []kmem.Addr{0xffff888000001000, 0xffff888000002000}},
		} {
			members(tt.members)
			if got, err := s.HandlerSockets(tt.h); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s: %+v of %d: %v, %v", series, tt.h, tt.members, got, err)
			}
		}
		put("num_members", func(a kmem.Addr) { o.PutBytes(a, []byte{0xff, 0xff, 0xff, 0x7f}) })
		if got, err := s.HandlerSockets(knet.Handler{Group: kernels.Base}); err == nil && len(got) > 1<<16 {
			t.Errorf("%s: a damaged group has %d members", series, len(got))
		}
		if _, err := s.HandlerSockets(knet.Handler{Group: 0xffff800000000000}); err == nil {
			t.Errorf("%s: a group at an address that is none was read", series)
		}
	}
}
