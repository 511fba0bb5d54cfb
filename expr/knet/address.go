package knet

import (
	"fmt"
	"net"
	"net/netip"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// maxAddresses bounds the addresses of one device.
const maxAddresses = 1 << 20

// IPAddress is an address of a device (struct in_ifaddr or struct inet6_ifaddr).
type IPAddress struct {
	Value     value.Value
	Device    Device
	Addr      netip.Addr
	Prefix    int
	Peer      netip.Addr // the other end of a point-to-point address; not valid without one
	Broadcast netip.Addr // not valid without one
	Scope     string     // as `ip addr` names it
	Flags     []string   // as `ip addr` names them; those of an address that lives for ever are "permanent"
	Label     string     // of IPv4: "eth0:1"
}

// structOf finds a struct in vmlinux, else in one of the modules that it may be built into.
func (s *Stack) structOf(name string, modules ...string) (*btf.Struct, error) {
	st, err := s.K.Struct(name)
	if err == nil || len(modules) == 0 {
		return st, err
	}
	return s.K.Struct(name, modules...)
}

// EachIPAddress calls visit with each IPv4 address of a device (net/ipv4/devinet.c: in_device.ifa_list),
// then with each IPv6 one (net/ipv6/addrconf.c: inet6_dev.addr_list).
func (s *Stack) EachIPAddress(d Device, visit func(IPAddress) error) error {
	if err := s.eachIPv4(d, visit); err != nil {
		return ended(err)
	}
	return ended(s.eachIPv6(d, visit))
}

func (s *Stack) eachIPv4(d Device, visit func(IPAddress) error) error {
	in, err := d.Value.PointerPath("ip_ptr")
	if err != nil || in == 0 {
		return err
	}
	st, err := s.K.Struct("in_ifaddr")
	if err != nil {
		return err
	}
	next, err := s.offset("in_ifaddr", "ifa_next")
	if err != nil {
		return err
	}
	first, err := d.Value.PointerPath("ip_ptr.ifa_list")
	if err != nil {
		return err
	}
	err = s.chain(first, uint64(next), maxAddresses, func(a kmem.Addr) error {
		ip, err := s.ipv4Address(s.K.Ref(st, a), d)
		if err != nil {
			return err
		}
		return visit(ip)
	})
	return in4(err, d)
}

// in4 says which list an error is of.
func in4(err error, d Device) error {
	if err == nil || isStop(err) {
		return err
	}
	return fmt.Errorf("the IPv4 addresses of %s: %w", d.Label(), err)
}

func (s *Stack) ipv4Address(v value.Value, d Device) (IPAddress, error) {
	out := IPAddress{Value: v, Device: d}
	local, err := ipv4(v, "ifa_local")
	if err != nil {
		return out, err
	}
	peer, err := ipv4(v, "ifa_address")
	if err != nil {
		return out, err
	}
	bcast, err := ipv4(v, "ifa_broadcast")
	if err != nil {
		return out, err
	}
	out.Addr = local
	if peer != local {
		out.Peer = peer
	}
	if !bcast.IsUnspecified() {
		out.Broadcast = bcast
	}
	prefix, err := v.UintPath("ifa_prefixlen")
	if err != nil {
		return out, err
	}
	scope, err := v.UintPath("ifa_scope")
	if err != nil {
		return out, err
	}
	flags, err := v.UintPath("ifa_flags")
	if err != nil {
		return out, err
	}
	out.Prefix, out.Scope, out.Flags = int(prefix), scopeName(scope), addressFlags(flags, false)
	out.Label, err = v.StringPath("ifa_label")
	return out, err
}

// errNoIPv6 says why IPv6 cannot be read: it is a module without BTF.
const errNoIPv6 = "the kernel's IPv6 is a module whose types are not known"

func (s *Stack) eachIPv6(d Device, visit func(IPAddress) error) error {
	p, err := d.Value.PointerPath("ip6_ptr")
	if err != nil || p == 0 {
		return err
	}
	in, err := s.structOf("inet6_dev", "ipv6")
	if err != nil {
		return fmt.Errorf("%s: %w", errNoIPv6, err)
	}
	st, err := s.structOf("inet6_ifaddr", "ipv6")
	if err != nil {
		return fmt.Errorf("%s: %w", errNoIPv6, err)
	}
	head, err := s.K.Ref(in, p).Path("addr_list")
	if err != nil {
		return err
	}
	var stop error
	err = value.EachEntry(head, st, "if_list", maxAddresses, func(v value.Value) error {
		ip, err := s.ipv6Address(v, d)
		if err != nil {
			return err
		}
		if stop = visit(ip); stop != nil {
			return value.Stop()
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("the IPv6 addresses of %s: %w", d.Label(), err)
	}
	return stop
}

func (s *Stack) ipv6Address(v value.Value, d Device) (IPAddress, error) {
	out := IPAddress{Value: v, Device: d}
	var err error
	if out.Addr, err = ipv6(v, "addr"); err != nil {
		return out, err
	}
	peer, err := ipv6(v, "peer_addr")
	if err != nil {
		return out, err
	}
	if !peer.IsUnspecified() {
		out.Peer = peer
	}
	prefix, err := v.UintPath("prefix_len")
	if err != nil {
		return out, err
	}
	// The scope is one of the kernel's own bits, not rtnetlink's number
	// (include/net/ipv6.h: IFA_HOST, IFA_LINK, IFA_SITE).
	scope, err := v.UintPath("scope")
	if err != nil {
		return out, err
	}
	rt := uint64(0)
	switch {
	case scope&0x10 != 0:
		rt = 254
	case scope&0x20 != 0:
		rt = 253
	case scope&0x40 != 0:
		rt = 200
	}
	flags, err := v.UintPath("flags")
	out.Prefix, out.Scope, out.Flags = int(int32(prefix)), scopeName(rt), addressFlags(flags, true)
	return out, err
}

// scopeName names an address's scope (include/uapi/linux/rtnetlink.h: rt_scope_t).
func scopeName(n uint64) string {
	switch n {
	case 0:
		return "global"
	case 200:
		return "site"
	case 253:
		return "link"
	case 254:
		return "host"
	case 255:
		return "nowhere"
	}
	return fmt.Sprint(n)
}

// addressFlags names IFA_F_* (include/uapi/linux/if_addr.h) as `ip addr` does.
func addressFlags(bits uint64, v6 bool) []string {
	names := []string{
		"secondary", "nodad", "optimistic", "dadfailed", "home", "deprecated",
		"tentative", "permanent", "mngtmpaddr", "noprefixroute", "autojoin", "stable-privacy",
	}
	if v6 {
		names[0] = "temporary"
	}
	return bitNames(bits, names)
}

// bitNames names the bits of a number from the lowest; what has no name is put into one hexadecimal
// number behind the names.
func bitNames(bits uint64, names []string) []string {
	out := []string{}
	for i, name := range names {
		if name != "" && bits>>i&1 == 1 {
			out = append(out, name)
			bits &^= 1 << i
		}
	}
	if bits != 0 {
		out = append(out, fmt.Sprintf("%#x", bits))
	}
	return out
}

// ipv4 is the address in a __be32.
func ipv4(v value.Value, path string) (netip.Addr, error) {
	raw, err := rawPath(v, path, 4)
	if err != nil {
		return netip.Addr{}, err
	}
	return netip.AddrFrom4([4]byte(raw)), nil
}

// ipv6 is the address in a struct in6_addr.
func ipv6(v value.Value, path string) (netip.Addr, error) {
	raw, err := rawPath(v, path, 16)
	if err != nil {
		return netip.Addr{}, err
	}
	return netip.AddrFrom16([16]byte(raw)), nil
}

// rawPath is the content of a member that has to be n bytes long.
func rawPath(v value.Value, path string, n int) ([]byte, error) {
	m, err := v.Path(path)
	if err != nil {
		return nil, err
	}
	raw, err := m.Bytes()
	if err == nil && len(raw) != n {
		err = fmt.Errorf("%s is %d bytes long, not %d", path, len(raw), n)
	}
	return raw, err
}

// macText is a link-layer address as `ip link` prints it.
func macText(raw []byte) string { return net.HardwareAddr(raw).String() }
