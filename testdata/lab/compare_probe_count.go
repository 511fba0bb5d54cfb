package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// countChecks are those of `kinspect count` in the boot "probes".
var countChecks = []check{
	{name: "count", at: []string{probes}, run: checkCount},
	{name: "count-one", at: []string{probes}, run: checkCountOne},
	{name: "count-pattern", at: []string{probes}, run: checkCountPattern},
	{name: "count-by", at: []string{probes}, run: checkCountBy},
	{name: "count-tcp", at: []string{probes}, run: checkCountTCP},
	{name: "count-refused", at: []string{probes}, run: checkCountRefused},
}

// countLine is a line of `kinspect count --json`.
type countLine struct {
	Kind     string            `json:"kind"`
	Name     string            `json:"name"`
	Module   string            `json:"module"`
	Role     string            `json:"role"`
	Count    uint64            `json:"count"`
	Rate     float64           `json:"rate"`
	CPUs     map[string]uint64 `json:"cpus"`
	Attached string            `json:"attached"`
	Calls    uint64            `json:"calls"`
	Unsplit  uint64            `json:"unsplit"`
	Nested   *uint64           `json:"nested"`
	Seconds  float64           `json:"seconds"`
	Finding  bool              `json:"finding"`
	Sure     string            `json:"sure"`
	Text     string            `json:"text"`
	By       struct {
		Value any    `json:"value"`
		Expr  string `json:"expr"`
		Error string `json:"error"`
	} `json:"by"`
}

// counted is a whole run.
type counted struct {
	answer
	lines []countLine
	end   countLine
}

// of is how often a function ran, or what a compiler made of it.
func (c *counted) of(name string) (n uint64, found bool) {
	for _, l := range c.lines {
		if bare, _, _ := strings.Cut(l.Name, "."); l.Kind == "function" && (l.Name == name || bare == name) {
			n += l.Count
			found = true
		}
	}
	return n, found
}

// sums makes sure that the parts make up the whole.
func (c *counted) sums() error {
	all := uint64(0)
	for _, l := range c.lines {
		if l.Kind != "function" {
			continue
		}
		sum := uint64(0)
		for _, n := range l.CPUs {
			sum += n
		}
		if all += l.Count; sum != l.Count || l.Count > 0 && l.Rate <= 0 {
			return c.fail("%s: %d calls, %d on its CPUs, %f a second", l.Name, l.Count, sum, l.Rate)
		}
	}
	if all != c.end.Calls {
		return c.fail("%d calls of %d", all, c.end.Calls)
	}
	return nil
}

// count runs one, and a script once it is attached. Calls from an interrupt that came while another one was counted are not
// counted, and told: that is rare, and the run is made again.
func count(c *subjectContext, args, script string) (out *counted, err error) {
	for range 3 {
		if out, err = countOnce(c, args, script); err != nil || out.end.Nested == nil || *out.end.Nested == 0 {
			return out, err
		}
	}
	return out, out.fail("%d nested calls, three times", *out.end.Nested)
}

func countOnce(c *subjectContext, args, script string) (*counted, error) {
	a, err := probe(c, "--json count "+args, watchingDrops, script)
	out := &counted{answer: a}
	if err != nil {
		return out, err
	}
	for text := range strings.Lines(a.stdout) {
		var l countLine
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			return out, a.fail("stdout is not lines of JSON: %v", err)
		}
		out.lines = append(out.lines, l)
	}
	if len(out.lines) == 0 || out.lines[len(out.lines)-1].Kind != "summary" {
		return out, a.fail("there is no summary")
	}
	out.end, out.lines = out.lines[len(out.lines)-1], out.lines[:len(out.lines)-1]
	if err := out.sums(); err != nil {
		return out, err
	}
	return out, a.sane()
}

