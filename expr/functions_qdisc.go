package expr

import (
	"kinspect/expr/knet"
)

var qdiscFunctions = []Function{
	{
		Name: "qdiscs", Signature: "qdiscs([DEV or NETNS])", Topic: topicNet,
		Doc: "the queueing disciplines of a device, or of a namespace's, as `tc -s qdisc` shows them, with drops and backlog " +
			"(net_device.qdisc, .qdisc_hash, .ingress_queue)",
		Examples: []string{"qdiscs() | filter(.drops > 0) | map([.device, .kind, .drops])", "qdiscs(netdev('lo')) | map(.kind)"},
		MaxArgs:  1, Args: []ArgKind{DeviceArg},
		Call: func(c *Call) (any, error) {
			devices, err := c.devices(0)
			if err != nil {
				return nil, err
			}
			s := c.Session
			return s.sequence("qdiscs", func(visit func(any) error) error {
				return devices(func(d knet.Device) error {
					return s.stack.EachQdisc(d, func(q knet.Qdisc) error { return visit(qdiscMap(q)) })
				})
			}), nil
		},
	},
}

func qdiscMap(q knet.Qdisc) map[string]any {
	out := map[string]any{
		"device": q.Device.Name, "netns": nsNumber(q.Device.NS), "kind": q.Kind, "handle": knet.HandleName(q.Handle), "parent": nil,
		"root": q.Root, "bytes": q.Bytes, "packets": q.Packets, "drops": q.Drops, "overlimits": q.Overlimits,
		"requeues": q.Requeues, "backlog": q.Backlog, "qlen": q.Qlen, "qdisc": nil,
	}
	if !q.Root {
		out["parent"] = knet.HandleName(q.Parent)
	}
	if p, err := q.Value.AddressOf(); err == nil {
		out["qdisc"] = p
	}
	return out
}
