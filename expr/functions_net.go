package expr

import (
	"errors"
	"fmt"
	"strconv"

	"kinspect/btf"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
)

const topicNet = "network"

var netFunctions = []Function{
	{
		Name: "netdev", Signature: "netdev(NAME[, NETNS])", Topic: topicNet,
		Doc:      "the network device of that name, as struct net_device *; NETNS as --netns takes it, or netns(…)",
		Examples: []string{"netdev('bond0').rx_dropped", "netdev('lo').mtu"},
		MinArgs:  1, MaxArgs: 2, Args: []ArgKind{DeviceArg, NetNSArg},
		Call: callNetdev,
	},
	{
		Name: "netdevs", Signature: "netdevs([NETNS])", Topic: topicNet,
		Doc:      "the devices of a network namespace, as a sequence of struct net_device *; 'all' is every namespace",
		Examples: []string{"netdevs() | filter(.rx_dropped > 0) | map(.name)", "netdevs('all') | map(.name)"},
		MaxArgs:  1, Args: []ArgKind{NetNSArg},
		Call: callNetdevs,
	},
	{
		Name: "netns", Signature: "netns([NETNS])", Topic: topicNet,
		Doc:      "a network namespace, as struct net *: by name, process, inode number, or the one that a device is in",
		Examples: []string{"netns('init_net').ns.inum", "netns(netdev('lo')).ns.inum"},
		MaxArgs:  1, Args: []ArgKind{NetNSArg},
		Call: func(c *Call) (any, error) {
			ns, err := c.Session.netns(c.Arg(0))
			if err != nil {
				return nil, err
			}
			return ns.Value.AddressOf()
		},
	},
	{
		Name: "netnss", Signature: "netnss()", Topic: topicNet,
		Doc:      "all network namespaces, as a list of struct net *, init_net first",
		Examples: []string{"netnss() | map(.ns.inum)"},
		Call:     callNetnss,
	},
	swapFunction("ntohs", 16, "u16", "a 16-bit number from network to host order"),
	swapFunction("htons", 16, "__be16", "a 16-bit number from host to network order"),
	swapFunction("ntohl", 32, "u32", "a 32-bit number from network to host order"),
	swapFunction("htonl", 32, "__be32", "a 32-bit number from host to network order"),
	swapFunction("be16_to_cpu", 16, "u16", "the same as ntohs"),
	swapFunction("be32_to_cpu", 32, "u32", "the same as ntohl"),
	swapFunction("be64_to_cpu", 64, "u64", "a 64-bit number from big-endian to host order"),
	swapFunction("cpu_to_be16", 16, "__be16", "the same as htons"),
	swapFunction("cpu_to_be32", 32, "__be32", "the same as htonl"),
	swapFunction("cpu_to_be64", 64, "__be64", "a 64-bit number from host order to big-endian"),
}

// swapFunction is one of the kernel's byte-order functions. Its result has the
// type that the kernel's has, where there is a kernel.
func swapFunction(name string, width int, result, doc string) Function {
	return Function{
		Name: name, Signature: name + "(N)", Topic: topicNet, Doc: doc,
		Examples: []string{name + "(0x88cc)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			n, ok, err := numberOf(c.Arg(0))
			if err != nil {
				return nil, err
			}
			if !ok || n.isFloat {
				return nil, fmt.Errorf("%s takes an integer, not %s", name, describe(c.Arg(0)))
			}
			if n.Bits>>1>>(width-1) != 0 {
				return nil, fmt.Errorf("%s: %#x does not fit into %d bits", name, n.Bits, width)
			}
			return c.Session.typed(value.Swap(n.Bits, width), width, result), nil
		},
	}
}

// typed is an unsigned number with one of the kernel's type names, or a plain one
// where there is no kernel.
func (s *Session) typed(u uint64, width int, name string) any {
	if s.kernel == nil {
		return plain(value.Num{Bits: u, Size: uint32(max(width, 32) / 8)})
	}
	v := s.kernel.U64(u, "")
	t, err := s.parseType(name)
	if err != nil {
		t = &btf.Int{Name: "u" + strconv.Itoa(width), Size: uint32(width / 8)}
	}
	out, err := v.Cast(t)
	if err != nil {
		return v
	}
	return out
}

