package expr

import (
	"kinspect/expr/knet"
)

var netfilterFunctions = []Function{
	{
		Name: "nf_hooks", Signature: "nf_hooks([NETNS])", Topic: topicNet,
		Doc: "the functions that netfilter calls, by hook point and in their order: {family, hook, priority, function, module, device} " +
			"(net.nf.hooks_*, net_device.nf_hooks_ingress and _egress)",
		Examples: []string{"nf_hooks() | map([.family, .hook, .priority, .function])"},
		MaxArgs:  1, Args: []ArgKind{NetNSArg},
		Call: func(c *Call) (any, error) {
			nss, err := c.Session.netnss(c.Arg(0))
			if err != nil {
				return nil, err
			}
			s := c.Session
			return s.sequence("netfilter hooks", func(visit func(any) error) error {
				for _, ns := range nss {
					if err := s.stack.EachNFHook(ns, func(h knet.NFHook) error { return visit(nfMap(h)) }); err != nil {
						return err
					}
				}
				return nil
			}), nil
		},
	},
}

func nfMap(h knet.NFHook) map[string]any {
	out := map[string]any{
		"family": h.Family, "hook": h.Hook, "priority": int(h.Priority), "function": h.Function, "module": nil,
		"device": nil, "netns": nsNumber(h.NS), "priv": h.Private.String(),
	}
	if h.Module != "" {
		out["module"] = h.Module
	}
	if h.Device != "" {
		out["device"] = h.Device
	}
	return out
}
