package knet_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// spoiled is memory with other bytes at one address. It notes what is read.
type spoiled struct {
	kmem.Reader
	at    kmem.Addr
	data  []byte
	reads map[kmem.Addr]int // address and length, where it is not nil
}

// ReadMem implements [kmem.Reader].
func (s *spoiled) ReadMem(addr kmem.Addr, buf []byte) error {
	if s.reads != nil {
		s.reads[addr] = len(buf)
	}
	err := s.Reader.ReadMem(addr, buf)
	for i, b := range s.data {
		if a := s.at.Add(int64(i)); a >= addr && uint64(a-addr) < uint64(len(buf)) {
			buf[a-addr] = b
		}
	}
	return err
}

// all asks everything that there is to ask of a namespace, and counts the answers by what was asked.
func all(s *knet.Stack) (map[string]int, error) {
	counts := map[string]int{}
	var errs []error
	note := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	ns, err := s.InitNS()
	if err != nil {
		return counts, err
	}
	devices := map[uint64]knet.Device{}
	list, err := s.Devices(ns)
	note("devices", err)
	for _, d := range list {
		devices[d.Addr()] = d
		note("addresses", s.EachIPAddress(d, func(knet.IPAddress) error { counts["address"]++; return nil }))
		note("qdiscs", s.EachQdisc(d, func(knet.Qdisc) error { counts["qdisc"]++; return nil }))
		_, err := d.Flags()
		note("flags", err)
		_, err = d.MAC()
		note("address", err)
		_, err = s.DriverName(d)
		note("driver", err)
		_, err = s.HardwareAddrs(d, "mc")
		note("multicast", err)
		programs, err := s.Programs(d)
		note("programs", err)
		counts["program"] += len(programs)
		_, err = s.NAPIs(d)
		note("NAPI", err)
	}
	note("neighbours", s.EachNeighbour(devices, func(knet.Neighbour) error { counts["neighbour"]++; return nil }))
	for _, kind := range knet.SocketKinds {
		note(kind, s.EachSocket(kind, []knet.NetNS{ns}, func(knet.Socket) error { counts[kind]++; return nil }))
	}
	note("hooks", s.EachNFHook(ns, func(knet.NFHook) error { counts["hook"]++; return nil }))
	owners, err := s.Owners()
	note("owners", err)
	counts["owned"] = len(owners)
	_, err = s.SocketSummary(ns)
	note("summary", err)
	return counts, errors.Join(errs...)
}

// TestHelpers asks the snapshot of the scene that has one of everything.
func TestHelpers(t *testing.T) {
	img := kernels.OpenNet(t)
	counts, err := all(knet.New(value.New(img, img), host.None{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{
		"address", "qdisc", "program", "neighbour", "tcp", "udp", "raw", "icmp", "unix", "packet", "netlink", "hook", "owned",
	} {
		if counts[what] == 0 {
			t.Errorf("the snapshot has no %s", what)
		}
	}
}

// TestHelpersDamaged changes one word at a time of what the helpers read, from a fixed seed: into another
// word of theirs, into that place's own address, into all ones, or at random. Whatever comes of it must
// come soon, and must not be a panic.
func TestHelpersDamaged(t *testing.T) {
	img := kernels.OpenNet(t)
	mem := &spoiled{Reader: img, reads: map[kmem.Addr]int{}}
	k := value.New(img, mem)
	if _, err := all(knet.New(k, host.None{})); err != nil {
		t.Fatal(err)
	}
	var places []kmem.Addr
	for a, n := range mem.reads {
		for i := 0; i+8 <= min(n, 64); i += 8 {
			places = append(places, a+kmem.Addr(i))
		}
	}
	slices.Sort(places)
	mem.reads = nil
	rng := rand.New(rand.NewPCG(3, 4))
	rounds, failed := 150, 0
	if testing.Short() {
		rounds = 20
	}
	for range rounds {
		mem.at = places[rng.IntN(len(places))]
		word := rng.Uint64()
		switch rng.IntN(5) {
		case 0:
			word = uint64(mem.at)
		case 1:
			word = uint64(places[rng.IntN(len(places))])
		case 2:
			word = ^uint64(0)
		case 3:
			word = uint64(rng.IntN(256))
		}
		mem.data = make([]byte, 8)
		for i := range mem.data {
			mem.data[i] = byte(word >> (8 * i))
		}
		if _, err := all(knet.New(k, host.None{})); err != nil {
			failed++
		}
	}
	t.Logf("%d of %d changes were noticed", failed, rounds)
	if failed == 0 {
		t.Error("no change was noticed: the test changes nothing")
	}
}

// TestCycle closes the lists that the helpers walk into circles: each walk must say so.
func TestCycle(t *testing.T) {
	img := kernels.OpenNet(t)
	mem := &spoiled{Reader: img}
	k := value.New(img, mem)
	fresh := func() (*knet.Stack, knet.NetNS) {
		s := knet.New(k, host.None{})
		ns, err := s.InitNS()
		if err != nil {
			t.Fatal(err)
		}
		return s, ns
	}
	for _, kind := range []string{"tcp", "udp", "unix", "packet", "netlink", "raw"} {
		mem.data = nil
		s, ns := fresh()
		var at kmem.Addr
		err := s.EachSocket(kind, []knet.NetNS{ns}, func(x knet.Socket) error {
			node := map[string]string{"netlink": "node"}[kind]
			v := x.Value
			if node == "" {
				node = "__sk_common.skc_node"
			} else {
				st, err := k.Struct("netlink_sock")
				if err != nil {
					return err
				}
				v = k.Ref(st, x.Addr())
			}
			m, err := v.Path(node)
			if err != nil {
				return err
			}
			at, _ = m.Addr()
			return value.Stop()
		})
		if at == 0 {
			t.Errorf("%s: no socket: %v", kind, err)
			continue
		}
		mem.at, mem.data = at, make([]byte, 8)
		for i := range mem.data {
			mem.data[i] = byte(uint64(at) >> (8 * i))
		}
		s, ns = fresh()
		n := 0
		err = s.EachSocket(kind, []knet.NetNS{ns}, func(knet.Socket) error { n++; return nil })
		if !errors.Is(err, value.ErrCycle) || n > 1000 {
			t.Errorf("%s: %d sockets, %v", kind, n, err)
		}
	}
}
