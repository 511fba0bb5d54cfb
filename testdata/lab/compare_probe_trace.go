package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// traceChecks are those of `kinspect trace` in the boot "probes".
var traceChecks = []check{
	{name: "trace-bond", at: []string{probes}, run: checkTraceBond},
	{name: "trace-if", at: []string{probes}, run: checkTraceIf},
	{name: "trace-tracepoint", at: []string{probes}, run: checkTraceTracepoint},
	{name: "trace-text", at: []string{probes}, run: checkTraceText},
	{name: "trace-values", at: []string{probes}, run: checkTraceValues},
	{name: "trace-count", at: []string{probes}, run: checkTraceCount},
	{name: "trace-hist", at: []string{probes}, run: checkTraceHist},
	{name: "trace-fault", at: []string{probes}, run: checkTraceFault},
	{name: "trace-flood", at: []string{probes}, run: checkTraceFlood},
	{name: "trace-refused", at: []string{probes}, run: checkTraceRefused},
}

// traceLine is a line of `kinspect trace --json`.
type traceLine struct {
	Kind    string   `json:"kind"`
	At      string   `json:"at"`
	Name    string   `json:"name"`
	Module  string   `json:"module"`
	Took    *int64   `json:"took_ns"`
	PID     int      `json:"pid"`
	Stack   []string `json:"stack"`
	From    uint64   `json:"from"`
	To      uint64   `json:"to"`
	Count   uint64   `json:"count"`
	Calls   uint64   `json:"calls"`
	Matched uint64   `json:"matched"`
	Unknown uint64   `json:"unknown"`
	Faults  uint64   `json:"faults"`
	Lost    uint64   `json:"lost"`
	Nested  uint64   `json:"nested"` // null counts as 0
	// Unreturned are calls whose return was not seen.
	Unreturned uint64 `json:"unreturned"`
	Events     uint64 `json:"events"`
	Left       bool   `json:"left"`
	Values     []struct {
		Expr  string `json:"expr"`
		Value any    `json:"value"`
		Type  string `json:"type"`
		Error string `json:"error"`
	} `json:"values"`
}

// value is what an expression was, as text.
func (l traceLine) value(expr string) string {
	for _, v := range l.Values {
		if v.Expr == expr {
			if v.Error != "" {
				return "error: " + v.Error
			}
			return fmt.Sprint(v.Value)
		}
	}
	return "nothing"
}

// trace runs one, and a script once it is attached.
func trace(c *subjectContext, args, script string) (lines []traceLine, end traceLine, a answer, err error) {
	a, err = probe(c, "--json trace "+args, "tracing ", script)
	if err != nil {
		return nil, end, a, err
	}
	for text := range strings.Lines(a.stdout) {
		var l traceLine
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			return nil, end, a, a.fail("stdout is not lines of JSON: %v", err)
		}
		lines = append(lines, l)
	}
	if len(lines) == 0 || lines[len(lines)-1].Kind != "summary" {
		return nil, end, a, a.fail("there is no summary")
	}
	end, lines = lines[len(lines)-1], lines[:len(lines)-1]
	switch {
	case a.exit != 0:
		return nil, end, a, a.fail("exit %d", a.exit)
	case end.Lost != 0 || end.Nested != 0:
		return nil, end, a, a.fail("%d events were lost, %d nested", end.Lost, end.Nested)
	}
	return lines, end, a, a.sane()
}

// bondFrame is the frame that bond_handle_frame is called with. 5.10's modules have no types, so that its argument has
// no name there.
func bondFrame(c *subjectContext) string {
	if c.kernel.series == bareModules {
		return "(*(struct sk_buff **)arg0)"
	}
	return "(*pskb)"
}

