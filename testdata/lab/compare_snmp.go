package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"

	"kinspect/testdata/lab/wire"
)

// snmpFiles are the files that kinspect rebuilds.
var snmpFiles = []string{"snmp", "snmp6", "netstat"}

// checkSNMPFiles compares /proc/net/snmp, snmp6 and netstat of every namespace with what kinspect rebuilds: byte
// for byte where the guest rests.
func checkSNMPFiles(c *subjectContext, ns string, args []string) error {
	var errs []error
	for _, file := range snmpFiles {
		before, err := c.netFact(ns, file)
		if err != nil {
			return err
		}
		a, err := c.ask(append(args, "netstat", file)...)
		if err != nil {
			return err
		}
		after := before
		if c.live() {
			if after, err = c.netFact(ns, file); err != nil {
				return err
			}
		}
		if a.exit != 0 {
			errs = append(errs, a.fail("exit %d, want 0", a.exit))
			continue
		}
		if a.stdout == before || a.stdout == after {
			continue
		}
		if err := c.between(ns, file, a.stdout, before, after); err != nil {
			errs = append(errs, a.fail("%s in %s: %v", file, ns, err))
		}
	}
	return errors.Join(errs...)
}

// snmpGrows are counters that grow in the boot of the scenarios after its facts were taken, in the first
// namespace alone: a request that nobody answers is asked again (scenario_net.go), what stays in a queue is
// sent again, and connections leave TIME_WAIT.
var snmpGrows = []string{
	"TcpOutSegs", "TcpRetransSegs", "IpOutRequests", "IpOutTransmits", "IpOutDiscards", "IpInReceives", "IpInDelivers", "TcpInSegs",
	"IpExtOutOctets", "IpExtInOctets", "IpExtInNoECTPkts", "TcpExtTW", "TcpExtTCPTimeouts", "TcpExtTCPSynRetrans",
	"TcpExtTCPLostRetransmit", "TcpExtTCPSlowStartRetrans", "TcpExtTCPKeepAlive", "TcpExtTCPSpuriousRtxHostQueues",
	"TcpExtTCPBacklogCoalesce", "TcpExtTcpTimeoutRehash", "TcpExtDelayedACKs", "TcpExtTCPPureAcks",
}

// snmp6Grows are those that grow in every namespace: where IPv6 is on, hosts ask for routers and tell of their
// groups, and where it is off, the other end of a link discards that.
var snmp6Grows = []string{
	"Ip6OutRequests", "Ip6OutTransmits", "Ip6OutOctets", "Ip6OutMcastPkts", "Ip6OutMcastOctets", "Ip6OutDiscards", "Ip6OutNoRoutes",
	"Ip6InReceives", "Ip6InDelivers", "Ip6InOctets", "Ip6InMcastPkts", "Ip6InMcastOctets", "Ip6InNoECTPkts", "Ip6InDiscards",
	"Icmp6OutMsgs", "Icmp6OutRouterSolicits", "Icmp6OutType133", "Icmp6OutNeighborSolicits", "Icmp6OutType135",
	"Icmp6OutMLDv2Reports", "Icmp6OutType143",
	"Icmp6InMsgs", "Icmp6InRouterSolicits", "Icmp6InType133", "Icmp6InNeighborSolicits", "Icmp6InType135",
	"Icmp6InMLDv2Reports", "Icmp6InType143",
}

// maySNMPGrow tells whether a counter of a namespace may have grown between the facts and the dump.
func (c *subjectContext) maySNMPGrow(ns, name string) bool {
	return c.capture == "scenarios" && (ns == "init" && contains(snmpGrows, name) || contains(snmp6Grows, name))
}

// between tells whether every counter lies between two readings of the guest's own, or, of a dump, is one that
// may have grown since its facts.
func (c *subjectContext) between(ns, file, got, before, after string) error {
	have, err := snmpCounters(file, got)
	if err != nil {
		return err
	}
	low, err := snmpCounters(file, before)
	if err != nil {
		return err
	}
	high, err := snmpCounters(file, after)
	if err != nil {
		return err
	}
	// A message of a type that was not seen before has a column of its own, since it was.
	for name := range have {
		if _, ok := low[name]; !ok && !strings.Contains(name, "Type") {
			return fmt.Errorf("%s is not in the file", name)
		}
	}
	for name, n := range low {
		x, ok := have[name]
		if !ok {
			return fmt.Errorf("%s is missing", name)
		}
		switch {
		case x.Cmp(n) == 0 || high[name] != nil && x.Cmp(high[name]) == 0:
		case c.live() && n.Cmp(high[name]) < 0 && n.Cmp(x) < 0 && x.Cmp(high[name]) < 0:
		case !c.live() && c.maySNMPGrow(ns, name) && n.Cmp(x) < 0:
		default:
			return fmt.Errorf("%s is %v, not %v (then %v)", name, x, n, high[name])
		}
	}
	return nil
}

