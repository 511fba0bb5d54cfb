package knet

import (
	"encoding/binary"
	"fmt"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// NFHook is a function that netfilter calls at a hook point (struct nf_hook_entry).
type NFHook struct {
	Family   string // ipv4, ipv6, arp, bridge, or netdev at a device
	Hook     string // PREROUTING …, as nftables calls it
	Priority int32
	Func     kmem.Addr
	Function string // its name, or its address
	Module   string // "" of a built-in one
	Private  kmem.Addr
	NS       NetNS
	Device   string // of a device's hook
}

// nfFamilies are the members of struct netns_nf and the names of their hook points
// (include/uapi/linux/netfilter.h, netfilter_arp.h, netfilter_bridge.h).
var nfFamilies = []struct {
	member, name string
	hooks        []string
}{
	{"hooks_ipv4", "ipv4", inetHooks},
	{"hooks_ipv6", "ipv6", inetHooks},
	{"hooks_arp", "arp", []string{"INPUT", "OUTPUT", "FORWARD"}},
	{"hooks_bridge", "bridge", inetHooks},
	{"hooks_decnet", "decnet", append(inetHooks[:5:5], "HELLO", "ROUTE")}, // until 6.1
}

var inetHooks = []string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}

// maxHooks is MAX_HOOK_COUNT (net/netfilter/core.c), with room for a kernel that raised it.
const maxHooks = 1 << 14

// EachNFHook calls visit with the netfilter hooks of a namespace (net.nf) and of its devices, in the
// order in which they are called.
func (s *Stack) EachNFHook(ns NetNS, visit func(NFHook) error) error {
	if err := s.EachNetNFHook(ns, visit); err != nil {
		return err
	}
	devices, err := s.Devices(ns)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if err := s.EachDeviceNFHook(d, visit); err != nil {
			return err
		}
	}
	return nil
}

// EachNetNFHook calls visit with the netfilter hooks of a namespace, without those of its devices.
func (s *Stack) EachNetNFHook(ns NetNS, visit func(NFHook) error) error {
	if !ns.Value.Has("nf") {
		return nil // a kernel without CONFIG_NETFILTER
	}
	nf, err := ns.Value.Path("nf")
	if err != nil {
		return err
	}
	for _, f := range nfFamilies {
		if !nf.Has(f.member) {
			continue
		}
		points, err := nf.Path(f.member)
		if err != nil {
			return err
		}
		n, _ := points.Len()
		for i := range n {
			p, err := points.Index(int64(i))
			if err != nil {
				return err
			}
			h := NFHook{Family: f.name, Hook: fmt.Sprint(i), NS: ns}
			if i < len(f.hooks) {
				h.Hook = f.hooks[i]
			}
			if err := s.nfHooks(p, h, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// EachDeviceNFHook calls visit with the netfilter hooks of one device.
func (s *Stack) EachDeviceNFHook(d Device, visit func(NFHook) error) error {
	for _, side := range []struct{ member, name string }{{"nf_hooks_ingress", "INGRESS"}, {"nf_hooks_egress", "EGRESS"}} {
		if !d.Value.Has(side.member) { // egress: since 5.16
			continue
		}
		p, err := d.Value.Path(side.member)
		if err != nil {
			return err
		}
		if err := s.nfHooks(p, NFHook{Family: "netdev", Hook: side.name, NS: d.NS, Device: d.Name}, visit); err != nil {
			return err
		}
	}
	return nil
}

// nfHooks reads what a pointer to struct nf_hook_entries has: the functions, and behind them a pointer to
// the struct nf_hook_ops of each (include/linux/netfilter.h: nf_hook_entries_get_hook_ops).
func (s *Stack) nfHooks(p value.Value, h NFHook, visit func(NFHook) error) error {
	at, err := p.Pointer()
	if err != nil || at == 0 {
		return err
	}
	fail := func(err error) error {
		return fmt.Errorf("the netfilter hooks %s %s of %s: %w", h.Family, h.Hook, h.NS, err)
	}
	n, err := p.UintPath("num_hook_entries")
	if err != nil {
		return fail(err)
	}
	if n > maxHooks {
		return fail(fmt.Errorf("there are %d: they are damaged", n))
	}
	entries, err := s.offset("nf_hook_entries", "hooks")
	if err != nil {
		return fail(err)
	}
	entry, err := s.K.Struct("nf_hook_entry")
	if err != nil {
		return fail(err)
	}
	size, err := btf.Sizeof(entry)
	if err != nil {
		return fail(err)
	}
	ops, err := s.K.Struct("nf_hook_ops")
	if err != nil {
		return fail(err)
	}
	raw := make([]byte, 8*n)
	if err := s.K.ReadMem(at+entries+kmem.Addr(n*size), raw); err != nil {
		return fail(err)
	}
	for i := range n {
		e := s.K.Ref(entry, at+entries+kmem.Addr(i*size))
		if h.Func, err = e.PointerPath("hook"); err != nil {
			return fail(err)
		}
		if h.Private, err = e.PointerPath("priv"); err != nil {
			return fail(err)
		}
		op := s.K.Ref(ops, kmem.Addr(binary.LittleEndian.Uint64(raw[8*i:])))
		prio, err := op.UintPath("priority")
		if err != nil {
			return fail(err)
		}
		h.Priority = int32(prio)
		h.Function, h.Module = s.functionAndModule(h.Func)
		if h.Function == "accept_all" && h.Module == "" {
			continue // stands in for one that was taken away (net/netfilter/core.c)
		}
		if err := visit(h); err != nil {
			return err
		}
	}
	return nil
}

// functionAndModule names the function that starts at an address; without one, the name is the address.
func (s *Stack) functionAndModule(a kmem.Addr) (name, module string) {
	if sym, off, ok := s.K.SymbolAt(a); ok && off == 0 {
		return sym.Name, sym.Module
	}
	return s.K.Symbolize(a), ""
}

// functionName is the same as one text, "bond_handle_frame [bonding]".
func (s *Stack) functionName(a kmem.Addr) string {
	name, module := s.functionAndModule(a)
	if module != "" {
		name += " [" + module + "]"
	}
	return name
}
