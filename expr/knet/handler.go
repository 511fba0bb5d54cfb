package knet

import (
	"fmt"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// maxHandlers bounds the walk over one list of protocol handlers.
const maxHandlers = 1 << 16

// List is the list that a protocol handler is in.
type List string

// The lists of struct packet_type. Which ones a kernel has, its BTF tells: see
// [Stack.Handlers].
const (
	ListBase        List = "ptype_base"         // one ethertype, any device
	ListAll         List = "ptype_all"          // every frame of any device
	ListNetSpecific List = "net.ptype_specific" // packet sockets of a namespace, since 6.15
	ListNetAll      List = "net.ptype_all"      // taps of a namespace, since 6.15
	ListDevSpecific List = "dev.ptype_specific" // one ethertype on one device
	ListDevAll      List = "dev.ptype_all"      // every frame of one device
)

// Tap reports whether entries of the list see every frame, whatever its ethertype.
func (l List) Tap() bool { return l == ListAll || l == ListNetAll || l == ListDevAll }

// Handler is a struct packet_type: a function that is given frames of one
// ethertype, or of all.
type Handler struct {
	List   List
	Type   Ethertype
	Func   kmem.Addr
	Name   string // the function's name, or its address
	Module string // empty for a built-in function
	// Socket says that the handler is a packet socket, and NetNS whose.
	Socket bool
	Sock   kmem.Addr // of a packet socket, its struct sock; 0 of a group (PACKET_FANOUT)
	Group  kmem.Addr // of a group, its struct packet_fanout
	NetNS  NetNS     // of a packet socket; not valid where the kernel does not record it
	Device string    // the device that it is bound to, or ""
}

// packetSocketFuncs are the functions that a packet socket hooks in
// (net/packet/af_packet.c).
var packetSocketFuncs = map[string]bool{"packet_rcv": true, "packet_rcv_spkt": true, "tpacket_rcv": true, "packet_rcv_fanout": true}

// Label prints the handler's function with its module, "ip_rcv" or
// "llc_rcv [llc]".
func (h Handler) Label() string {
	s := value.Printable(h.Name)
	if h.Module != "" {
		s += " [" + value.Printable(h.Module) + "]"
	}
	return s
}

// Handlers are all protocol handlers that a frame on one device can meet after
// its rx_handler: those for any device, those of the device's namespace, and
// those bound to the device. Lists moved: the tap list for any device was the
// global ptype_all, then net_hotdata.ptype_all (6.9), then struct net's (6.15),
// when packet sockets for any device got net.ptype_specific too
// (net/core/dev.c: ptype_head).
func (s *Stack) Handlers(d Device) ([]Handler, error) {
	global, err := s.GlobalHandlers(d.NS)
	if err != nil {
		return nil, err
	}
	bound, err := s.BoundHandlers(d)
	return append(global, bound...), err
}

// GlobalHandlers are the handlers for any device of a namespace.
func (s *Stack) GlobalHandlers(ns NetNS) ([]Handler, error) {
	base, err := s.K.Global("ptype_base")
	if err != nil {
		return nil, err
	}
	var out []Handler
	n, _ := base.Len()
	for i := range int64(n) {
		head, err := base.Index(i)
		if err != nil {
			return nil, err
		}
		if err := s.packetTypes(head, ListBase, &out); err != nil {
			return nil, err
		}
	}
	for _, l := range []struct {
		member string
		list   List
	}{{"ptype_specific", ListNetSpecific}, {"ptype_all", ListNetAll}} {
		if !ns.Value.Has(l.member) {
			continue
		}
		head, err := ns.Value.Path(l.member)
		if err != nil {
			return nil, err
		}
		if err := s.packetTypes(head, l.list, &out); err != nil {
			return nil, err
		}
	}
	if ns.Value.Has("ptype_all") {
		return out, nil
	}
	all, err := s.globalTaps()
	if err != nil {
		return nil, err
	}
	err = s.packetTypes(all, ListAll, &out)
	return out, err
}

// globalTaps is the head of the taps of all namespaces, on kernels that have one.
func (s *Stack) globalTaps() (value.Value, error) {
	if s.K.HasMember("net_hotdata", "ptype_all") {
		hot, err := s.K.Global("net_hotdata")
		if err != nil {
			return value.Value{}, err
		}
		return hot.Path("ptype_all")
	}
	return s.K.Global("ptype_all")
}

// BoundHandlers are the handlers bound to the device.
func (s *Stack) BoundHandlers(d Device) ([]Handler, error) {
	var out []Handler
	for _, l := range []struct {
		member string
		list   List
	}{{"ptype_specific", ListDevSpecific}, {"ptype_all", ListDevAll}} {
		head, err := d.Value.Path(l.member)
		if err != nil {
			return nil, err
		}
		if err := s.packetTypes(head, l.list, &out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Stack) packetTypes(head value.Value, list List, out *[]Handler) error {
	st, err := s.K.Struct("packet_type")
	if err != nil {
		return err
	}
	err = value.EachEntry(head, st, "list", maxHandlers, func(v value.Value) error {
		raw, err := v.UintPath("type")
		if err != nil {
			return err
		}
		h := Handler{List: list, Type: Ethertype(value.Swap(raw, 16))}
		if h.Func, err = v.PointerPath("func"); err != nil {
			return err
		}
		h.Name = h.Func.String()
		if sym, off, ok := s.K.SymbolAt(h.Func); ok && off == 0 {
			h.Name, h.Module = sym.Name, sym.Module
		}
		h.Socket = packetSocketFuncs[h.Name]
		if h.Socket {
			to := &h.Sock
			if h.Name == "packet_rcv_fanout" {
				to = &h.Group
			}
			if *to, err = v.PointerPath("af_packet_priv"); err != nil {
				return err
			}
		}
		if h.Socket && v.Has("af_packet_net") {
			if err := s.ownerNS(v, &h); err != nil {
				return err
			}
		}
		dev, err := v.Path("dev")
		if err != nil {
			return err
		}
		if p, err := dev.Pointer(); err != nil {
			return err
		} else if p != 0 {
			if h.Device, err = dev.StringPath("name"); err != nil {
				return err
			}
		}
		*out = append(*out, h)
		return nil
	})
	if err != nil {
		return fmt.Errorf("walking %s: %w", list, err)
	}
	return nil
}

func (s *Stack) ownerNS(v value.Value, h *Handler) error {
	net, err := v.Path("af_packet_net")
	if err != nil {
		return err
	}
	a, err := net.Pointer()
	if err != nil || a == 0 {
		return err
	}
	all, err := s.Namespaces()
	if err != nil {
		return err
	}
	for _, ns := range all {
		if na, _ := ns.Value.Addr(); na == a {
			h.NetNS = ns
		}
	}
	return nil
}

// FlushesTaps reports what on a device delivers a frame to the taps and then
// forgets them, so that a tap does not count as a taker of an unhandled frame
// (net/core/dev.c: pt_prev is cleared before TC ingress and netfilter ingress):
// the name of the hook, or "".
func (s *Stack) FlushesTaps(d Device) (string, error) {
	for _, h := range []struct{ member, name string }{
		{"tcx_ingress", "TC ingress"},   // since 6.6
		{"miniq_ingress", "TC ingress"}, // up to 6.5
		{"nf_hooks_ingress", "netfilter ingress"},
	} {
		if !d.Value.Has(h.member) {
			continue
		}
		p, err := d.Value.PointerPath(h.member)
		if err != nil {
			return "", err
		}
		if p != 0 {
			return h.name, nil
		}
	}
	return "", nil
}

// Tap reports whether the handler sees every frame, whatever its ethertype.
func (h Handler) Tap() bool { return h.List.Tap() }