// checkCount counts several functions at once: what the switch sends passes bond_handle_frame, one call a frame. What
// never runs has 0.
func checkCount(c *subjectContext) error {
	r, err := count(c, "bond_handle_frame icmp_rcv tcp_retransmit_skb bonding:bond_enslave", stpFrames("veth0p", 37)+"\n"+stpFrames("veth1p", 5)+
		"\nping -c 9 -i 0.2 -q 127.0.0.1")
	if err != nil {
		return err
	}
	// Debian's 6.1 is built without it.
	fprobe, err := c.subject.(liveSubject).shell("grep -q ' register_fprobe_ips' /proc/kallsyms")
	if err != nil {
		return err
	}
	want := "kprobe"
	if fprobe.exit == 0 {
		want = "kprobe.multi"
	}
	frames, _ := r.of("bond_handle_frame")
	echoes, _ := r.of("icmp_rcv")
	retransmits, has := r.of("tcp_retransmit_skb")
	_, enslaves := r.of("bond_enslave")
	if r.exit != 0 || frames != 42 || echoes != 18 || retransmits != 0 || !has || !enslaves || r.end.Attached != want {
		return r.fail("exit %d, by %s: %d frames, want 42; %d of ICMP, want 18; %d retransmits", r.exit, r.end.Attached, frames, echoes, retransmits)
	}
	return nil
}

// checkCountOne counts one function, and reads what people read.
func checkCountOne(c *subjectContext) error {
	r, err := count(c, "icmp_rcv", "ping -c 5 -i 0.2 -q 127.0.0.1")
	if err != nil {
		return err
	}
	if n, _ := r.of("icmp_rcv"); n != 10 || r.end.Attached != "fentry" {
		return r.fail("%d calls by %s, want 10 by fentry", n, r.end.Attached)
	}
	a, err := probe(c, "count icmp_rcv tcp_retransmit_skb", watchingDrops, "ping -c 5 -i 0.2 -q 127.0.0.1")
	if err != nil {
		return err
	}
	lines := strings.Split(a.stdout, "\n")
	if len(lines) < 4 || !strings.HasPrefix(lines[0], "FUNCTION") || !slices.Equal(strings.Fields(lines[1])[:2], []string{"icmp_rcv", "10"}) ||
		!slices.Equal(strings.Fields(lines[2])[:2], []string{"tcp_retransmit_skb", "0"}) || !strings.Contains(lines[3], "2 functions in ") {
		return a.fail("this is no table")
	}
	a, err = c.subject.(liveSubject).shell(bounded + "count icmp_rcv --for 1s")
	if err != nil {
		return err
	}
	seconds := 0.0
	if _, after, ok := strings.Cut(a.stdout, "1 function in "); ok {
		_, _ = fmt.Sscan(after, &seconds)
	}
	if a.command = "count --for 1s"; a.exit != 0 || seconds < 1 {
		return a.fail("exit %d, or no summary", a.exit)
	}
	return nil
}

// checkCountPattern counts what a pattern matches, and says how many.
func checkCountPattern(c *subjectContext) error {
	r, err := count(c, "'icmp_*' 'bonding:bond_handle_fram?'", "ping -c 4 -i 0.2 -q 127.0.0.1\n"+stpFrames("veth0p", 3))
	if err != nil {
		return err
	}
	echoes, _ := r.of("icmp_rcv")
	frames, _ := r.of("bond_handle_frame")
	if echoes != 8 || frames != 3 || !strings.Contains(r.stderr, "icmp_* matches ") {
		return r.fail("%d of ICMP, want 8; %d frames, want 3", echoes, frames)
	}
	many, err := c.subject.(liveSubject).shell(bounded + "count '*'")
	if err != nil {
		return err
	}
	if many.command = "count '*'"; many.exit != 2 || !strings.Contains(many.stderr, "is the limit") {
		return many.fail("exit %d, want 2", many.exit)
	}
	return nil
}

