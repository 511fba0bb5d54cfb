package expr

import (
	"errors"
	"fmt"
	"net/netip"

	"kinspect/btf"
	"kinspect/expr/knet"
	"kinspect/expr/value"
)

var addressFunctions = []Function{
	{
		Name: "ip_addresses", Signature: "ip_addresses([DEV or NETNS])", Topic: topicNet,
		Doc:      "the IPv4 and IPv6 addresses of a device or of a namespace's, as `ip addr` shows them (in_device.ifa_list, inet6_dev.addr_list)",
		Examples: []string{"ip_addresses() | map(.address)", "ip_addresses('lo') | filter(.family == 'inet') | map(.prefix)"},
		MaxArgs:  1, Args: []ArgKind{DeviceArg},
		Call: func(c *Call) (any, error) {
			devices, err := c.devices(0)
			if err != nil {
				return nil, err
			}
			s := c.Session
			return s.sequence("addresses", func(visit func(any) error) error {
				return devices(func(d knet.Device) error {
					return visited(func(visit func(knet.IPAddress) error) error { return s.stack.EachIPAddress(d, visit) },
						func(a knet.IPAddress) error { return visit(addressMap(a)) })
				})
			}), nil
		},
	},
	{
		Name: "neighbours", Signature: "neighbours([DEV or NETNS])", Topic: topicNet,
		Doc:      "the neighbours that ARP and IPv6's neighbour discovery know, as `ip neigh show nud all` (arp_tbl, nd_tbl)",
		Examples: []string{"neighbours() | map(.address)", "neighbours(netdev('lo')) | filter(.state == 'STALE') | map(.lladdr)"},
		MaxArgs:  1, Args: []ArgKind{DeviceArg},
		Call: callNeighbours,
	},
}

// devices is a walk over the devices that an argument means: one, by name or as a struct, or those of a
// namespace, or of the session's own. Its visitor may end it with value.Stop's error.
func (c *Call) devices(i int) (func(visit func(knet.Device) error) error, error) {
	s := c.Session
	if s.stack == nil {
		return nil, errNoStack
	}
	if v, ok := c.Arg(i).(value.Value); ok {
		if st, ok := v.StructType(); ok && isNetDevice(st) {
			d, err := s.stack.DeviceAt(v)
			return func(visit func(knet.Device) error) error { return unstop(visit(d)) }, err
		}
	}
	nss, err := s.netnss(c.Arg(i))
	if name, ok := c.Arg(i).(string); ok && name != "all" {
		// Devices first: their names are what is typed most.
		d, noDevice := s.deviceNamed(name)
		if noDevice == nil {
			return func(visit func(knet.Device) error) error { return unstop(visit(d)) }, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w; nor is it a network namespace: %w", noDevice, err)
		}
	}
	if err != nil {
		return nil, err
	}
	return func(visit func(knet.Device) error) error {
		for _, ns := range nss {
			// The walk would end at a stop, but not say so.
			var stop error
			err := s.stack.EachDevice(ns, func(d knet.Device) error {
				if stop = visit(d); stop == nil {
					stop = s.stopped()
				}
				return stop
			})
			if err == nil {
				err = stop
			}
			if err != nil {
				return unstop(err)
			}
		}
		return nil
	}, nil
}

// unstop is what a whole walk returns: no error where its visitor had enough.
func unstop(err error) error {
	if errors.Is(err, value.Stop()) {
		return nil
	}
	return err
}

// deviceNamed is the device of that name in the session's namespace.
func (s *Session) deviceNamed(name string) (knet.Device, error) {
	nss, err := s.netnss(nil)
	if err != nil {
		return knet.Device{}, err
	}
	return s.findDevice(name, nss)
}

// device is an argument that is a network device, or names one of the session's namespaces.
func (c *Call) device(i int) (knet.Device, error) {
	if c.Session.stack == nil {
		return knet.Device{}, errNoStack
	}
	if name, ok := c.Arg(i).(string); ok {
		return c.Session.deviceNamed(name)
	}
	if _, _, named := isText(c.Arg(i)); named { // as net_device.name is
		name, _, err := text(c.Arg(i))
		if err != nil {
			return knet.Device{}, err
		}
		return c.Session.deviceNamed(name)
	}
	v, ok := c.Arg(i).(value.Value)
	if ok {
		var st *btf.Struct
		if st, ok = v.StructType(); ok {
			ok = isNetDevice(st)
		}
	}
	if !ok {
		return knet.Device{}, fmt.Errorf("the device has to be a name, or a struct net_device as netdev('eth0', NETNS) gives it, not %s", describe(c.Arg(i)))
	}
	return c.Session.stack.DeviceAt(v)
}

func addressMap(a knet.IPAddress) map[string]any {
	out := map[string]any{
		"device": a.Device.Name, "netns": nsNumber(a.Device.NS), "family": ipFamily(a.Addr), "address": a.Addr.String(),
		"prefix": a.Prefix, "scope": a.Scope, "flags": words(a.Flags), "peer": nil, "broadcast": nil, "label": nil, "ifa": nil,
	}
	if a.Peer.IsValid() {
		out["peer"] = a.Peer.String()
	}
	if a.Broadcast.IsValid() {
		out["broadcast"] = a.Broadcast.String()
	}
	if a.Label != "" {
		out["label"] = a.Label
	}
	if p, err := a.Value.AddressOf(); err == nil {
		out["ifa"] = p
	}
	return out
}

func ipFamily(a netip.Addr) string {
	if a.Is4() {
		return "inet"
	}
	return "inet6"
}

// nsNumber is how a namespace is named in results: by its inode number.
func nsNumber(ns knet.NetNS) any { return ns.Inum }

// words is a list of the language.
func words(list []string) []any {
	out := make([]any, len(list))
	for i, w := range list {
		out[i] = w
	}
	return out
}

func callNeighbours(c *Call) (any, error) {
	devices, err := c.devices(0)
	if err != nil {
		return nil, err
	}
	s := c.Session
	return s.sequence("neighbours", func(visit func(any) error) error {
		wanted := map[uint64]knet.Device{}
		err := devices(func(d knet.Device) error { wanted[d.Addr()] = d; return nil })
		if err != nil {
			return err
		}
		return s.stack.EachNeighbour(wanted, func(n knet.Neighbour) error {
			out := map[string]any{
				"device": n.Device.Name, "netns": nsNumber(n.Device.NS), "family": ipFamily(n.Addr), "address": n.Addr.String(),
				"state": n.State, "lladdr": nil, "flags": words(n.Flags), "neighbour": nil,
			}
			if n.LLAddr != "" {
				out["lladdr"] = n.LLAddr
			}
			if p, err := n.Value.AddressOf(); err == nil {
				out["neighbour"] = p
			}
			return visit(out)
		})
	}), nil
}
