package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// netChecks compare the helpers of the network with the guest's own tools.
var netChecks = []check{
	{name: "links", at: netCaptures, first: true, run: perNamespace(checkLinks)},
	{name: "ip-addresses", at: netCaptures, first: true, run: perNamespace(checkAddresses)},
	{name: "neighbours", at: netCaptures, first: true, run: perNamespace(checkNeighbours)},
	{name: "maddr", at: netCaptures, first: true, run: perNamespace(checkMulticast)},
	{name: "qdiscs", at: netCaptures, first: true, run: perNamespace(checkQdiscs)},
	{name: "sockets-inet", at: netCaptures, first: true, run: perNamespace(checkInetSockets)},
	{name: "sockets-unix", at: netCaptures, first: true, run: perNamespace(checkUnixSockets)},
	{name: "sockets-packet", at: netCaptures, first: true, run: perNamespace(checkPacketSockets)},
	{name: "sockets-netlink", at: netCaptures, first: true, run: perNamespace(checkNetlinkSockets)},
	{name: "ss", at: netCaptures, first: true, run: perNamespace(checkSS)},
	{name: "sockstat", at: netCaptures, first: true, run: perNamespace(checkSockstat)},
	{name: "net-scene", at: []string{"scenarios"}, first: true, run: checkNetScene},
	{name: "tcx", at: []string{"scenarios"}, on: "live", run: checkTCX},
}

var netCaptures = []string{"incident", "scenarios", "vmcore"}

// A namespaceCheck is a check of one namespace, which args choose.
type namespaceCheck func(c *subjectContext, ns string, args []string) error

// everyNamespace runs a check in every namespace of the facts.
func everyNamespace(run namespaceCheck) func(*subjectContext) error {
	return func(c *subjectContext) error {
		names, err := c.namespaces()
		if err != nil {
			return err
		}
		return c.eachNamespace(names, run)
	}
}

// perNamespace does, and live, where asking takes seconds, in the first one.
func perNamespace(run namespaceCheck) func(*subjectContext) error {
	every := everyNamespace(run)
	return func(c *subjectContext) error {
		if c.live() {
			return c.eachNamespace([]string{"init"}, run)
		}
		return every(c)
	}
}

func (c *subjectContext) eachNamespace(names []string, run namespaceCheck) error {
	var errs []error
	for _, ns := range names {
		args, err := c.inNamespace(ns)
		if err == nil {
			err = run(c, ns, args)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("namespace %s: %w", ns, err))
		}
	}
	return errors.Join(errs...)
}

// netJSON decodes a fact that is JSON; a tool that has nothing to say may say nothing.
func netJSON(c *subjectContext, ns, name string, to any) error {
	text, err := c.netFact(ns, name)
	if err != nil || strings.TrimSpace(text) == "" {
		return err
	}
	if err := json.Unmarshal([]byte(text), to); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// asked evaluates an expression that gives a list of lists.
func asked(c *subjectContext, args []string, expression string) ([][]any, answer, error) {
	var rows [][]any
	a, err := evaluate(c, &rows, append(slices.Clone(args), expression)...)
	return rows, a, err
}

// sameRows compares rows, one line each, in any order.
func sameRows(a answer, have, want []string) error {
	slices.Sort(have)
	slices.Sort(want)
	if slices.Equal(have, want) {
		return nil
	}
	var lines []string
	for _, h := range have {
		if !slices.Contains(want, h) {
			lines = append(lines, "  kinspect: "+h)
		}
	}
	for _, w := range want {
		if !slices.Contains(have, w) {
			lines = append(lines, "  guest:    "+w)
		}
	}
	if len(lines) == 0 {
		lines = []string{fmt.Sprintf("  %d rows, the guest has %d", len(have), len(want))}
	}
	return a.fail("the guest says something else:\n%s", strings.Join(lines, "\n"))
}

// line is one row.
func line(parts ...any) string {
	text := fmt.Sprintln(parts...)
	return strings.TrimSuffix(text, "\n")
}

func lines(rows [][]any) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = line(r...)
	}
	return out
}

// or is a value, or another one instead of nil.
func or(x, other any) any {
	if x == nil {
		return other
	}
	return x
}

// An addrLink is one device of `ip -j -d addr`.
type addrLink struct {
	Index    int      `json:"ifindex"`
	Name     string   `json:"ifname"`
	Flags    []string `json:"flags"`
	MTU      int      `json:"mtu"`
	State    string   `json:"operstate"`
	Address  string   `json:"address"`
	TxQueues int      `json:"num_tx_queues"`
	RxQueues int      `json:"num_rx_queues"`
	Info     struct {
		Kind string `json:"info_kind"`
	} `json:"linkinfo"`
	Raw []map[string]any `json:"addr_info"`
	XDP struct {
		Mode int `json:"mode"`
		Prog struct {
			ID  int    `json:"id"`
			Tag string `json:"tag"`
		} `json:"prog"`
	} `json:"xdp"`
}

