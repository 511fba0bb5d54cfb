package expr

import (
	"kinspect/expr/knet"
)

// linkFunction is a function of one device alone.
func linkFunction(name, doc, example string, call func(c *Call, d knet.Device) (any, error)) Function {
	return Function{
		Name: name, Signature: name + "(DEV)", Topic: topicNet, Doc: doc,
		Examples: []string{example},
		MinArgs:  1, MaxArgs: 1, Args: []ArgKind{DeviceArg},
		Call: func(c *Call) (any, error) {
			d, err := c.device(0)
			if err != nil {
				return nil, err
			}
			return call(c, d)
		},
	}
}

var linkFunctions = []Function{
	linkFunction("netdev_flags", "a device's flags as `ip link` names them (net_device.flags, .gflags, .state; dev_get_flags)",
		"netdev_flags('lo')", func(_ *Call, d knet.Device) (any, error) {
			flags, err := d.Flags()
			return words(flags), err
		}),
	linkFunction("netdev_addr", "a device's link-layer address (net_device.dev_addr), or nil",
		"netdevs() | map([.name, netdev_addr(#)])", func(_ *Call, d knet.Device) (any, error) {
			mac, err := d.MAC()
			if mac == "" {
				return nil, err
			}
			return mac, err
		}),
	linkFunction("netdev_addrs", "the addresses that a device receives beside its own: {unicast, multicast}, as `ip maddr` shows them (net_device.uc, .mc)",
		"netdev_addrs(netdev('bond0')).multicast", func(c *Call, d knet.Device) (any, error) {
			out := map[string]any{}
			for name, list := range map[string]string{"unicast": "uc", "multicast": "mc"} {
				all, err := c.Session.stack.HardwareAddrs(d, list)
				if err != nil {
					return nil, err
				}
				texts := make([]any, len(all))
				for i, a := range all {
					texts[i] = a.Addr
				}
				if err := c.Grow(len(texts)); err != nil {
					return nil, err
				}
				out[name] = texts
			}
			return out, nil
		}),
	linkFunction("netdev_upper", "the devices directly above a device: its master, VLANs, … (net_device.adj_list.upper)",
		"netdev_upper(netdev('veth0')) | map(.name)", func(c *Call, d knet.Device) (any, error) {
			return adjacent(c, c.Session.stack.Upper, d)
		}),
	linkFunction("netdev_lower", "the devices directly below a device: a bond's slaves, a VLAN's real device, … (net_device.adj_list.lower)",
		"netdev_lower(netdev('bond0')) | map(.name)", func(c *Call, d knet.Device) (any, error) {
			return adjacent(c, c.Session.stack.Lower, d)
		}),
	linkFunction("netdev_driver", "the driver of the hardware below a device, else the kind of a virtual one (device.driver, rtnl_link_ops.kind)",
		"netdev_driver('bond0')", func(c *Call, d knet.Device) (any, error) {
			name, err := c.Session.stack.DriverName(d)
			if name == "" {
				return nil, err
			}
			return name, err
		}),
	linkFunction("netdev_napis", "a device's NAPI instances: {id, poll, weight, state, irq, napi} (net_device.napi_list)",
		"netdev_napis(netdev('lo'))", napis),
	linkFunction("netdev_programs", "the XDP and TC programs of a device (net_device.xdp_state, .tcx_ingress, .tcx_egress; before 6.6 .miniq_ingress, .miniq_egress)",
		"netdev_programs(netdev('lo'))", programs),
	linkFunction("netdev_info", "a device's main facts in one map: flags, addresses, what is above and below, driver, queues, NAPI, programs",
		"netdev_info('bond0').flags", linkInfo),
}

func adjacent(c *Call, list func(knet.Device) ([]knet.Adjacent, error), d knet.Device) (any, error) {
	all, err := list(d)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(all))
	for i, a := range all {
		if out[i], err = a.Device.Value.AddressOf(); err != nil {
			return nil, err
		}
	}
	return out, c.Grow(len(out))
}

func napis(c *Call, d knet.Device) (any, error) {
	all, err := c.Session.stack.NAPIs(d)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(all))
	for i, n := range all {
		p, err := n.Value.AddressOf()
		if err != nil {
			return nil, err
		}
		out[i] = map[string]any{
			"id": n.ID, "poll": n.Poll, "weight": int(int32(n.Weight)), "state": words(n.State), "irq": n.IRQ, "napi": p,
		}
	}
	return out, c.Grow(len(out))
}

func programs(c *Call, d knet.Device) (any, error) {
	all, err := c.Session.stack.Programs(d)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(all))
	for i, p := range all {
		at, err := p.Value.AddressOf()
		if err != nil {
			return nil, err
		}
		m := map[string]any{"hook": p.Hook, "kind": p.Kind, "prog": at}
		if p.Tag != "" {
			m["id"], m["name"], m["tag"] = p.ID, p.Name, p.Tag
		} else {
			m["prio"] = p.Prio
		}
		if p.Mode != "" {
			m["mode"] = p.Mode
		}
		out[i] = m
	}
	return out, c.Grow(len(out))
}

func linkInfo(c *Call, d knet.Device) (any, error) {
	s := c.Session.stack
	out := map[string]any{"name": d.Name, "ifindex": d.Ifindex, "netns": nsNumber(d.NS)}
	flags, err := d.Flags()
	if err != nil {
		return nil, err
	}
	oper, err := d.Oper()
	if err != nil {
		return nil, err
	}
	mtu, err := d.Value.UintPath("mtu")
	if err != nil {
		return nil, err
	}
	kind, err := d.Kind()
	if err != nil {
		return nil, err
	}
	q, err := d.Queues()
	if err != nil {
		return nil, err
	}
	out["flags"], out["operstate"], out["mtu"], out["kind"] = words(flags), oper, int(mtu), nil
	if kind != "" {
		out["kind"] = kind
	}
	out["tx_queues"], out["rx_queues"] = int(q.RealTx), int(q.RealRx)
	for name, f := range map[string]func() (any, error){
		"driver":   func() (any, error) { return s.DriverName(d) },
		"address":  func() (any, error) { return d.MAC() },
		"napi":     func() (any, error) { return napis(c, d) },
		"programs": func() (any, error) { return programs(c, d) },
		"upper":    func() (any, error) { return names(s.Upper(d)) },
		"lower":    func() (any, error) { return names(s.Lower(d)) },
		"addresses": func() (any, error) {
			all := []any{}
			err := s.EachIPAddress(d, func(a knet.IPAddress) error {
				m := addressMap(a)
				all = append(all, m["address"].(string)+"/"+keyText(a.Prefix))
				return c.Grow(1)
			})
			return all, err
		},
	} {
		v, err := f()
		if err != nil {
			return nil, err
		}
		if v == "" {
			v = nil
		}
		out[name] = v
	}
	return out, nil
}

func names(all []knet.Adjacent, err error) (any, error) {
	out := make([]any, len(all))
	for i, a := range all {
		out[i] = a.Device.Name
	}
	return out, err
}