// checkCountBy splits by a value: devices by their names, peers by their addresses.
func checkCountBy(c *subjectContext) error {
	byDevice := bondFrame(c) + "->dev->name"
	r, err := count(c, "bond_handle_frame --by '"+byDevice+"'", stpFrames("veth0p", 13)+"\n"+stpFrames("veth1p", 4))
	if err != nil {
		return err
	}
	want := map[string]uint64{"veth0": 13, "veth1": 4}
	values := 0
	for _, l := range r.lines {
		if l.Kind == "value" {
			if values++; want[fmt.Sprint(l.By.Value)] != l.Count {
				return r.fail("%v has %d, want %d", l.By.Value, l.Count, want[fmt.Sprint(l.By.Value)])
			}
		}
	}
	if values != 2 || r.end.Unsplit != 0 {
		return r.fail("%d values, want 2", values)
	}
	// Several functions, and a value that is a number.
	r, err = count(c, "icmp_echo icmp_unreach --by 'skb->len'", "ping -c 3 -i 0.2 -q 127.0.0.1\nping -c 2 -i 0.2 -q -s 100 127.0.0.1")
	if err != nil {
		return err
	}
	total := uint64(0)
	for _, l := range r.lines {
		if l.Kind == "value" && l.By.Error == "" {
			total += l.Count
		}
	}
	if n, _ := r.of("icmp_echo"); n != 5 || total != 5 {
		return r.fail("%d calls, %d by length, want 5", n, total)
	}
	// Where memory cannot be read that is told.
	r, err = count(c, "icmp_echo --by '*(int *)((u64)skb->len)'", "ping -c 3 -i 0.2 -q 127.0.0.1")
	if err != nil {
		return err
	}
	if len(r.lines) != 2 || r.lines[1].By.Error == "" || r.lines[1].Count != 3 {
		return r.fail("unexpected: %+v", r.lines)
	}
	return nil
}

// reading is one of a preset's.
func (c *counted) reading(name string) countLine {
	for _, l := range c.lines {
		if l.Kind == "reading" && l.Name == name {
			return l
		}
	}
	return countLine{}
}

// role is how often the functions of a role ran.
func (c *counted) role(name string) (n uint64) {
	for _, l := range c.lines {
		if l.Kind == "function" && l.Role == name {
			n += l.Count
		}
	}
	return n
}

// retransSegs notes what the kernel itself counts of retransmits.
const retransSegs = "awk '/^Tcp:/ && $13 ~ /^[0-9]/ {print \"retransmits \" $13}' /proc/net/snmp >>/tmp/retransmits"

// nobody connects for some seconds to a host that is not there, though the switch would know the way to it.
func nobody(seconds int) string {
	return fmt.Sprintf(`ip addr add 198.51.100.1/24 dev veth0p
ip neigh replace 198.51.100.7 lladdr 02:00:00:00:00:99 nud permanent dev veth0p
timeout %d nc 198.51.100.7 9 </dev/null
ip neigh del 198.51.100.7 dev veth0p
ip addr del 198.51.100.1/24 dev veth0p`, seconds)
}

// unanswered is a SYN from a host that is not there, whose answer is sent again and again for some seconds.
func unanswered(seconds int) string {
	return fmt.Sprintf(`ip addr add 198.51.100.1/24 dev veth0p
ip neigh replace 198.51.100.7 lladdr 02:00:00:00:00:99 nud permanent dev veth0p
nc -l -p 7002 </dev/null &
listener=$!
sleep 0.5
guest syn 198.51.100.7 198.51.100.1 7002
sleep %d
kill $listener
ip neigh del 198.51.100.7 dev veth0p
ip addr del 198.51.100.1/24 dev veth0p`, seconds)
}

// countRetransmits counts with the preset while a script runs, and by how much the kernel's own counter moved.
func countRetransmits(c *subjectContext, script string) (r *counted, moved uint64, err error) {
	r, err = count(c, "--preset tcp", "rm -f /tmp/retransmits\n"+retransSegs+"\n"+script+"\n"+retransSegs+"\ncat /tmp/retransmits >&2")
	if err != nil {
		return r, 0, err
	}
	var counters []uint64
	for text := range strings.Lines(r.stderr) {
		var n uint64
		if _, err := fmt.Sscanf(text, "retransmits %d", &n); err == nil {
			counters = append(counters, n)
		}
	}
	if len(counters) != 2 {
		return r, 0, r.fail("the kernel's counter was read %d times, want 2", len(counters))
	}
	return r, counters[1] - counters[0], nil
}

// countTransfer counts a transfer on loopback. Nothing is lost there, but a guest that stood still for a moment sends a segment
// again: where the kernel's own counter says that it did, the run is made again.
func countTransfer(c *subjectContext, writes int) (r *counted, err error) {
	for range 3 {
		var moved uint64
		if r, moved, err = countRetransmits(c, fmt.Sprintf("guest transfer %d", writes)); err != nil {
			return r, err
		}
		if again := r.role("retransmits"); again != moved {
			return r, r.fail("%d retransmits; the kernel counts %d", again, moved)
		}
		if moved == 0 {
			return r, nil
		}
	}
	return r, r.fail("retransmits on loopback, three times")
}

