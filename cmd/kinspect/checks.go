package main

import (
	"fmt"
	"strconv"

	"kinspect/expr"
	"kinspect/expr/check"
	"kinspect/expr/knet"
	"kinspect/expr/value"
)

func (a *app) explain(args []string) (int, error) {
	if code, ok, err := a.watched(a.watchExplain(args)); ok {
		return code, err
	}
	t, err := a.open()
	if err != nil {
		return exitFailed, err
	}
	if len(args) == 0 {
		nss, err := a.namespaces(t, "all")
		if err != nil {
			return exitFailed, err
		}
		o, err := check.ExplainAll(t.stack, nss)
		if err != nil {
			return exitFailed, err
		}
		return explainExit(o), a.printPage(o.Text(), o, func() *check.Page { return check.OverviewPage(t.stack, o, pageInfo()) })
	}
	d, err := a.device(t, args[0])
	if err != nil {
		return exitFailed, err
	}
	r, err := check.Explain(t.stack, d)
	if err != nil {
		return exitFailed, err
	}
	if a.options.live != "" {
		return a.explainLive(t, d, r)
	}
	return explainExit(r), a.printPage(r.Text(), r, func() *check.Page { return check.ReportPage(t.stack, r, pageInfo()) })
}

// explainExit is the exit code of an answer that may have found drops.
func explainExit(r interface {
	Partial() bool
	Drops() bool
},
) int {
	switch {
	case r.Partial():
		return exitFailed
	case r.Drops():
		return exitFinding
	}
	return exitFine
}

func (a *app) handler(args []string) (int, error) {
	e, err := knet.ParseEthertype(args[0])
	if err != nil {
		return exitFailed, err
	}
	t, err := a.open()
	if err != nil {
		return exitFailed, err
	}
	var r *check.HandlerReport
	if len(args) == 2 {
		d, err := a.device(t, args[1])
		if err != nil {
			return exitFailed, err
		}
		r, err = check.Handler(t.stack, e, d)
		if err != nil {
			return exitFailed, err
		}
	} else {
		ns, err := a.oneNamespace(t, "handler")
		if err != nil {
			return exitFailed, err
		}
		if r, err = check.HandlerAnywhere(t.stack, e, ns); err != nil {
			return exitFailed, err
		}
	}
	code := exitFine
	switch {
	case len(r.Missing) > 0:
		code = exitFailed
	case !r.Taken:
		code = exitFinding
	}
	return code, a.print(r.Text(), r)
}

func (a *app) counters(args []string) (int, error) {
	code, ok, err := a.watched(func(t *target) (sampler, error) {
		d, err := a.device(t, args[0])
		if err != nil {
			return nil, err
		}
		return watchRows(check.WatchCounters(t.stack, d)), nil
	})
	if ok {
		return code, err
	}
	t, err := a.open()
	if err != nil {
		return exitFailed, err
	}
	d, err := a.device(t, args[0])
	if err != nil {
		return exitFailed, err
	}
	r, err := check.Counters(t.stack, d)
	if err != nil {
		return exitFailed, err
	}
	code = exitFine
	if r.Partial() {
		code = exitFailed
	}
	return code, a.print(r.Text(), r)
}

func (a *app) softnet([]string) (int, error) {
	code, ok, err := a.watched(func(t *target) (sampler, error) { return watchRows(check.WatchSoftnet(t.stack)), nil })
	if ok {
		return code, err
	}
	t, err := a.open()
	if err != nil {
		return exitFailed, err
	}
	r, err := check.SoftnetOf(t.stack)
	if err != nil {
		return exitFailed, err
	}
	return explainExit(r), a.print(r.Text(), r)
}

// print writes an answer, as text or as JSON.
func (a *app) print(text string, object any) error {
	if a.options.json {
		return a.printJSON(object)
	}
	_, err := fmt.Fprint(a.stdout, value.Scrub(text))
	return err
}

