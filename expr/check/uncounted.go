package check

import (
	"fmt"
	"slices"
	"strings"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// uncounted notes what may drop the device's frames without any of the explained counters showing it.
func uncounted(sc *scene, r *Report) {
	note := func(format string, args ...any) { r.Notes = append(r.Notes, fmt.Sprintf(format, args...)) }
	programs, err := sc.s.Programs(sc.dev)
	if err != nil {
		sc.miss("the programs at the device's XDP and TC hooks", err)
	}
	for _, p := range programs {
		switch {
		case p.Hook == "xdp":
			note("%s XDP is attached (%s): frames that it drops (XDP_DROP) are in none of these counters; a driver may count them as its own (ethtool -S)", p.Mode, programName(p))
		case strings.Contains(p.Hook, "ingress"):
			note("a filter is attached to %s (%s): frames that it drops are in none of these counters, but in those of tc -s filter and tc -s qdisc", p.Hook, programName(p))
		}
	}
	rules, err := ruleHooks(sc)
	if err != nil {
		sc.miss("netfilter's hooks", err)
	}
	if len(rules) > 0 {
		note("netfilter has rules at %s: packets that they drop are in none of these counters (nft list ruleset, or iptables -L -v, counts them)", strings.Join(rules, ", "))
	}
	if text, err := ipv6Off(sc); err != nil {
		sc.miss("whether IPv6 is on", err)
	} else if text != "" {
		note("%s", text)
	}
	if text, err := otherHosts(sc); err != nil {
		sc.miss("whether the device is promiscuous", err)
	} else if text != "" {
		note("%s", text)
	}
	if text := thrownAway(sc); text != "" {
		note("%s", text)
	}
}

func programName(p knet.Program) string {
	if p.ID != 0 {
		return fmt.Sprintf("%s, program %d", value.Printable(orName(p.Name, p.Kind)), p.ID)
	}
	return value.Printable(orName(p.Name, p.Kind))
}

func orName(name, kind string) string {
	if name == "" {
		return kind
	}
	return name
}

// ruleFuncs are the functions by which netfilter looks at rules, which may drop: of nftables and of iptables.
// Others, such as connection tracking and NAT, do not by themselves.
var ruleFuncs = []string{"nft_do_chain", "ipt_do_table", "iptable_", "ip6t_do_table", "ip6table_", "ebt_", "arpt_do_table", "arptable_"}

// ruleHooks lists the hook points with rules that received packets pass: "ipv4 INPUT", and at the device itself.
func ruleHooks(sc *scene) ([]string, error) {
	var out []string
	visit := func(h knet.NFHook) error {
		if !slices.ContainsFunc(ruleFuncs, func(f string) bool { return strings.HasPrefix(h.Function, f) }) ||
			!slices.Contains([]string{"PREROUTING", "INPUT", "FORWARD", "INGRESS"}, h.Hook) {
			return nil
		}
		if point := h.Family + " " + h.Hook; !slices.Contains(out, point) {
			out = append(out, point)
		}
		return nil
	}
	if err := sc.s.EachNetNFHook(sc.dev.NS, visit); err != nil {
		return nil, err
	}
	return out, sc.s.EachDeviceNFHook(sc.dev, visit)
}

// ipv6Off says what becomes of IPv6 frames where IPv6 is off on the device (net/ipv6/ip6_input.c:
// ip6_rcv_core), or is empty.
func ipv6Off(sc *scene) (string, error) {
	if sc.handlers == nil {
		return "", nil
	}
	if len(matching(sc.handlers, knet.EthIPv6)) == 0 {
		return fmt.Sprintf("the kernel has no IPv6: IPv6 frames on %s have no handler, and count in rx_dropped", sc.name()), nil
	}
	idev, err := sc.dev.Value.PointerPath("ip6_ptr")
	if err != nil {
		return "", err
	}
	const counted = "IPv6 packets have a handler, which throws them away and counts them as Ip6InDiscards%s, not in rx_dropped"
	if idev == 0 {
		// Without struct inet6_dev the namespace alone counts.
		sofar := ""
		if n, ok, err := sc.s.SNMPCounter(sc.dev.NS, "Ip6InDiscards"); err == nil && ok && n > 0 {
			sofar = fmt.Sprintf(" (%d in its namespace so far, of all devices)", n)
		}
		return fmt.Sprintf("%s has no IPv6 (its MTU is below 1280, or it has not been up): ", sc.name()) + fmt.Sprintf(counted, sofar), nil
	}
	off, err := sc.dev.Value.UintPath("ip6_ptr.cnf.disable_ipv6")
	if err != nil || off == 0 {
		return "", err
	}
	sofar := ""
	if c, ok, err := sc.s.DeviceIPv6(sc.dev); err == nil && ok && c.Counters["Ip6InDiscards"] > 0 {
		sofar = fmt.Sprintf(" (%d of %s so far)", c.Counters["Ip6InDiscards"], sc.name())
	}
	return fmt.Sprintf("IPv6 is off on %s (disable_ipv6): ", sc.name()) + fmt.Sprintf(counted, sofar), nil
}

// otherHosts says what becomes of frames for other hosts on a promiscuous device, or is empty. An rx_handler takes them
// before IP would (net/ipv4/ip_input.c: ip_rcv_core; net/ipv6/ip6_input.c: ip6_rcv_core).
func otherHosts(sc *scene) (string, error) {
	n, err := sc.dev.Value.UintPath("promiscuity")
	if err != nil || n == 0 || sc.rxHandler != "" {
		return "", err
	}
	counted := "counts them as rx_otherhost_dropped alone"
	if !sc.s.HasCounter(sc.dev, "rx_otherhost_dropped") { // since 5.18
		counted = "counts them nowhere, on this kernel"
	}
	return fmt.Sprintf("%s is promiscuous: packets for other hosts reach IP, which throws them away by design and %s", sc.name(), counted), nil
}

// thrownAway tells apart what IPv4 throws away as bad in ip_rcv_core, where packets for other hosts leave, too: tools
// that name the place of a drop see one place for all of them, and the namespace's counters do not. It is empty where
// nothing was, or where that cannot be read: no verdict rests on it.
func thrownAway(sc *scene) string {
	if len(matching(sc.handlers, knet.EthIPv4)) == 0 {
		return ""
	}
	if text, ok := sc.owners.thrown[sc.dev.NS.Inum]; ok {
		return text
	}
	text := thrownAwayIn(sc)
	if sc.owners.thrown == nil {
		sc.owners.thrown = map[uint64]string{}
	}
	sc.owners.thrown[sc.dev.NS.Inum] = text
	return text
}

func thrownAwayIn(sc *scene) string {
	var n [4]uint64
	for i, name := range []string{"IpInHdrErrors", "IpExtInCsumErrors", "IpExtInTruncatedPkts", "IpInDiscards"} {
		var err error
		if n[i], _, err = sc.s.SNMPCounter(sc.dev.NS, name); err != nil {
			return ""
		}
	}
	return thrownAwayText(sc.dev.NS.String(), n[0], n[1], n[2], n[3])
}

func thrownAwayText(ns string, header, sums, short, discards uint64) string {
	var parts []string
	switch {
	case header == 0:
	case header == sums:
		parts = append(parts, fmt.Sprintf("%d with a bad header, all of them wrong checksums (IpInHdrErrors equals IpExtInCsumErrors)", header))
	case sums == 0:
		parts = append(parts, fmt.Sprintf("%d with a bad header, none of them a wrong checksum (IpInHdrErrors; IpExtInCsumErrors is 0)", header))
	default:
		parts = append(parts, fmt.Sprintf("%d with a bad header (IpInHdrErrors), %d of them wrong checksums (IpExtInCsumErrors)", header, sums))
	}
	if short > 0 {
		parts = append(parts, fmt.Sprintf("%d cut short (IpExtInTruncatedPkts)", short))
	}
	if discards > 0 {
		parts = append(parts, fmt.Sprintf("%d for want of memory (IpInDiscards)", discards))
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("IPv4 threw away packets of the devices of %s: %s. They are in none of these counters, and leave ip_rcv_core by the same place as packets for other hosts", ns, strings.Join(parts, ", "))
}