func checkLinks(c *subjectContext, ns string, args []string) error {
	var list []addrLink
	if err := netJSON(c, ns, "addr.json", &list); err != nil {
		return err
	}
	rows, a, err := asked(c, args, "netdevs() | map(netdev_info(#)) | map([.ifindex, .name, .flags, .mtu, .operstate, .address, .kind, .programs | filter(.hook == 'xdp') | map([.id, .tag])])")
	if err != nil {
		return err
	}
	var want []string
	for _, l := range list {
		xdp := "[]"
		if l.XDP.Prog.ID != 0 {
			xdp = fmt.Sprintf("[[%d %s]]", l.XDP.Prog.ID, l.XDP.Prog.Tag)
		}
		// What ip calls M-DOWN is another device's: the other end of a veth that is down.
		flags := slices.DeleteFunc(l.Flags, func(f string) bool { return f == "M-DOWN" })
		want = append(want, line(l.Index, l.Name, flags, l.MTU, l.State, l.Address, l.Info.Kind, xdp))
	}
	for _, r := range rows {
		r[5], r[6] = or(r[5], ""), or(r[6], "")
	}
	return sameRows(a, lines(rows), want)
}

// addressWords are the flags that `ip -j addr` has as members.
var addressWords = []string{
	"secondary", "temporary", "nodad", "optimistic", "dadfailed", "home", "deprecated", "tentative",
	"mngtmpaddr", "noprefixroute", "autojoin", "stable-privacy",
}

func checkAddresses(c *subjectContext, ns string, args []string) error {
	var list []addrLink
	if err := netJSON(c, ns, "addr.json", &list); err != nil {
		return err
	}
	rows, a, err := asked(c, args, "ip_addresses() | map([.device, .family, .address, .prefix, .scope, .peer, .broadcast, .label, .flags])")
	if err != nil {
		return err
	}
	var have, want []string
	for _, r := range rows {
		flags := r[8].([]any)
		// ip says "dynamic" of those that are not permanent.
		flags = slices.DeleteFunc(flags, func(f any) bool { return f == "permanent" })
		have = append(have, line(append(r[:8:8], flags)...))
	}
	for _, l := range list {
		for _, i := range l.Raw {
			flags := []string{}
			for _, w := range addressWords {
				if i[w] == true {
					flags = append(flags, w)
				}
			}
			want = append(want, line(l.Name, i["family"], i["local"], i["prefixlen"], i["scope"], i["address"], i["broadcast"], i["label"], flags))
		}
	}
	return sameRows(a, have, want)
}

func checkNeighbours(c *subjectContext, ns string, args []string) error {
	var list []struct {
		Dst    string   `json:"dst"`
		Dev    string   `json:"dev"`
		LLAddr string   `json:"lladdr"`
		State  []string `json:"state"`
	}
	if err := netJSON(c, ns, "neigh.json", &list); err != nil {
		return err
	}
	rows, a, err := asked(c, args, "neighbours() | map([.device, .address, .lladdr, .state])")
	if err != nil {
		return err
	}
	var want []string
	for _, n := range list {
		want = append(want, line(n.Dev, n.Dst, n.LLAddr, strings.Join(n.State, ",")))
	}
	for _, r := range rows {
		r[2] = or(r[2], "")
	}
	return sameRows(a, lines(rows), want)
}

func checkMulticast(c *subjectContext, ns string, args []string) error {
	var list []struct {
		Name  string           `json:"ifname"`
		Addrs []map[string]any `json:"maddr"`
	}
	if err := netJSON(c, ns, "maddr.json", &list); err != nil {
		return err
	}
	rows, a, err := asked(c, args, "netdevs() | map([.name, netdev_addrs(#).multicast])")
	if err != nil {
		return err
	}
	var have, want []string
	for _, r := range rows {
		for _, m := range r[1].([]any) {
			have = append(have, line(r[0], m))
		}
	}
	for _, l := range list {
		for _, m := range l.Addrs {
			if m["link"] != nil {
				want = append(want, line(l.Name, m["link"]))
			}
		}
	}
	return sameRows(a, have, want)
}

func checkQdiscs(c *subjectContext, ns string, args []string) error {
	var list []map[string]any
	if err := netJSON(c, ns, "qdisc.json", &list); err != nil {
		return err
	}
	rows, a, err := asked(c, args, "qdiscs() | map([.device, .kind, .handle, .root, .parent, .bytes, .packets, .drops, .overlimits, .requeues, .backlog, .qlen])")
	if err != nil {
		return err
	}
	var want []string
	for _, q := range list {
		row := []any{q["dev"], q["kind"], q["handle"], or(q["root"], false), q["parent"]}
		for _, m := range []string{"bytes", "packets", "drops", "overlimits", "requeues", "backlog", "qlen"} {
			row = append(row, q[m])
		}
		want = append(want, line(row...))
	}
	return sameRows(a, lines(rows), want)
}
