package knet

import (
	"fmt"
	"net/netip"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// maxNeighbours bounds the entries of one table.
const maxNeighbours = 1 << 22

// Neighbour is a struct neighbour: an address on a link, and what is known of who has it.
type Neighbour struct {
	Value  value.Value
	Device Device
	Addr   netip.Addr
	State  string // as `ip neigh` names it
	LLAddr string // "" while it is not known
	Flags  []string
}

// neighbourStates are NUD_* (include/uapi/linux/neighbour.h).
var neighbourStates = map[uint64]string{
	0: "NONE", 1: "INCOMPLETE", 2: "REACHABLE", 4: "STALE", 8: "DELAY", 16: "PROBE", 32: "FAILED",
	64: "NOARP", 128: "PERMANENT",
}

// nudValid are the states in which the link-layer address counts (include/net/neighbour.h: NUD_VALID).
const nudValid = 128 | 64 | 2 | 16 | 4 | 8

// EachNeighbour calls visit with the neighbours on the given devices, by the address of struct
// net_device: IPv4's, then IPv6's, in the order of their tables (net/core/neighbour.c). Entries for
// which this host answers itself (proxies) are in another table, and left out.
func (s *Stack) EachNeighbour(devices map[uint64]Device, visit func(Neighbour) error) error {
	for _, name := range []string{"arp_tbl", "nd_tbl"} {
		if _, ok := s.K.LookupSymbol(name); !ok && name == "nd_tbl" {
			continue // no IPv6
		}
		v, err := s.K.Global(name)
		if err != nil {
			return err
		}
		if err := s.eachNeighbour(v, devices, visit); err != nil {
			if isStop(err) {
				return nil
			}
			return fmt.Errorf("the neighbours in %s: %w", name, err)
		}
	}
	return nil
}

func (s *Stack) eachNeighbour(tbl value.Value, devices map[uint64]Device, visit func(Neighbour) error) error {
	st, err := s.K.Struct("neighbour")
	if err != nil {
		return err
	}
	// The chains became hlists in 6.14.
	heads, member := "hash_buckets", "next"
	if s.K.HasMember("neigh_hash_table", "hash_heads") {
		heads, member = "hash_heads", "hash"
	}
	link, err := s.offset("neighbour", member)
	if err != nil {
		return err
	}
	base, err := tbl.PointerPath("nht." + heads)
	if err != nil {
		return err
	}
	shift, err := tbl.UintPath("nht.hash_shift")
	if err != nil {
		return err
	}
	if shift > 26 {
		return value.Faultf("a hash table of 2^%d buckets: it is damaged", shift)
	}
	length, err := tbl.UintPath("key_len")
	if err != nil {
		return err
	}
	if length != 4 && length != 16 {
		return fmt.Errorf("addresses of %d bytes: the table is damaged", length)
	}
	left := maxNeighbours
	// Either link points to the next one's: to the struct's start, or to its member hash.
	back := kmem.Addr(0)
	if member == "hash" {
		back = link
	}
	next := uint64(link - back)
	return s.firsts(table{base, 1 << shift, 8, 0}, 0, func(first kmem.Addr) error {
		return s.chain(first, next, left+1, func(a kmem.Addr) error {
			if left--; left < 0 {
				return value.Faultf("more than %d neighbours: gave up", maxNeighbours)
			}
			n, ok, err := s.neighbour(s.K.Ref(st, a-back), int(length), devices)
			if err != nil || !ok {
				return err
			}
			return visit(n)
		})
	})
}

func (s *Stack) neighbour(v value.Value, length int, devices map[uint64]Device) (n Neighbour, ok bool, err error) {
	dev, err := v.PointerPath("dev")
	if err != nil {
		return n, false, err
	}
	n.Value = v
	if n.Device, ok = devices[uint64(dev)]; !ok {
		return n, false, nil
	}
	key, err := v.Path("primary_key")
	if err != nil {
		return n, false, err
	}
	raw := make([]byte, length)
	at, _ := key.Addr()
	if err := s.K.ReadMem(at, raw); err != nil {
		return n, false, err
	}
	n.Addr, _ = netip.AddrFromSlice(raw)
	state, err := v.UintPath("nud_state")
	if err != nil {
		return n, false, err
	}
	if n.State = neighbourStates[state]; n.State == "" {
		n.State = fmt.Sprintf("%#x", state)
	}
	flags, err := v.UintPath("flags")
	if err != nil {
		return n, false, err
	}
	n.Flags = bitNames(flags, []string{"use", "self", "master", "proxy", "extern_learn", "offload", "sticky", "router"})
	if state&nudValid == 0 {
		return n, true, nil
	}
	n.LLAddr, err = n.Device.hardware(v, "ha")
	return n, err == nil, err
}

// hardware is a link-layer address of the length that the device's have.
func (d Device) hardware(v value.Value, path string) (string, error) {
	n, err := d.Value.UintPath("addr_len")
	if err != nil || n == 0 {
		return "", err
	}
	m, err := v.Path(path)
	if err != nil {
		return "", err
	}
	a, err := m.Pointer() // an array, or since 5.17 a pointer (net_device.dev_addr)
	if err != nil {
		return "", err
	}
	raw := make([]byte, min(n, 32)) // MAX_ADDR_LEN
	err = v.Kernel().ReadMem(a, raw)
	return macText(raw), err
}
