package check

import (
	"fmt"
	"strings"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// advise fills in what to do next, down to the command. Device names are quoted
// for a shell.
func advise(sc *scene, r *Report) {
	add := func(format string, args ...any) { r.Next = append(r.Next, fmt.Sprintf(format, args...)) }
	taps := activeTaps(sc)
	flush, err := sc.s.FlushesTaps(sc.dev)
	if err != nil {
		sc.miss("the device's ingress hooks", err)
	}
	if r.Drops() && sc.s.K.Image != nil && sc.s.K.Image.Live() {
		add("see what is dropped from now on, and which frames they are: kinspect explain %s; kinspect drops %s", asked(sc, sc.dev.Name, " --live 10s"), asked(sc, sc.dev.Name, " --frames 3"))
	}
	for _, c := range r.Counters {
		for _, p := range c.Paths {
			if p.Verdict == RuledOut {
				continue
			}
			switch p.ID {
			case "unhandled-protocol":
				on := captureDevice(sc)
				hides := ""
				if on == sc.dev.Name && sc.rxHandler == "" && flush == "" {
					hides = " (while it runs, the counter stands still: tcpdump is a taker)"
				}
				add("see which frames nobody handles: tcpdump -p -e -n -c 20 -i %s 'not ip and not ip6 and not arp'%s", shell(on), hides)
				add("then ask for the ethertype that it shows: kinspect handler ETHERTYPE %s", asked(sc, sc.dev.Name, ""))
			case "backlog", "flow-limit":
				add("see which CPU drops: column 2 of /proc/net/softnet_stat; the limit is net.core.netdev_max_backlog (%s now)", text(r.Softnet.MaxBacklog))
			case "slaves":
				for _, s := range c.SlaveTotals {
					if s.Total == nil || *s.Total > 0 {
						add("what %s counted: kinspect explain %s", s.Device, asked(sc, s.name, ""))
					}
				}
			case "driver":
				if names, ok := driversOwn(sc); p.Verdict == Fired && ok && len(names) == 0 {
					continue // ethtool -S was asked
				}
				if p.Verdict == Fired || p.Level == CannotTell {
					add("the driver's counters, on the live host: ip -s -s link show%s; ethtool -S %s", linkShow(sc.dev.Name), shell(sc.dev.Name))
				}
			case "inactive-slave":
				add("see what the inactive slave gets: tcpdump -p -e -n -c 20 -i %s", shell(sc.dev.Name))
			case "other-host":
				add("see whose frames come: tcpdump -p -e -n -c 20 -i %s '%snot ether multicast'", shell(captureDevice(sc)), notTo(sc))
			case "unknown-vlan":
				add("see which VLAN ids come: tcpdump -p -e -n -c 20 -i %s vlan", shell(captureDevice(sc)))
			case "forward":
				add("compare the MTU of %s with that of the device that sends to it: ip -d link", sc.name())
			}
		}
	}
	r.Next = append(r.Next, whether(sc, r.Counters)...)
	switch {
	case len(taps) > 0 && flush == "" && sc.rxHandler == "":
		r.Notes = append(r.Notes, fmt.Sprintf("a tap is open now (%s): as long as it is, frames that nothing handles are not counted in rx_dropped of %s", strings.Join(taps, ", "), sc.name()))
	case len(taps) > 0 && flush != "":
		r.Notes = append(r.Notes, fmt.Sprintf("a tap is open now (%s); it hides no drops, since %s on %s comes between", strings.Join(taps, ", "), flush, sc.name()))
	}
	uncounted(sc, r)
	r.Next = dedupe(r.Next)
}

func activeTaps(sc *scene) []string {
	var out []string
	for _, h := range sc.handlers {
		if h.Tap() {
			out = append(out, h.Label()+owner(h)+sc.openedBy(h))
		}
	}
	return out
}

// captureDevice is where to look for frames without changing what is counted: a
// tap on a bond's slave is served before the frame moves to the bond, and hides
// nothing there; one on the bond itself would.
func captureDevice(sc *scene) string {
	if sc.bond == nil {
		return sc.dev.Name
	}
	for _, s := range sc.bond.Slaves {
		if sc.bond.TypesErr != nil || !s.Inactive {
			return s.Device.Name
		}
	}
	return sc.dev.Name
}

// notTo is a filter of tcpdump that leaves out frames to the device itself, or is empty.
func notTo(sc *scene) string {
	mac, err := sc.dev.MAC()
	if err != nil || mac == "" {
		return ""
	}
	return "not ether dst " + mac + " and "
}

func nsFlag(sc *scene) string {
	if sc.dev.NS.Init {
		return ""
	}
	return fmt.Sprintf(" --netns %d", sc.dev.NS.Inum)
}

// asked is a device with flags of kinspect's as they stand on its command line. A name that begins with a dash would be
// a flag: -- ends those.
func asked(sc *scene, name, flags string) string {
	flags = nsFlag(sc) + flags
	if strings.HasPrefix(name, "-") {
		return strings.TrimPrefix(flags+" -- "+shell(name), " ")
	}
	return shell(name) + flags
}

// linkShow is a device behind ip link show, which takes a word for a flag, too.
func linkShow(name string) string {
	if strings.HasPrefix(name, "-") {
		return " dev " + shell(name)
	}
	return " " + shell(name)
}

// shell quotes a device's name for a shell, if it needs it.
func shell(name string) string { return value.ShellWord(name) }

func dedupe(in []string) []string {
	seen := map[string]bool{}
	out := []string{}
	for _, s := range in {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// lacpProbe is the bonding function that takes LACP frames before they reach the
// bond (drivers/net/bonding/bond_3ad.c).
const lacpProbe = "bond_3ad_lacpdu_recv"

// probeText says what a bond's recv_probe does (drivers/net/bonding): LACP is
// consumed, ARP and neighbour advertisements are looked at and pass on.
func probeText(name string) string {
	switch name {
	case lacpProbe:
		return "takes LACP frames (0x8809 to 01:80:c2:00:00:02) and lets all others pass"
	case "bond_rcv_validate", "bond_arp_rcv":
		return "looks at ARP and neighbour discovery (ARP monitoring) and lets all frames pass"
	case "rlb_arp_recv":
		return "looks at ARP (receive load balancing) and lets all frames pass"
	}
	return "is not known here: what it takes cannot be told"
}

// handlerFuncs says what well-known rx_handlers do with a frame.
var handlerFuncs = map[string]string{
	"bond_handle_frame":    "hands the frame to the bond",
	"br_handle_frame":      "hands the frame to the bridge",
	"team_handle_frame":    "hands the frame to the team device",
	"macvlan_handle_frame": "hands the frame to the macvlan with its address; others go on",
	"ipvlan_handle_frame":  "hands the frame to the ipvlan with its address",
	"netdev_frame_hook":    "hands the frame to Open vSwitch",
}

// matching picks the handlers of an ethertype that a frame can meet, apart from
// taps.
func matching(hs []knet.Handler, e knet.Ethertype) []knet.Handler {
	var out []knet.Handler
	for _, h := range hs {
		if !h.Tap() && h.Type == e {
			out = append(out, h)
		}
	}
	return out
}