// netnss resolves a namespace argument: a string or number as --netns takes them,
// a struct net, a net_device, or nothing for the session's default.
func (s *Session) netnss(x any) ([]knet.NetNS, error) {
	if s.stack == nil {
		return nil, errNoStack
	}
	one := func(ns knet.NetNS, err error) ([]knet.NetNS, error) { return []knet.NetNS{ns}, err }
	switch x := x.(type) {
	case nil:
		return s.stack.ResolveNS(s.options.NetNS)
	case string:
		if x == "" {
			return nil, errors.New("the name of a network namespace is empty")
		}
		return s.stack.ResolveNS(x)
	case value.Value:
		st, ok := x.StructType()
		switch {
		case ok && st.Name == "net":
			return one(s.netnsAt(x))
		case ok && isNetDevice(st):
			d, err := s.stack.DeviceAt(x)
			return one(d.NS, err)
		case ok:
			return nil, fmt.Errorf("%s is neither a struct net nor a struct net_device", x.Type())
		}
	}
	n, err := integer(x, "the number of a network namespace")
	if err != nil {
		return nil, err
	}
	return s.stack.ResolveNS(strconv.FormatInt(n, 10))
}

func (s *Session) netns(x any) (knet.NetNS, error) {
	all, err := s.netnss(x)
	switch {
	case err != nil:
		return knet.NetNS{}, err
	case len(all) != 1:
		return knet.NetNS{}, fmt.Errorf("there are %d network namespaces: name one", len(all))
	}
	return all[0], nil
}

// netnsAt is the namespace that a struct net, or a pointer to one, is.
func (s *Session) netnsAt(v value.Value) (knet.NetNS, error) {
	if _, ok := btf.Underlying(v.Type()).(*btf.Pointer); ok {
		var err error
		if v, err = v.Deref(); err != nil {
			return knet.NetNS{}, err
		}
	}
	a, ok := v.Addr()
	if !ok {
		return knet.NetNS{}, errors.New("this struct net has no address")
	}
	all, err := s.stack.Namespaces()
	for _, ns := range all {
		if na, _ := ns.Value.Addr(); na == a {
			return ns, nil
		}
	}
	if err != nil {
		return knet.NetNS{}, err
	}
	return knet.NetNS{}, fmt.Errorf("there is no network namespace at %s", a)
}

func callNetdev(c *Call) (any, error) {
	name, err := c.String(0, "the name of a device")
	if err != nil {
		return nil, err
	}
	nss, err := c.Session.netnss(c.Arg(1))
	if err != nil {
		return nil, err
	}
	d, err := c.Session.findDevice(name, nss)
	if err != nil {
		return nil, err
	}
	return d.Value.AddressOf()
}

// findDevice is the device of a name in the namespaces: in several, there must be one.
func (s *Session) findDevice(name string, nss []knet.NetNS) (knet.Device, error) {
	if len(nss) == 1 {
		return s.stack.Device(name, nss[0])
	}
	var found []knet.Device
	for _, ns := range nss {
		err := s.stack.EachDevice(ns, func(d knet.Device) error {
			if d.Name == name {
				found = append(found, d)
				return value.Stop()
			}
			return s.stopped()
		})
		if err != nil {
			return knet.Device{}, err
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return knet.Device{}, fmt.Errorf("no network namespace has a device %s", value.Quote(name))
	}
	return knet.Device{}, fmt.Errorf("%d network namespaces have a device %s, %s and %s among them: name one, netdev(%s, '%d')",
		len(found), value.Quote(name), found[0].NS, found[1].NS, value.Quote(name), found[1].NS.Inum)
}

func callNetdevs(c *Call) (any, error) {
	s := c.Session
	nss, err := s.netnss(c.Arg(0))
	if err != nil {
		return nil, err
	}
	st, err := s.kernel.Struct("net_device")
	if err != nil {
		return nil, err
	}
	return refs(s.kernel, st, func(visit func(kmem.Addr) error) error {
		var faults value.Faults
		for _, ns := range nss {
			var own error
			err := s.stack.EachDeviceAddr(ns, func(a kmem.Addr) error {
				if own = s.stopped(); own == nil {
					own = visit(a)
				}
				return own
			})
			if own != nil {
				return own
			}
			if err := faults.Keep(err); err != nil {
				return err
			}
		}
		return faults.Err()
	}), nil
}

func callNetnss(c *Call) (any, error) {
	if c.Session.stack == nil {
		return nil, errNoStack
	}
	all, err := c.Session.stack.Namespaces()
	if err != nil {
		return nil, err
	}
	out := make([]any, len(all))
	for i, ns := range all {
		if out[i], err = ns.Value.AddressOf(); err != nil {
			return nil, err
		}
	}
	return out, c.Grow(len(out))
}
