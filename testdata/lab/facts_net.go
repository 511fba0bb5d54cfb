package main

import (
	"fmt"
	"strings"
)

// A netFact is a command whose output says something of one network namespace.
type netFact struct{ name, command string }

// netFacts are what the helpers of the network are compared with. They are stored with a capture's facts,
// and asked again before a live comparison: sockets come and go.
var netFacts = []netFact{
	{"addr.json", "/usr/sbin/ip -j -d addr"},
	{"neigh.json", "/usr/sbin/ip -j neigh show nud all"},
	{"maddr.json", "/usr/sbin/ip -j maddr"},
	{"qdisc.json", "/usr/sbin/tc -j -s qdisc"},
	{"tcp", "cat /proc/net/tcp"},
	{"tcp6", "cat /proc/net/tcp6"},
	{"udp", "cat /proc/net/udp"},
	{"udp6", "cat /proc/net/udp6"},
	{"raw", "cat /proc/net/raw"},
	{"raw6", "cat /proc/net/raw6"},
	{"icmp", "cat /proc/net/icmp"},
	{"unix", "cat /proc/net/unix"},
	{"packet", "cat /proc/net/packet"},
	{"netlink", "cat /proc/net/netlink"},
	{"sockstat", "cat /proc/net/sockstat"},
	{"sockstat6", "cat /proc/net/sockstat6"},
	{"snmp", "cat /proc/net/snmp"},
	{"snmp6", "cat /proc/net/snmp6"},
	{"netstat", "cat /proc/net/netstat"},
	{"nstat.json", "/usr/bin/nstat -asz --json"},
	{"ss-inet", "/usr/bin/ss -H -t -u -a -n -p"},
	{"ss-unix", "/usr/bin/ss -H -x -a -n -p"},
	{"ss-summary", "/usr/bin/ss -s"},
}

// netFactsScript collects them in net/$ns, where $in runs a command in the namespace.
func netFactsScript() string {
	var b strings.Builder
	for _, f := range netFacts {
		command := "$in " + f.command
		if file, ok := strings.CutPrefix(f.command, "cat "); ok && strings.HasSuffix(file, "6") {
			command = "if test -e " + file + "; then " + command + "; fi" // a kernel may be without IPv6
		}
		fmt.Fprintf(&b, "\t%s > net/$ns/%s\n", command, f.name)
	}
	return b.String()
}

// netFact is one of them, as it was at the capture, or on a live guest as it is now.
func (c *subjectContext) netFact(ns, name string) (string, error) {
	if !c.live() {
		return readFact(c.facts, "net/"+ns+"/"+name)
	}
	for _, f := range netFacts {
		if f.name != name {
			continue
		}
		command := f.command
		if ns != "init" {
			command = "/usr/sbin/ip netns exec " + ns + " " + command
		}
		out, err := c.guest.run(command)
		return string(out), err
	}
	return "", fmt.Errorf("there is no command for the fact %s", name)
}
