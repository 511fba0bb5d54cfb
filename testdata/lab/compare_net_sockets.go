package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// procStates are the states in /proc/net/tcp and its like.
var procStates = map[string]string{
	"01": "ESTABLISHED", "02": "SYN_SENT", "03": "SYN_RECV", "04": "FIN_WAIT1", "05": "FIN_WAIT2", "06": "TIME_WAIT",
	"07": "CLOSE", "08": "CLOSE_WAIT", "09": "LAST_ACK", "0A": "LISTEN", "0B": "CLOSING",
}

// procEnd is an address and a port as procfs prints them: words in the machine's byte order.
func procEnd(text string) (string, error) {
	a, p, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(a)
	if err != nil || len(raw)%4 != 0 {
		return "", fmt.Errorf("%q is no address", text)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.LittleEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(raw)
	if !ok {
		return "", fmt.Errorf("%q is no address", text)
	}
	port, err := strconv.ParseUint(p, 16, 16)
	return fmt.Sprintf("%s %d", ip, port), err
}

// passing are the states that end by themselves: what is live may have left them since the fact.
func (c *subjectContext) passing(state any) bool {
	return c.live() && (state == "TIME_WAIT" || state == "SYN_RECV" || state == "TIME-WAIT" || state == "SYN-RECV")
}

// checkInetSockets compares the sockets of TCP, UDP, raw and ICMP with procfs: state, ends, queues, user,
// inode and drops.
func checkInetSockets(c *subjectContext, ns string, args []string) error {
	kinds := []string{"tcp", "udp", "raw", "icmp"}
	var want []string
	for _, file := range []string{"tcp", "tcp6", "udp", "udp6", "raw", "raw6", "icmp"} {
		text, err := c.netFact(ns, file)
		if err != nil {
			return err
		}
		kind := strings.TrimSuffix(file, "6")
		for i, l := range strings.Split(strings.TrimSpace(text), "\n") {
			if i == 0 {
				continue
			}
			row, err := procRow(strings.Fields(l), kind)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			if !c.passing(row[3]) {
				want = append(want, line(row...))
			}
		}
	}
	rows, a, err := asked(c, args, "sockets(['"+strings.Join(kinds, "', '")+
		"']) | map([.kind, .local, .local_port, .remote, .remote_port, .state, .rx_queue, .tx_queue, .uid, .inode, .drops])")
	if err != nil {
		return err
	}
	var have []string
	for _, r := range rows {
		if c.passing(r[5]) {
			continue
		}
		row := []any{r[0], line(r[1], r[2]), line(r[3], r[4]), r[5], r[6], r[7], r[8], r[9], r[10]}
		if r[5] == "LISTEN" {
			row[5] = 0 // procfs does not tell how many may wait
		}
		if r[0] == "tcp" {
			row[8] = 0 // nor TCP's drops
		}
		have = append(have, line(row...))
	}
	return sameRows(a, have, want)
}

func procRow(f []string, kind string) ([]any, error) {
	if len(f) < 12 {
		return nil, fmt.Errorf("cannot read the line %q", f)
	}
	local, err := procEnd(f[1])
	if err != nil {
		return nil, err
	}
	remote, err := procEnd(f[2])
	if err != nil {
		return nil, err
	}
	tx, rx, _ := strings.Cut(f[4], ":")
	txq, err := strconv.ParseUint(tx, 16, 64)
	if err != nil {
		return nil, err
	}
	rxq, err := strconv.ParseUint(rx, 16, 64)
	if err != nil {
		return nil, err
	}
	drops := "0"
	if kind != "tcp" {
		drops = f[12]
	}
	return []any{kind, local, remote, procStates[f[3]], rxq, txq, f[7], f[9], drops}, nil
}

// checkUnixSockets compares type, state, inode and name with /proc/net/unix.
func checkUnixSockets(c *subjectContext, ns string, args []string) error {
	text, err := c.netFact(ns, "unix")
	if err != nil {
		return err
	}
	var want []string
	for i, l := range strings.Split(strings.TrimSpace(text), "\n") {
		if i == 0 {
			continue
		}
		f := strings.SplitN(strings.Join(strings.Fields(l), " "), " ", 8)
		if len(f) < 7 {
			return fmt.Errorf("cannot read the line %q of /proc/net/unix", l)
		}
		typ := map[string]string{"0001": "stream", "0002": "dgram", "0005": "seqpacket"}[f[4]]
		state := map[string]string{"01": "CLOSE", "02": "ESTABLISHED", "03": "ESTABLISHED"}[f[5]]
		if f[3] == "00010000" { // SO_ACCEPTCON
			state = "LISTEN"
		}
		want = append(want, line(typ, state, f[6], strings.Join(f[7:], "")))
	}
	rows, a, err := asked(c, args, "sockets('unix') | map([.type, .state, .inode, .path])")
	if err != nil {
		return err
	}
	for _, r := range rows {
		r[3] = or(r[3], "")
	}
	return sameRows(a, lines(rows), want)
}

// checkPacketSockets compares what packet sockets listen to with /proc/net/packet.
func checkPacketSockets(c *subjectContext, ns string, args []string) error {
	text, err := c.netFact(ns, "packet")
	if err != nil {
		return err
	}
	var list []addrLink
	if err := netJSON(c, ns, "addr.json", &list); err != nil {
		return err
	}
	names := map[string]string{"0": ""}
	for _, l := range list {
		names[strconv.Itoa(l.Index)] = l.Name
	}
	var want []string
	for i, l := range strings.Split(strings.TrimSpace(text), "\n") {
		if f := strings.Fields(l); i > 0 {
			want = append(want, line("0x"+f[3], names[f[4]], f[5] == "1", f[2], f[6], f[7], f[8]))
		}
	}
	rows, a, err := asked(c, args, "sockets('packet') | map([.ethertype, .device, .running, .sk.sk_type, .rx_queue, .uid, .inode])")
	if err != nil {
		return err
	}
	for _, r := range rows {
		r[0], _, _ = strings.Cut(r[0].(string), " ")
		r[1] = or(r[1], "")
	}
	return sameRows(a, lines(rows), want)
}

// checkNetlinkSockets compares port, groups, queues and inode with /proc/net/netlink.
func checkNetlinkSockets(c *subjectContext, ns string, args []string) error {
	text, err := c.netFact(ns, "netlink")
	if err != nil {
		return err
	}
	var want []string
	for i, l := range strings.Split(strings.TrimSpace(text), "\n") {
		if f := strings.Fields(l); i > 0 {
			want = append(want, line(f[1], f[2], f[3], f[4], f[5], f[8], f[9]))
		}
	}
	rows, a, err := asked(c, args, "sockets('netlink') | map([.sk.sk_protocol, .portid, .groups, .rx_queue, .tx_queue, .drops, .inode])")
	if err != nil {
		return err
	}
	for _, r := range rows {
		var mask uint32
		for _, g := range r[2].([]any) {
			if n := g.(float64); n <= 32 {
				mask |= 1 << (uint(n) - 1)
			}
		}
		r[1] = strconv.FormatInt(int64(r[1].(float64)), 10)
		r[2] = fmt.Sprintf("%08x", mask)
	}
	return sameRows(a, lines(rows), want)
}

var ssUser = regexp.MustCompile(`\("[^"]*",pid=(\d+),fd=(\d+)\)`)

// waits is a socket of AF_UNIX that has no inode.
var waits = regexp.MustCompile(`^u_\w+\s.*\s0\s+\* \d+\s*$`)

// ssRow is a line of `ss -Hanp`, whose addresses may have blanks around them.
func ssRow(l string) (row string, state string) {
	f := strings.Fields(l)
	var users []string
	for _, m := range ssUser.FindAllStringSubmatch(l, -1) {
		users = append(users, m[1]+"/"+m[2])
	}
	slices.Sort(users)
	ends := f[4:min(len(f), 6)]
	if strings.HasPrefix(f[0], "u_") {
		ends = f[4:min(len(f), 8)]
	}
	return line(f[0], f[1], f[2], f[3], ends, users), f[1]
}

// checkSS compares the table of sockets, with their queues and owners, with ss.
func checkSS(c *subjectContext, ns string, args []string) error {
	var want []string
	for _, fact := range []string{"ss-inet", "ss-unix"} {
		text, err := c.netFact(ns, fact)
		if err != nil {
			return err
		}
		for l := range strings.Lines(text) {
			// ss has sockets that send echo requests with those of UDP, and kinspect does not.
			if row, state := ssRow(l); !c.passing(state) && !strings.HasPrefix(l, "icmp") {
				want = append(want, row)
			}
		}
	}
	a, err := c.ask(append(slices.Clone(args), "eval", "ss(['tcp', 'udp', 'unix'])")...)
	if err != nil {
		return err
	}
	if a.exit != 0 {
		return a.fail("exit %d, want 0", a.exit)
	}
	var have []string
	for i, l := range strings.Split(strings.TrimSpace(a.stdout), "\n") {
		if i == 0 {
			continue
		}
		// The column of drops is kinspect's own: it is a number where ss has the address.
		f := strings.Fields(l)
		if _, err := strconv.Atoi(f[4]); err == nil {
			l = strings.Join(slices.Delete(f, 4, 5), " ")
		}
		// ss leaves out those of AF_UNIX that nobody has accepted, which procfs has.
		if row, state := ssRow(l); !c.passing(state) && !waits.MatchString(l) {
			have = append(have, row)
		}
	}
	return sameRows(a, have, want)
}

// checkSockstat compares the summary with /proc/net/sockstat and sockstat6.
func checkSockstat(c *subjectContext, ns string, args []string) error {
	want := map[string]string{}
	for _, file := range []string{"sockstat", "sockstat6"} {
		text, err := c.netFact(ns, file)
		if err != nil {
			return err
		}
		for l := range strings.Lines(text) {
			f := strings.Fields(l)
			for i := 1; i+1 < len(f); i += 2 {
				want[strings.TrimSuffix(f[0], ":")+" "+f[i]] = f[i+1]
			}
		}
	}
	type pair struct{ Inet, Inet6 uint64 }
	var have struct {
		Used uint64
		TCP  struct {
			Allocated, Orphaned, TimeWait, Requests uint64
			Hashed                                  pair
		}
		UDP, Raw pair
	}
	a, err := evaluate(c, &have, append(slices.Clone(args), "socket_summary()")...)
	if err != nil {
		return err
	}
	if err := checkSummary(c, ns, args); err != nil {
		return err
	}
	got := map[string]uint64{
		"sockets used": have.Used, "TCP inuse": have.TCP.Hashed.Inet, "TCP6 inuse": have.TCP.Hashed.Inet6,
		"TCP orphan": have.TCP.Orphaned, "TCP tw": have.TCP.TimeWait, "TCP alloc": have.TCP.Allocated,
		"UDP inuse": have.UDP.Inet, "UDP6 inuse": have.UDP.Inet6, "RAW inuse": have.Raw.Inet, "RAW6 inuse": have.Raw.Inet6,
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if key == "TCP tw" && c.live() {
			continue // those end by themselves
		}
		if fmt.Sprint(got[key]) != want[key] {
			errs = append(errs, a.fail("%s: %d, the guest says %s", key, got[key], want[key]))
		}
	}
	return errors.Join(errs...)
}

// timeWait is the one number of a summary that changes by itself: sockets in TIME_WAIT end. It is part
// of the total of TCP.
var timeWait = regexp.MustCompile(`(?m)^TCP: +\d+ .*timewait \d+\)$`)

// checkSummary compares the text of the summary with that of `ss -s`, word by word.
func checkSummary(c *subjectContext, ns string, args []string) error {
	text, err := c.netFact(ns, "ss-summary")
	if err != nil {
		return err
	}
	a, err := c.ask(append(slices.Clone(args), "eval", "socket_summary()")...)
	if err != nil {
		return err
	}
	if a.exit != 0 {
		return a.fail("exit %d, want 0", a.exit)
	}
	words := func(text string) []string {
		var out []string
		for l := range strings.Lines(text) {
			if c.live() && timeWait.MatchString(strings.TrimSpace(l)) {
				continue
			}
			// Fragments that wait for others are not among the sockets.
			if f := strings.Fields(l); len(f) > 0 && f[0] != "FRAG" {
				out = append(out, strings.Join(f, " "))
			}
		}
		return out
	}
	if have, want := words(a.stdout), words(text); !slices.Equal(have, want) {
		return a.fail("the summary is %q, ss -s printed %q", have, want)
	}
	return nil
}
