package knet_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"kinspect/btf"
	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// crowd is a kernel's memory in which init_net has other devices: count made-up
// ones, a page each, in a part of the address space that the kernel does not use.
type crowd struct {
	kmem.Reader
	head  kmem.Addr // of init_net.dev_base_head
	next  [8]byte
	base  kmem.Addr
	bytes []byte
}

func (c *crowd) ReadMem(a kmem.Addr, buf []byte) error {
	if a >= c.base && uint64(a-c.base)+uint64(len(buf)) <= uint64(len(c.bytes)) {
		copy(buf, c.bytes[a-c.base:])
		return nil
	}
	if a == c.head && len(buf) == 8 {
		copy(buf, c.next[:])
		return nil
	}
	return c.Reader.ReadMem(a, buf)
}

func newCrowd(tb testing.TB, count int) *knet.Stack {
	tb.Helper()
	img := kernels.Open(tb, "6.12")
	c := &crowd{Reader: img, base: 0xffff_d000_0000_0000, bytes: make([]byte, count*kmem.PageSize)}
	k := value.New(img, c)
	initNet, err := k.Global("init_net")
	if err != nil {
		tb.Fatal(err)
	}
	head, err := initNet.Path("dev_base_head")
	if err != nil {
		tb.Fatal(err)
	}
	c.head, _ = head.Addr()
	st, err := k.Struct("net_device")
	if err != nil {
		tb.Fatal(err)
	}
	offset := func(member string) kmem.Addr {
		f, err := st.FindMember(member)
		if err != nil {
			tb.Fatal(err)
		}
		return kmem.Addr(f.BitOffset / 8)
	}
	list, name, index := offset("dev_list"), offset("name"), offset("ifindex")
	at := func(i int) kmem.Addr { return c.base + kmem.Addr(i*kmem.PageSize) }
	binary.LittleEndian.PutUint64(c.next[:], uint64(at(0)+list))
	for i := range count {
		dev := c.bytes[i*kmem.PageSize:]
		next := c.head
		if i+1 < count {
			next = at(i+1) + list
		}
		binary.LittleEndian.PutUint64(dev[list:], uint64(next))
		copy(dev[name:], fmt.Sprintf("dev%d", i))
		binary.LittleEndian.PutUint32(dev[index:], uint32(i+1))
	}
	return knet.New(k, host.None{})
}

// BenchmarkWalk2000Devices walks 2,000 net_devices and reads name and ifindex of
// each.
func BenchmarkWalk2000Devices(b *testing.B) {
	const count = 2000
	s := newCrowd(b, count)
	ns, err := s.InitNS()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n := 0
		if err := s.EachDevice(ns, func(knet.Device) error { n++; return nil }); err != nil || n != count {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkMember reads one member of a net_device, found by its name.
func BenchmarkMember(b *testing.B) {
	s := newCrowd(b, 1)
	ns, err := s.InitNS()
	if err != nil {
		b.Fatal(err)
	}
	d, err := s.Device("dev0", ns)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := d.Value.UintPath("mtu"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFirstAnswer is all that the first question costs once the file is open:
// symbols, types, the device and its counter.
func BenchmarkFirstAnswer(b *testing.B) {
	img := kernels.Open(b, "6.12")
	for b.Loop() {
		s := knet.New(value.New(img, img), host.None{})
		ns, err := s.InitNS()
		if err != nil {
			b.Fatal(err)
		}
		d, err := s.Device("bond0", ns)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.CoreCounter(d.Value, "rx_dropped"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCrowd(t *testing.T) {
	s := newCrowd(t, 50)
	ns, err := s.InitNS()
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Device("dev49", ns)
	if err != nil || d.Ifindex != 50 {
		t.Errorf("dev49: %+v, %v", d, err)
	}
	if _, err := s.Device("dev50", ns); err == nil {
		t.Error("a device that is not there was found")
	}
	if near := btf.Near("dev5O", []string{"dev50", "lo"}); len(near) != 1 {
		t.Errorf("near dev5O: %q", near)
	}
}
