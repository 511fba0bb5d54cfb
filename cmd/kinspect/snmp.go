package main

import (
	"fmt"
	"slices"
	"strings"

	"kinspect/expr"
	"kinspect/expr/check"
	"kinspect/expr/knet"
)

// oneNamespace is the namespace of a command that answers for one.
func (a *app) oneNamespace(t *target, command string) (knet.NetNS, error) {
	nss, err := a.namespaces(t, "")
	if err != nil {
		return knet.NetNS{}, err
	}
	if len(nss) != 1 {
		return knet.NetNS{}, usagef("%s answers for one network namespace: choose one with --netns", command)
	}
	return nss[0], nil
}

func (a *app) snmp(args []string) (int, error) {
	o := check.SNMPOptions{Names: args, All: a.options.all}
	if code, ok, err := a.watched(a.watchSNMP("snmp", nil, o)); ok {
		return code, err
	}
	t, err := a.open()
	if err != nil {
		return exitFailed, err
	}
	ns, err := a.oneNamespace(t, "snmp")
	if err != nil {
		return exitFailed, err
	}
	r, err := check.SNMPOf(t.stack, ns, o)
	if err != nil {
		return exitFailed, err
	}
	return explainExit(r), a.print(r.Text(), r)
}

// netstat prints files of /proc/net as the kernel would.
func (a *app) netstat(args []string) (int, error) {
	for _, name := range args {
		if !slices.Contains(knet.SNMPFiles, name) {
			return exitFailed, usagef("netstat rebuilds %s, not %q; kinspect snmp explains the counters", strings.Join(knet.SNMPFiles, ", "), name)
		}
	}
	files := args
	if len(files) == 0 {
		files = nil
	}
	if code, ok, err := a.watched(a.watchSNMP("netstat", files, check.SNMPOptions{})); ok {
		return code, err
	}
	t, err := a.open()
	if err != nil {
		return exitFailed, err
	}
	ns, err := a.oneNamespace(t, "netstat")
	if err != nil {
		return exitFailed, err
	}
	s, err := t.stack.SNMP(ns)
	if err != nil {
		return exitFailed, err
	}
	if files == nil {
		for _, name := range knet.SNMPFiles {
			if s.Has(name) {
				files = append(files, name)
			}
		}
	}
	object := map[string]string{}
	var b strings.Builder
	for i, name := range files {
		text, err := s.Text(name)
		if err != nil {
			return exitFailed, err
		}
		object[name] = text
		if len(files) > 1 {
			if i > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "==> /proc/net/%s <==\n", name)
		}
		b.WriteString(text)
	}
	return exitFine, a.print(b.String(), object)
}

// registerSNMP adds the check of a namespace's protocols to the language.
func registerSNMP(s *expr.Session, stack *knet.Stack, netns string) {
	s.Register(expr.Function{
		Name: "snmp_report", Signature: "snmp_report([NETNS[, 'NAME']])", Topic: "checks", Slow: true,
		Doc:      "what a namespace's protocols lost, what each counter means, and the sockets and devices that it leads to; NAME as nstat has it, with * and ?",
		Examples: []string{"snmp_report()", "snmp_report('init_net', 'Udp*')"}, MaxArgs: 2, Args: []expr.ArgKind{expr.NetNSArg, expr.WordArg},
		Call: func(c *expr.Call) (any, error) {
			var o check.SNMPOptions
			spec := netns
			if len(c.Args) > 0 {
				spec = fmt.Sprint(c.Args[0]) // a name, or a number
			}
			if len(c.Args) > 1 {
				name, err := c.String(1, "the name of a counter")
				if err != nil {
					return nil, err
				}
				o.Names = []string{name}
			}
			nss, err := stack.ResolveNS(spec)
			if err != nil {
				return nil, err
			}
			if len(nss) != 1 {
				return nil, fmt.Errorf("snmp_report answers for one network namespace: name one")
			}
			r, err := check.SNMPOf(stack, nss[0], o)
			if err != nil {
				return nil, err
			}
			return answer{r.Text, r}, nil
		},
	})
}
