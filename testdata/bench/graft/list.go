package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
)

const (
	nodes  = 1_000_000
	stride = 128 // of kmalloc-128, where the kernel would have them
)

// A patch is what the copy has at a physical address.
type patch struct {
	at   kmem.PhysAddr
	data []byte
}

// A grafter collects the patches.
type grafter struct {
	stack      *knet.Stack
	image      *kmem.Image
	start      kmem.PhysAddr // of what was set aside
	pageOffset kmem.Addr     // where the direct map starts
	places     map[string]uint64
	patches    []patch
	sum        uint64
}

func newGrafter(k *value.Kernel) (*grafter, error) {
	g := &grafter{stack: knet.New(k, host.None{}), image: k.Image, places: map[string]uint64{}}
	sym, ok := k.LookupSymbol("crashk_res")
	if !ok {
		return nil, errors.New("no symbol crashk_res")
	}
	res, err := k.Struct("resource")
	if err != nil {
		return nil, err
	}
	reserved := k.Ref(res, sym.Addr)
	first, err1 := reserved.UintPath("start")
	last, err2 := reserved.UintPath("end")
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if n := last + 1 - first; n < 2*nodes*stride {
		return nil, fmt.Errorf("the dump's kernel has set %d MiB aside for a crash kernel, which is not enough", n>>20)
	}
	g.start = kmem.PhysAddr(first)
	entry, err := k.Struct("netdev_hw_addr")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"list", "addr", "type", "refcount"} {
		f, err := entry.FindMember(name)
		if err != nil {
			return nil, err
		}
		g.places[name] = f.Offset()
	}
	if uint64(entry.Size) > stride {
		return nil, fmt.Errorf("%s is %d bytes large, more than %d", entry, entry.Size, stride)
	}
	return g, nil
}

// list gives a device its addresses, in the i-th part of what was set aside.
func (g *grafter) list(name string, i uint64, shuffled bool) error {
	ns, err := g.stack.InitNS()
	if err != nil {
		return err
	}
	d, err := g.stack.Device(name, ns)
	if err != nil {
		return err
	}
	// struct netdev_hw_addr_list
	uc, err1 := d.Value.Member("uc")
	head, err2 := uc.Member("list")
	count, err3 := uc.Member("count")
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	headAt, _ := head.Addr()
	countAt, _ := count.Addr()
	phys, err := g.image.Translate(headAt)
	if err != nil {
		return err
	}
	// A device is allocated memory, which the kernel knows by the direct map.
	g.pageOffset = headAt - kmem.Addr(phys)
	region := g.start + kmem.PhysAddr(i*nodes*stride)
	if at, err := g.image.Translate(g.pageOffset + kmem.Addr(region)); err != nil || at != region {
		return errors.Join(fmt.Errorf("the direct map has not %#x, but %#x", region, at), err)
	}

	order := make([]int, nodes)
	for j := range order {
		order[j] = j
	}
	if shuffled {
		rand.New(rand.NewPCG(1, 2)).Shuffle(nodes, func(a, b int) { order[a], order[b] = order[b], order[a] })
	}
	memory := make([]byte, nodes*stride)
	links := g.pageOffset + kmem.Addr(region) + kmem.Addr(g.places["list"])
	at := func(j int) kmem.Addr { // the link of node j
		if j < 0 || j == nodes {
			return headAt
		}
		return links + kmem.Addr(order[j]*stride)
	}
	g.sum = 0
	numbers := rand.New(rand.NewPCG(3, 4))
	for j := range nodes {
		node := memory[order[j]*stride:][:stride]
		binary.LittleEndian.PutUint64(node[g.places["list"]:], uint64(at(j+1)))
		binary.LittleEndian.PutUint64(node[g.places["list"]+8:], uint64(at(j-1)))
		binary.BigEndian.PutUint64(node[g.places["addr"]:], uint64(j)|0x52_54_00_00_00_00<<16)
		node[g.places["type"]] = 2 // NETDEV_HW_ADDR_T_UNICAST is 2 since 2.6.34
		refs := numbers.Uint32N(1 << 16)
		binary.LittleEndian.PutUint32(node[g.places["refcount"]:], refs)
		g.sum += uint64(refs)
	}
	ends := binary.LittleEndian.AppendUint64(nil, uint64(at(0)))
	ends = binary.LittleEndian.AppendUint64(ends, uint64(at(nodes-1)))
	countPhys, err := g.image.Translate(countAt)
	g.patches = append(g.patches,
		patch{phys, ends},
		patch{countPhys, binary.LittleEndian.AppendUint32(nil, nodes)},
		patch{region, memory})
	return err
}