// checkCountTCP counts a transfer on loopback, of which nothing is lost, and then a connection to where nobody answers. The last
// answers to a connection that has ended are not sent by the functions that send the others.
func checkCountTCP(c *subjectContext) error {
	r, err := countTransfer(c, 150)
	if err != nil {
		return err
	}
	sends := r.role("send calls")
	out, in, from, up := r.role("segments sent"), r.role("segments received"), r.role("frames from drivers"), r.role("frames in the stack")
	if r.exit != 0 || sends != 150 || r.role("retransmits") != 0 || r.role("receive calls") < 2 || out < 6 || in < out || in > out+3 || from < in || up != from {
		return r.fail("exit %d, %d sends, want 150; %d segments sent, %d received; %d frames handed over, %d taken up", r.exit, sends, out, in, from, up)
	}
	for _, l := range r.lines {
		if l.Kind == "reading" && (l.Finding || l.Sure != "certain" || l.Text == "") {
			return r.fail("unexpected: %+v", l)
		}
	}
	if !strings.Contains(r.reading("retransmits").Text, "retransmitted nothing") {
		return r.fail("unexpected: %+v", r.reading("retransmits"))
	}
	r, counters, err := countRetransmits(c, nobody(5))
	if err != nil {
		return err
	}
	again, sent := r.role("retransmits"), r.role("segments sent")
	if again < 2 || counters != again || sent != again+1 || r.role("segments received") != 0 {
		return r.fail("%d retransmits of %d segments; the kernel counts %d", again, sent, counters)
	}
	if l := r.reading("answers"); r.exit != 1 || !l.Finding || l.Sure != "likely" || !strings.Contains(l.Text, "the path or the peer does not answer") {
		return r.fail("exit %d, unexpected: %+v", r.exit, l)
	}
	// Nor are its own answers to a SYN: they are sent and sent again by functions of their own.
	r, counters, err = countRetransmits(c, unanswered(4))
	if err != nil {
		return err
	}
	again, sent = r.role("retransmits"), r.role("segments sent")
	if again < 2 || counters != again || sent != again+1 || r.role("segments received") != 1 {
		return r.fail("%d retransmits of %d segments; the kernel counts %d", again, sent, counters)
	}
	// Which peer it is.
	r, err = count(c, "tcp_retransmit_skb --by 'sk->__sk_common.skc_daddr'", nobody(3))
	if err != nil {
		return err
	}
	const peer = 198<<24 | 51<<16 | 100<<8 | 7
	host := 0.0
	if len(r.lines) == 2 {
		order, _ := r.lines[1].By.Value.(map[string]any)
		host, _ = order["host"].(float64)
	}
	if host != peer || r.lines[0].Count == 0 || r.lines[1].Kind != "value" || r.lines[1].Count != r.lines[0].Count {
		return r.fail("unexpected: %+v", r.lines)
	}
	return nil
}

// checkCountRefused says what cannot be counted before it does anything.
func checkCountRefused(c *subjectContext) error {
	for _, want := range []struct{ args, text string }{
		{"tcp_sendmsgg", "did you mean tcp_sendmsg"},
		{"tcp_sendmsg 'nosuch_*'", "no function matches"},
		{"exc_page_fault", "cannot be probed"},
		{"nosuch:tcp_sendmsg", "no module"},
		{"tcp_sendmsg --by 'sk->nothing'", `no member "nothing"`},
		{"tcp_sendmsg --by 5", "the same at each call"},
		{"tcp_sendmsg icmp_rcv --by size", "are called with the same"},
		{"--preset udp", "there is no preset"},
	} {
		a, err := c.subject.(liveSubject).shell(bounded + "count " + want.args)
		if err != nil {
			return err
		}
		if a.command = "kinspect count " + want.args; a.exit != 2 || !strings.Contains(a.stderr, want.text) {
			return a.fail("exit %d, want 2 and %q", a.exit, want.text)
		}
	}
	return nil
}