// registerChecks adds explain and handler to the language.
func registerChecks(s *expr.Session, stack *knet.Stack, netns string) {
	registerSNMP(s, stack, netns)
	registerRunbook(s, stack, netns)
	s.Register(expr.Function{
		Name: "explain", Signature: "explain([DEV])", Topic: "checks", Slow: true,
		Doc:      "which path dropped the frames of a device, and what rules the others out; without DEV, of all devices that show a drop",
		Examples: []string{"explain('bond0')"}, MaxArgs: 1, Args: []expr.ArgKind{expr.DeviceArg},
		Call: func(c *expr.Call) (any, error) {
			if len(c.Args) == 0 {
				nss, err := stack.Namespaces()
				if err != nil {
					return nil, err
				}
				o, err := check.ExplainAll(stack, nss)
				return answer{o.Text, o}, err
			}
			d, err := argDevice(stack, c.Args[0], netns)
			if err != nil {
				return nil, err
			}
			r, err := check.Explain(stack, d)
			if err != nil {
				return nil, err
			}
			return answer{r.Text, r}, nil
		},
	})
	s.Register(expr.Function{
		Name: "counters", Signature: "counters(DEV)", Topic: "checks", Slow: true,
		Doc:      "every counter that tools show of a device, and which numbers of the kernel make it up",
		Examples: []string{"counters('bond0')"}, MinArgs: 1, MaxArgs: 1, Args: []expr.ArgKind{expr.DeviceArg},
		Call: func(c *expr.Call) (any, error) {
			d, err := argDevice(stack, c.Args[0], netns)
			if err != nil {
				return nil, err
			}
			r, err := check.Counters(stack, d)
			if err != nil {
				return nil, err
			}
			return answer{r.Text, r}, nil
		},
	})
	s.Register(expr.Function{
		Name: "softnet", Signature: "softnet()", Topic: "checks", Slow: true,
		Doc:      "the CPUs' backlogs, as /proc/net/softnet_stat with names: processed, dropped, squeezed, waiting; their limits, and RPS",
		Examples: []string{"softnet()"},
		Call: func(*expr.Call) (any, error) {
			r, err := check.SoftnetOf(stack)
			if err != nil {
				return nil, err
			}
			return answer{r.Text, r}, nil
		},
	})
	s.Register(expr.Function{
		Name: "handler", Signature: "handler(ETHERTYPE[, DEV])", Topic: "checks", Slow: true,
		Doc:      "what handles an ethertype (a number in host order, or a name such as 'STP') on a device, or on any",
		Examples: []string{"handler(0x0004, 'bond0')", "handler('LLDP')"}, MinArgs: 1, MaxArgs: 2, Args: []expr.ArgKind{expr.WordArg, expr.DeviceArg}, Words: ethertypeNames,
		Call: func(c *expr.Call) (any, error) {
			e, err := argEthertype(c.Args[0])
			if err != nil {
				return nil, err
			}
			var r *check.HandlerReport
			if len(c.Args) == 2 {
				d, err := argDevice(stack, c.Args[1], netns)
				if err != nil {
					return nil, err
				}
				r, err = check.Handler(stack, e, d)
				if err != nil {
					return nil, err
				}
				return answer{r.Text, r}, nil
			}
			nss, err := stack.ResolveNS(netns)
			if err != nil {
				return nil, err
			}
			if len(nss) != 1 {
				return nil, fmt.Errorf("handler answers for one network namespace, not for all: name a device")
			}
			if r, err = check.HandlerAnywhere(stack, e, nss[0]); err != nil {
				return nil, err
			}
			return answer{r.Text, r}, nil
		},
	})
}

// ethertypeNames are the names that handler takes, for completion.
func ethertypeNames(*expr.Session) []expr.Candidate {
	var out []expr.Candidate
	for _, k := range knet.KnownEthertypes {
		out = append(out, expr.Candidate{Text: k.Name, Note: k.From})
		for _, alias := range k.Aliases {
			out = append(out, expr.Candidate{Text: alias, Note: k.Name})
		}
	}
	return out
}

// answer is a check's answer as a result of the language.
type answer struct {
	text   func() string
	object any
}

// Text implements [expr.Printer].
func (a answer) Text(value.Format) (string, error) { return a.text(), nil }

// JSON implements [expr.Printer].
func (a answer) JSON() (any, error) { return a.object, nil }

func argDevice(s *knet.Stack, arg any, netns string) (knet.Device, error) {
	switch v := arg.(type) {
	case string:
		return deviceIn(s, v, netns)
	case value.Value:
		if name, err := v.CString(); err == nil {
			return deviceIn(s, name, netns)
		}
		return s.DeviceAt(v)
	}
	return knet.Device{}, fmt.Errorf("a device is wanted: its name, or netdev(NAME)")
}

func argEthertype(arg any) (knet.Ethertype, error) {
	if s, ok := arg.(string); ok {
		return knet.ParseEthertype(s)
	}
	if v, ok := arg.(value.Value); ok {
		n, err := v.Uint()
		if err != nil {
			return 0, err
		}
		if width := v.BigEndianBits(); width != 0 {
			n = value.Swap(n, width)
		}
		arg = n
	}
	n, err := strconv.ParseUint(fmt.Sprint(arg), 10, 16)
	if err != nil {
		return 0, fmt.Errorf("an ethertype is wanted: 0x0000 to 0xffff, or a name")
	}
	return knet.Ethertype(n), nil
}