// checkTraceBond is the end of the incident's hunt, in one line: at the entry of bond_handle_frame the frame is the
// slave's, at its end the bond's, which it says with RX_HANDLER_ANOTHER; and it is of ethertype 4.
func checkTraceBond(c *subjectContext) error {
	name, protocol := bondFrame(c)+"->dev->name", "ntohs("+bondFrame(c)+"->protocol)"
	lines, end, a, err := trace(c, fmt.Sprintf("bond_handle_frame --ret --show '%s, %s, ret'", name, protocol), stpFrames("veth0p", 23))
	if err != nil {
		return err
	}
	entries, exits, another := 0, 0, "RX_HANDLER_ANOTHER"
	if c.kernel.series == bareModules {
		another = "1" // by a kprobe, without types
	}
	for _, l := range lines {
		if l.Module != "bonding" || l.Name != "bond_handle_frame" {
			return a.fail("an event of %s [%s]", l.Name, l.Module)
		}
		switch {
		case l.At == "entry" && l.value(name) == "veth0" && l.value(protocol) == "4" && l.value("ret") == "nothing":
			entries++
		case l.At == "exit" && l.value(name) == "bond0" && l.value(protocol) == "4" && l.value("ret") == another && l.Took != nil && *l.Took > 0:
			exits++
		case l.value(protocol) != "4" && l.At == "entry": // another frame, such as of IPv6
		case l.At == "exit" && l.value(protocol) != "4":
		default:
			return a.fail("unexpected: %+v", l)
		}
	}
	if entries != 23 || exits != 23 || end.Unreturned != 0 {
		return a.fail("%d entries and %d exits with 802.2, want 23 (%d calls)", entries, exits, end.Calls)
	}
	// Of the returns alone, chosen by what is returned.
	name = bondFrame(c) + "->dev->name"
	lines, end, a, err = trace(c, fmt.Sprintf("bond_handle_frame --ret --if 'ret == %s && %s->protocol == htons(4)' --show '%s'", another, bondFrame(c), name), stpFrames("veth0p", 9))
	if err != nil {
		return err
	}
	for _, l := range lines {
		if l.At != "exit" || l.value(name) != "bond0" {
			return a.fail("unexpected: %+v", l)
		}
	}
	if len(lines) != 9 || end.Matched != 9 {
		return a.fail("%d returns, %d matched, want 9", len(lines), end.Matched)
	}
	return nil
}

// checkTraceIf chooses calls by their arguments: what one port sends, and not the other.
func checkTraceIf(c *subjectContext) error {
	dev := bondFrame(c) + "->dev"
	for _, cond := range []string{
		dev + "->name == \"veth0\"", dev + "->ifindex == netdev(\"veth0\").ifindex", dev + " == netdev(\"veth0\")", "!(" + dev + "->name != \"veth0\")",
	} {
		cond = "(" + cond + ") && ntohs(" + bondFrame(c) + "->protocol) == 4"
		lines, end, a, err := trace(c, "bond_handle_frame --if '"+cond+"'", stpFrames("veth0p", 7)+"\n"+stpFrames("veth1p", 5))
		if err != nil {
			return err
		}
		if len(lines) != 7 || end.Matched != 7 || end.Events != 7 || end.Calls < 12 || end.Unknown != 0 {
			return a.fail("%d events, %d of %d calls matched, want 7 of 12", len(lines), end.Matched, end.Calls)
		}
	}
	return nil
}

// checkTraceTracepoint is the hunt's first step: the frames that a device receives, and what takes them.
func checkTraceTracepoint(c *subjectContext) error {
	lines, end, a, err := trace(c, "tracepoint:netif_receive_skb --if 'skb->dev->name == \"veth0\" && skb->protocol == htons(4)' --show 'skb->dev->ifindex, skb->dev->rx_handler, skb->dev' --stack",
		stpFrames("veth0p", 11)+"\n"+stpFrames("veth1p", 2))
	if err != nil {
		return err
	}
	for _, l := range lines {
		if l.At != "tracepoint" || len(l.Stack) < 3 || !strings.Contains(strings.Join(l.Stack, " "), "__netif_receive_skb_core") && !strings.Contains(strings.Join(l.Stack, " "), "netif_receive") {
			return a.fail("the stack is %q", l.Stack)
		}
	}
	if len(lines) != 11 || end.Matched != 11 {
		return a.fail("%d events, %d matched, want 11", len(lines), end.Matched)
	}
	for _, v := range lines[0].Values {
		if v.Expr == "skb->dev->rx_handler" && v.Type != "rx_handler_func_t *" {
			return a.fail("rx_handler is %+v", v)
		}
	}
	return nil
}

