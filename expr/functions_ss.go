package expr

import (
	"fmt"
	"strconv"
	"strings"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

var ssFunctions = []Function{
	{
		Name: "ss", Signature: "ss([KIND or [KIND, …][, NETNS]])", Topic: topicNet,
		Doc:      "a table of sockets as `ss` prints it: without a kind, those of TCP and UDP that listen (`ss -tulnp`), else all of the kind; see sockets()",
		Examples: []string{"ss()", "ss('netlink')"},
		MaxArgs:  2, Args: []ArgKind{WordArg, NetNSArg}, Words: socketWords,
		Call: callSS, Slow: true,
	},
	{
		Name: "socket_summary", Signature: "socket_summary([NETNS])", Topic: topicNet,
		Doc:      "how many sockets a namespace has, as `ss -s` prints it (net.core.prot_inuse, the tables of TCP, UDP and raw sockets)",
		Examples: []string{"socket_summary()"},
		MaxArgs:  1, Args: []ArgKind{NetNSArg},
		Call: callSocketSummary, Slow: true,
	},
}

// socketTable prints sockets in columns; in JSON it is a list of them.
type socketTable struct {
	rows  []*Record
	text  [][]string
	fault error // what could not be read
}

func callSS(c *Call) (any, error) {
	s := c.Session
	listening := c.Arg(0) == nil
	kinds := []string{"udp", "tcp"}
	var err error
	if !listening {
		if kinds, err = socketKinds(c, 0); err != nil {
			return nil, err
		}
	}
	nss, err := s.netnss(c.Arg(1))
	if err != nil {
		return nil, err
	}
	t := &socketTable{}
	o := &owners{s: s}
	var unowned error
	err = s.eachSocket(kinds, nss, o, func(k knet.Socket) error {
		if listening && !k.Listens() {
			return nil
		}
		who, err := o.of(k.Addr())
		if err != nil {
			unowned = err
		}
		owners, _ := who.([]any)
		t.rows = append(t.rows, socketRecord(s, k, o))
		t.text = append(t.text, socketRow(k, owners))
		return c.Grow(1)
	})
	for _, e := range []error{err, unowned} {
		if e != nil && !value.IsFault(e) {
			return nil, e
		}
		if t.fault == nil {
			t.fault = e
		}
	}
	return t, nil
}

// ssStates are the states as `ss` writes them.
var ssStates = map[string]string{
	"ESTABLISHED": "ESTAB", "SYN_SENT": "SYN-SENT", "SYN_RECV": "SYN-RECV", "FIN_WAIT1": "FIN-WAIT-1",
	"FIN_WAIT2": "FIN-WAIT-2", "TIME_WAIT": "TIME-WAIT", "CLOSE": "UNCONN", "CLOSE_WAIT": "CLOSE-WAIT", "LAST_ACK": "LAST-ACK",
}

func socketRow(k knet.Socket, owners []any) []string {
	kind := k.Kind
	switch {
	case k.Unix != nil:
		kind = map[string]string{"stream": "u_str", "dgram": "u_dgr", "seqpacket": "u_seq"}[k.TypeName()]
	case k.Packet != nil:
		kind = map[string]string{"raw": "p_raw", "dgram": "p_dgr"}[k.TypeName()]
	case k.Netlink != nil:
		kind = "nl"
	case k.Kind == otherSockets:
		kind = k.FamilyName()
	}
	if kind == "" {
		kind = k.Kind
	}
	state := k.State
	if name, ok := ssStates[state]; ok {
		state = name
	}
	local, remote := socketEnds(k)
	users := make([]string, len(owners))
	for i, w := range owners {
		m := w.(map[string]any)
		users[i] = fmt.Sprintf("(%s,pid=%v,fd=%v)", value.Quote(fmt.Sprint(m["comm"])), m["pid"], m["fd"])
	}
	who := ""
	if len(users) > 0 {
		who = "users:(" + strings.Join(users, ",") + ")"
	}
	drops := ""
	if n := k.Drops; n > 0 {
		drops = strconv.FormatUint(n, 10)
	}
	return []string{
		kind, state, strconv.FormatUint(k.RxQueue, 10), strconv.FormatUint(k.TxQueue, 10), drops,
		value.Printable(local), value.Printable(remote), who,
	}
}

// socketEnds are the two columns of addresses.
func socketEnds(k knet.Socket) (local, remote string) {
	on := ""
	if k.Device != "" {
		on = "%" + k.Device
	}
	switch {
	case k.Unix != nil:
		name, ok := unixName(k.Unix.Path).(string)
		if !ok {
			name = "*"
		}
		return fmt.Sprintf("%s %d", name, k.Inode), fmt.Sprintf("* %d", k.Unix.PeerInode)
	case k.Netlink != nil:
		return k.ProtocolName() + ":" + strconv.FormatUint(k.Netlink.PortID, 10), "*"
	case k.Packet != nil:
		if k.Device == "" {
			on = "*"
		}
		return k.Packet.Type.String() + ":" + strings.TrimPrefix(on, "%"), "*"
	case !k.Local.Addr.IsValid():
		return "*", "*"
	}
	port := strconv.Itoa(int(k.Local.Port))
	if k.Kind == "raw" {
		port = k.ProtocolName()
	}
	return endText(k, k.Local, on, port), endText(k, k.Remote, "", strconv.Itoa(int(k.Remote.Port)))
}

// endText is one end. Any address of IPv6 is *, as `ss` has it, where IPv4 comes in, too.
func endText(k knet.Socket, e knet.Endpoint, on, port string) string {
	a := e.Addr.String()
	switch {
	case e.Addr.Is4():
	case e.Addr.IsUnspecified() && !k.V6Only:
		a = "*"
	default:
		a = "[" + a + "]"
	}
	if port == "0" {
		port = "*"
	}
	return a + on + ":" + port
}

// Text implements [Printer].
func (t *socketTable) Text(value.Format) (string, error) {
	head := []string{"Netid", "State", "Recv-Q", "Send-Q", "Drops", "Local Address:Port", "Peer Address:Port", "Process"}
	return columns(append([][]string{head}, t.text...)), t.fault
}

// columns lines up the cells of rows.
func columns(rows [][]string) string {
	var width []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	for i, row := range rows {
		if i > 0 {
			b.WriteByte('\n')
		}
		line := ""
		for j, cell := range row {
			line += cell + strings.Repeat(" ", width[j]-len([]rune(cell))+2)
		}
		b.WriteString(strings.TrimRight(line, " "))
	}
	return b.String()
}

// JSON implements [Printer].
func (t *socketTable) JSON() (any, error) {
	out := make([]any, len(t.rows))
	first := t.fault
	for i, r := range t.rows {
		j, err := r.JSON()
		if err != nil && first == nil {
			first = err
		}
		out[i] = j
	}
	return out, first
}

// socketSummary is what `ss -s` prints.
type socketSummary struct{ knet.SocketSummary }

func callSocketSummary(c *Call) (any, error) {
	ns, err := c.Session.netns(c.Arg(0))
	if err != nil {
		return nil, err
	}
	sum, err := c.Session.stack.SocketSummary(ns)
	return socketSummary{sum}, err
}

// Text implements [Printer].
func (m socketSummary) Text(value.Format) (string, error) {
	t := m.TCP
	head := fmt.Sprintf("Total: %d\nTCP:   %d (estab %d, closed %d, orphaned %d, timewait %d)\n\n",
		m.Used, t.Allocated+t.TimeWait, t.Established, t.Closed(), t.Orphaned, t.TimeWait)
	rows := [][]string{{"Transport", "Total", "IP", "IPv6"}}
	inet := [2]uint64{}
	for _, r := range []struct {
		name string
		n    [2]uint64
	}{{"RAW", m.Raw}, {"UDP", m.UDP}, {"TCP", t.Hashed}} {
		rows = append(rows, summaryRow(r.name, r.n))
		inet[0] += r.n[0]
		inet[1] += r.n[1]
	}
	return head + columns(append(rows, summaryRow("INET", inet))), nil
}

func summaryRow(name string, n [2]uint64) []string {
	return []string{name, fmt.Sprint(n[0] + n[1]), fmt.Sprint(n[0]), fmt.Sprint(n[1])}
}

// JSON implements [Printer].
func (m socketSummary) JSON() (any, error) {
	pair := func(n [2]uint64) map[string]any { return map[string]any{"inet": n[0], "inet6": n[1]} }
	return map[string]any{
		"used": m.Used,
		"tcp": map[string]any{
			"allocated": m.TCP.Allocated, "established": m.TCP.Established, "closed": m.TCP.Closed(), "orphaned": m.TCP.Orphaned,
			"timewait": m.TCP.TimeWait, "requests": m.TCP.Requests, "listening": m.TCP.Listening, "hashed": pair(m.TCP.Hashed),
		},
		"udp": pair(m.UDP), "raw": pair(m.Raw),
	}, nil
}