// snmpCounters reads one of the files, by nstat's names.
func snmpCounters(file, text string) (map[string]*big.Int, error) {
	out := map[string]*big.Int{}
	set := func(name, n string) error {
		v, ok := new(big.Int).SetString(n, 10)
		if !ok {
			return fmt.Errorf("%s: %s is %q", file, name, n)
		}
		out[name] = v
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if file == "snmp6" {
		for _, l := range lines {
			f := strings.Fields(l)
			if len(f) != 2 {
				return nil, fmt.Errorf("snmp6 has the line %q", l)
			}
			if err := set(f[0], f[1]); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	for i := 0; i+1 < len(lines); i += 2 {
		names, numbers := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		if len(names) != len(numbers) || len(names) == 0 || names[0] != numbers[0] {
			return nil, fmt.Errorf("%s has the lines %q and %q", file, lines[i], lines[i+1])
		}
		for j := 1; j < len(names); j++ {
			if err := set(strings.TrimSuffix(names[0], ":")+names[j], numbers[j]); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// shownSNMP is what kinspect's snmp says.
type shownSNMP struct {
	Counters []struct {
		Name  string      `json:"name"`
		Value json.Number `json:"value"`
		Level string      `json:"level"`
	} `json:"counters"`
	Details []struct {
		Counters []string `json:"counters"`
		Level    string   `json:"level"`
		Says     string   `json:"says"`
		Sockets  []struct {
			Local  string `json:"local"`
			State  string `json:"state"`
			Count  uint64 `json:"count"`
			Wait   uint64 `json:"waiting"`
			Limit  uint64 `json:"limit"`
			Full   bool   `json:"full"`
			Owners []struct {
				PID  int    `json:"pid"`
				Comm string `json:"comm"`
			} `json:"owners"`
		} `json:"sockets"`
		Devices []struct {
			Device   string            `json:"device"`
			Off      bool              `json:"ipv6_off"`
			Counters map[string]uint64 `json:"counters"`
		} `json:"devices"`
	} `json:"details"`
}

// snmpOf asks for all counters of a namespace.
func (c *subjectContext) snmpOf(ns string, exit ...int) (shownSNMP, answer, error) {
	var got shownSNMP
	args, err := c.inNamespace(ns)
	if err != nil {
		return got, answer{}, err
	}
	a, err := c.ask(append(args, "snmp", "--all", "--json")...)
	if err != nil {
		return got, a, err
	}
	fine := false
	for _, e := range exit {
		fine = fine || a.exit == e
	}
	if !fine {
		return got, a, a.fail("exit %d, want %v", a.exit, exit)
	}
	return got, a, json.Unmarshal([]byte(a.stdout), &got)
}

// checkNstat compares the names and numbers of snmp with nstat's. Those that nstat takes for useless it leaves
// out.
func checkNstat(c *subjectContext, ns string, args []string) error {
	text, err := c.netFact(ns, "nstat.json")
	if err != nil {
		return err
	}
	var want struct {
		Kernel map[string]json.Number `json:"kernel"`
	}
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		return fmt.Errorf("nstat in %s: %w", ns, err)
	}
	got, a, err := c.snmpOf(ns, 0, 1)
	if err != nil {
		return err
	}
	have := map[string]json.Number{}
	for _, n := range got.Counters {
		have[n.Name] = n.Value
	}
	if len(want.Kernel) < 200 {
		return fmt.Errorf("nstat in %s has %d counters", ns, len(want.Kernel))
	}
	for name, n := range want.Kernel {
		switch v, ok := have[name]; {
		case !ok:
			return a.fail("no %s, which nstat has", name)
		case v != n && !c.maySNMPGrow(ns, name): // checkSNMPFiles looks closer
			return a.fail("%s is %s, nstat says %s", name, v, n)
		}
	}
	return nil
}

// checkLosses compares what snmp says of the namespace of the losses with what the guest's program lost
// (guest/losses.go): the counters, the sockets that they lead to, and whose these are.
func checkLosses(c *subjectContext) error {
	content, err := os.ReadFile(filepath.Join(c.facts, "losses.json"))
	if err != nil {
		return err
	}
	var truth wire.Losses
	if err := json.Unmarshal(content, &truth); err != nil {
		return err
	}
	got, a, err := c.snmpOf("losses", 1)
	if err != nil {
		return err
	}
	have := map[string]string{}
	for _, n := range got.Counters {
		have[n.Name] = n.Value.String()
	}
	for name, n := range map[string]uint64{
		"UdpRcvbufErrors": truth.UDPOpen + truth.UDPClosed, "UdpInErrors": truth.UDPOpen + truth.UDPClosed,
		"TcpExtListenOverflows": truth.ListenDrops, "TcpExtListenDrops": truth.ListenDrops,
		"TcpRetransSegs": truth.RetransOpen + truth.RetransClosed,
		"IpInHdrErrors":  truth.BadSums, "IpExtInCsumErrors": truth.BadSums,
		"IpReasmFails": truth.Fragments, "IpReasmTimeout": truth.Fragments,
		"IpInAddrErrors": truth.NotHere, "IpExtInNoRoutes": truth.NoRoute, "Ip6InDiscards": truth.Off,
	} {
		if n == 0 {
			return fmt.Errorf("the guest lost nothing of %s", name)
		}
		if have[name] != fmt.Sprint(n) {
			return a.fail("%s is %s, not %d", name, have[name], n)
		}
	}
	for _, w := range []struct {
		counter, says, local string
		count                uint64
		level                string
	}{
		{"UdpRcvbufErrors", fmt.Sprintf("%d of the %d ", truth.UDPOpen, truth.UDPOpen+truth.UDPClosed), "127.0.0.1:7101", truth.UDPOpen, "proved"},
		{"TcpExtListenDrops", "The queue of 127.0.0.1:7102 is full now", "127.0.0.1:7102", truth.ListenDrops, "cannot tell"},
		{"TcpRetransSegs", fmt.Sprintf("%d of the %d ", truth.RetransOpen, truth.RetransOpen+truth.RetransClosed), "127.0.0.1:", truth.RetransOpen, "proved"},
		{"IpInHdrErrors", fmt.Sprintf("all %d packets had a wrong header checksum", truth.BadSums), "", 0, "proved"},
		{"IpReasmFails", fmt.Sprintf("all %d failures", truth.Fragments), "", 0, "proved"},
		{"IpExtInNoRoutes", "IpExtInNoRoutes", "", 0, "cannot tell"},
		{"Ip6InDiscards", "IPv6's drops by device", "", 0, "proved"},
	} {
		found := false
		for _, d := range got.Details {
			if !contains(d.Counters, w.counter) {
				continue
			}
			found = true
			if !strings.Contains(d.Says, w.says) || d.Level != w.level {
				return a.fail("of %s it says %q (%s), not %q (%s)", w.counter, d.Says, d.Level, w.says, w.level)
			}
			if w.counter == "Ip6InDiscards" && (len(d.Devices) != 1 || d.Devices[0].Device != "lo" || !d.Devices[0].Off || d.Devices[0].Counters[w.counter] != truth.Off) {
				return a.fail("%s are of %+v, not all of lo, where IPv6 is off", w.counter, d.Devices)
			}
			if w.local == "" {
				continue
			}
			if len(d.Sockets) != 1 || !strings.HasPrefix(d.Sockets[0].Local, w.local) || d.Sockets[0].Count != w.count {
				return a.fail("%s leads to %+v, not to %s with %d", w.counter, d.Sockets, w.local, w.count)
			}
			k := d.Sockets[0]
			if len(k.Owners) != 1 || k.Owners[0].PID != truth.PID || k.Owners[0].Comm != "guest" {
				return a.fail("%s is of %+v, not of guest, %d", k.Local, k.Owners, truth.PID)
			}
			if k.State == "LISTEN" && (!k.Full || k.Wait != truth.Waiting || k.Limit != truth.Backlog) {
				return a.fail("%s: %d of %d wait, full %v, not %d of %d", k.Local, k.Wait, k.Limit, k.Full, truth.Waiting, truth.Backlog)
			}
		}
		if !found {
			return a.fail("nothing is said of %s", w.counter)
		}
	}
	return nil
}

// checkSNMPSnapshot takes a snapshot of snmp in the namespace of the losses, which has to answer the same.
func checkSNMPSnapshot(c *subjectContext) error {
	args, err := c.inNamespace("losses")
	if err != nil {
		return err
	}
	file := filepath.Join(c.host.dir, "snmp.part")
	defer os.Remove(file)
	at := file
	if c.live() {
		at = "/tmp/snmp.snapshot"
	}
	taken, err := c.ask(append([]string{"snapshot", "-o", at, "--"}, append(args, "snmp", "--json")...)...)
	if err != nil {
		return err
	}
	if taken.exit != 1 {
		return taken.fail("exit %d, want 1", taken.exit)
	}
	if c.live() {
		if err := c.guest.fetchFile(at, file); err != nil {
			return err
		}
		if _, err := c.guest.run("rm " + at); err != nil {
			return err
		}
	}
	again := dumpSubject{ctx: c.host.ctx, kinspect: c.host.kinspect, cores: []string{file}}
	second, err := again.ask(append(args, "snmp", "--json")...)
	if err != nil {
		return err
	}
	var a, b map[string]any
	if err := errors.Join(json.Unmarshal([]byte(taken.stdout), &a), json.Unmarshal([]byte(second.stdout), &b)); err != nil {
		return err
	}
	delete(a, "source")
	delete(b, "source")
	first, _ := json.Marshal(a)
	other, _ := json.Marshal(b)
	if string(first) != string(other) {
		return second.fail("the snapshot says %s, its source said %s", other, first)
	}
	return nil
}
