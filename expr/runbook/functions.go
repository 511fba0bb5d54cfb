package runbook

import (
	"errors"
	"strings"

	"kinspect/expr"
	"kinspect/expr/check"
	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// Devices and ethertypes as the arguments of functions have them.
type (
	// DeviceOf is the device that an argument names or is.
	DeviceOf func(x any) (knet.Device, error)
	// EthertypeOf is the ethertype that one is.
	EthertypeOf func(x any) (knet.Ethertype, error)
)

// Functions are what explain and handler know, as values to compute with. stack may be nil, as of a session
// without a kernel.
func Functions(stack *knet.Stack, netns string, device DeviceOf, ethertype EthertypeOf) []expr.Function {
	return []expr.Function{
		{
			Name: "causes", Signature: "causes(DEV)", Topic: "checks", Slow: true,
			Doc:      "what dropped a device's frames, as explain says, in a line: how many took which path, and how sure that is; nil where nothing was dropped",
			Examples: []string{"causes('bond0')"}, MinArgs: 1, MaxArgs: 1, Args: []expr.ArgKind{expr.DeviceArg},
			Call: func(c *expr.Call) (any, error) {
				d, err := device(c.Args[0])
				if err != nil {
					return nil, err
				}
				r, err := check.Explain(stack, d)
				if err != nil {
					return nil, err
				}
				lines := r.Causes()
				if len(lines) == 0 {
					return nil, nil
				}
				return strings.Join(lines, "; "), nil
			},
		},
		{
			Name: "handled", Signature: "handled(ETHERTYPE[, DEV])", Topic: "checks", Slow: true,
			Doc: "whether something takes frames of an ethertype (a number in host order, or a name such as 'STP') on a device; without DEV, " +
				"whether it does on whatever device: what takes them on some alone does not count. taken_by says more",
			Examples: []string{"handled('LLDP', 'bond0')", "handled('ARP')"}, MinArgs: 1, MaxArgs: 2, Args: []expr.ArgKind{expr.WordArg, expr.DeviceArg},
			Call: func(c *expr.Call) (any, error) {
				r, err := handler(c, stack, netns, device, ethertype)
				switch {
				case err != nil:
					return nil, err
				case !r.Taken && len(r.Missing) > 0:
					return nil, value.Faultf("what handles %s could not be told: %s", r.Ethertype, strings.Join(r.Missing, "; "))
				}
				return r.Taken && !r.OnSome, nil
			},
		},
		{
			Name: "taken_by", Signature: "taken_by(ETHERTYPE[, DEV])", Topic: "checks", Slow: true,
			Doc:      "what takes frames of an ethertype on a device, or on all or some, or what becomes of them where nothing does: as handler says, in a line",
			Examples: []string{"taken_by('LLDP', 'bond0')", "taken_by('ARP')"}, MinArgs: 1, MaxArgs: 2, Args: []expr.ArgKind{expr.WordArg, expr.DeviceArg},
			Call: func(c *expr.Call) (any, error) {
				r, err := handler(c, stack, netns, device, ethertype)
				if err != nil {
					return nil, err
				}
				return r.Summary, nil
			},
		},
	}
}

// handler is what the command of that name answers.
func handler(c *expr.Call, stack *knet.Stack, netns string, device DeviceOf, ethertype EthertypeOf) (*check.HandlerReport, error) {
	e, err := ethertype(c.Args[0])
	if err != nil {
		return nil, err
	}
	if len(c.Args) == 2 {
		d, err := device(c.Args[1])
		if err != nil {
			return nil, err
		}
		return check.Handler(stack, e, d)
	}
	nss, err := stack.ResolveNS(netns)
	switch {
	case err != nil:
		return nil, err
	case len(nss) == 0:
		return nil, errors.New("there is no network namespace")
	}
	// Of several, the first one's: handlers are every namespace's, but for those of packet sockets.
	return check.HandlerAnywhere(stack, e, nss[0])
}