// checkTraceText reads what people read, with SIGINT and its summary.
func checkTraceText(c *subjectContext) error {
	a, err := probe(c, "trace tracepoint:netif_receive_skb --if 'skb->dev->name == \"veth0\" && skb->protocol == htons(4)' --show 'skb->dev->name, skb->protocol, skb->dev->rx_handler'", "tracing ", stpFrames("veth0p", 3))
	if err != nil {
		return err
	}
	if n := strings.Count(a.stdout, `skb->dev->name = (char [16])"veth0", skb->protocol = (__be16)0x0004 (raw 0x0400), skb->dev->rx_handler = (rx_handler_func_t *)bond_handle_frame+0x0 [bonding] = 0x`); n != 3 {
		return a.fail("%d lines, want 3", n)
	}
	if a.exit != 0 || !strings.Contains(a.stdout, "of which 3 matched; 3 events") {
		return a.fail("exit %d, or no summary", a.exit)
	}
	return nil
}

// deviceValues are of a device, and stay as they are.
var deviceValues = []string{
	"name", "mtu", "flags", "ifindex", "type", "addr_len", "reg_state", "broadcast", "features", "rtnl_link_ops->kind", "dev.kobj.name", "rx_handler", "rtnl_link_ops->setup",
	"nd_net.net->ns.inum", "dev.kobj.kref.refcount.refs", "name[0]", "nd_net", "netdev_ops->ndo_open", "rtnl_link_ops->list", "mtu * 3 - 1", "flags & 8", "reg_state == NETREG_REGISTERED",
}

// checkTraceValues compares what a program in the kernel reads with what kinspect reads of the same in memory.
func checkTraceValues(c *subjectContext) error {
	var shows, evals []string
	for _, v := range deviceValues {
		shows = append(shows, "skb->dev->"+v)
		evals = append(evals, `"netdev('veth0')->`+v+`"`)
	}
	lines, _, a, err := trace(c, "tracepoint:netif_receive_skb --if 'skb->dev->name == \"veth0\"' --show '"+strings.Join(shows, ", ")+"' --count 1", stpFrames("veth0p", 3)+"\nsleep 1")
	if err != nil {
		return err
	}
	if len(lines) != 1 || len(lines[0].Values) != len(shows) {
		return a.fail("%d events, want one with %d values", len(lines), len(shows))
	}
	b, err := c.subject.(liveSubject).shell("kinspect --json eval " + strings.Join(evals, " "))
	if err != nil {
		return err
	}
	b.command = "kinspect --json eval " + strings.Join(evals, " ")
	want := strings.Split(strings.TrimSpace(b.stdout), "\n")
	if len(want) != len(shows) || b.exit != 0 {
		return b.fail("%d answers, want %d", len(want), len(shows))
	}
	for i, v := range lines[0].Values {
		var w struct {
			Value any    `json:"value"`
			Type  string `json:"type"`
		}
		if err := json.Unmarshal([]byte(want[i]), &w); err != nil {
			return b.fail("stdout is not lines of JSON: %v", err)
		}
		if fmt.Sprint(v.Value) != fmt.Sprint(w.Value) || v.Type != w.Type || v.Error != "" {
			return a.fail("%s is %v (%s) %s, and in memory %v (%s)", v.Expr, v.Value, v.Type, v.Error, w.Value, w.Type)
		}
	}
	return nil
}

// checkTraceCount ends by itself, after so many events, or some time.
func checkTraceCount(c *subjectContext) error {
	lines, end, a, err := trace(c, "tracepoint:netif_receive_skb --count 4", stpFrames("veth0p", 9)+"\nsleep 1")
	if err != nil {
		return err
	}
	if len(lines) != 4 || end.Events != 4 || !end.Left {
		return a.fail("%d events, want 4", len(lines))
	}
	_, _, _, err = trace(c, "tcp_sendmsg --for 1s", "sleep 3")
	return err
}

// checkTraceHist counts lengths in the kernel.
func checkTraceHist(c *subjectContext) error {
	lines, end, a, err := trace(c, "tracepoint:netif_receive_skb --if 'skb->protocol == htons(4)' --hist 'skb->len'", stpFrames("veth0p", 40)+"\n"+stpFrames("veth1p", 2))
	if err != nil {
		return err
	}
	sum := uint64(0)
	for _, l := range lines {
		if l.Kind != "bucket" || l.From > l.To {
			return a.fail("unexpected: %+v", l)
		}
		sum += l.Count
	}
	if sum != end.Matched || sum < 42 {
		return a.fail("%d values in buckets, %d matched, want 42 or more", sum, end.Matched)
	}
	return nil
}

// checkTraceFault reads where there is nothing: that is told, and is no zero.
func checkTraceFault(c *subjectContext) error {
	const bad = "((struct net_device *)8)->ifindex"
	lines, _, a, err := trace(c, "tracepoint:netif_receive_skb --if 'skb->protocol == htons(4)' --show '"+strings.Replace(bad, "8", "(u64)skb->len", 1)+", *(int *)0xffffdead00000000, skb->len / (skb->len - skb->len)'", stpFrames("veth1p", 3))
	if err != nil {
		return err
	}
	for _, l := range lines {
		if len(l.Values) != 3 || !strings.Contains(l.Values[0].Error, "NULL pointer") || !strings.Contains(l.Values[1].Error, "not mapped") || !strings.Contains(l.Values[2].Error, "division by zero") {
			return a.fail("unexpected: %+v", l)
		}
	}
	if len(lines) < 3 {
		return a.fail("%d events, want 3", len(lines))
	}
	lines, end, a, err := trace(c, "tracepoint:netif_receive_skb --if '*(int *)((u64)skb->len) == 0'", stpFrames("veth1p", 3))
	if err != nil {
		return err
	}
	if len(lines) != 0 || end.Unknown < 3 || end.Unknown != end.Calls {
		return a.fail("%d events, %d of %d calls unknown", len(lines), end.Unknown, end.Calls)
	}
	return nil
}

// checkTraceRefused says what cannot be done before it does anything.
func checkTraceRefused(c *subjectContext) error {
	for _, want := range []struct{ args, text string }{
		{"tcp_sendmsg --show 'sk->nothing'", `no member "nothing"`},
		{"tcp_sendmsg --show 'len(sk)'", "cannot be computed in the kernel"},
		{"tcp_sendmsg --if 'siz > 5'", "did you mean size?"},
		{"tcp_sendmsg --show ret", "--ret asks for that"},
		{"tcp_sendmsgg", "did you mean tcp_sendmsg"},
		{"tracepoint:kfree_skbb", "did you mean kfree_skb?"},
		{"tracepoint:kfree_skb --ret", "leave --ret out"},
		{"bond_handle_framee", "did you mean bond_handle_frame"},
		{"c_start", "functions called c_start"},          // cpuinfo's, and of /proc/crypto
		{"skb_headlen", "no function or tracepoint"},     // which is inlined
		{"exc_int3", "the kernel allows no probe there"}, // noinstr
	} {
		a, err := c.subject.(liveSubject).shell(bounded + "trace " + want.args)
		if err != nil {
			return err
		}
		if a.command = "kinspect trace " + want.args; a.exit != 2 || !strings.Contains(a.stderr, want.text) {
			return a.fail("exit %d, want 2 and %q", a.exit, want.text)
		}
	}
	return nil
}

// checkTraceFlood: of a flood each event is told, or counted as lost.
func checkTraceFlood(c *subjectContext) error {
	const frames = 20000
	a, err := c.subject.(liveSubject).shell(fmt.Sprintf(`set +e
rm -f /tmp/flood.err
kinspect --json trace tracepoint:netif_receive_skb --if 'skb->protocol == htons(4)' --show 'skb->len, skb->dev->name' >/tmp/flood.out 2>/tmp/flood.err &
probe=$!
for i in $(seq 600); do
	grep -q tracing /tmp/flood.err && break
	kill -0 $probe 2>/dev/null || break
	sleep 0.1
done
%s >/dev/null
kill -INT $probe
wait $probe
status=$?
grep -c '"kind":"event"' /tmp/flood.out
tail -n 1 /tmp/flood.out
cat /tmp/flood.err >&2
rm /tmp/flood.out
exit $status`, stpFrames("veth0p", frames)))
	if err != nil {
		return err
	}
	a.command = "kinspect --json trace, in a flood"
	first, last, _ := strings.Cut(a.stdout, "\n")
	var events uint64
	var end traceLine
	if _, err := fmt.Sscan(first, &events); err != nil {
		return a.fail("no count: %v", err)
	}
	if err := json.Unmarshal([]byte(last), &end); err != nil {
		return a.fail("no summary: %v", err)
	}
	// The bond makes each frame its own, which passes the tracepoint once.
	if end.Events != events || events+end.Lost != end.Matched || end.Matched+end.Nested < frames || (a.exit == 0) != (end.Lost == 0) {
		return a.fail("exit %d: %d events and %d lost of %d that matched, %d nested, want %d", a.exit, events, end.Lost, end.Matched, end.Nested, frames)
	}
	return nil
}
