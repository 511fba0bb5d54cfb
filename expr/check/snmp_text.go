package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// shownSockets is how many sockets the text shows of each detail; JSON has more.
const shownSockets = 20

// text prints a detail.
func (d *SNMPDetail) text(w func(string, ...any)) {
	w("%s:", strings.Join(d.Counters, ", "))
	w("%s", foldText(d.Says+" ("+string(d.Level)+")", "  ", 100))
	for i, k := range d.Sockets {
		if i == shownSockets {
			w("  … and %d more sockets (--json has %d of them)", len(d.Sockets)-shownSockets+d.More, len(d.Sockets)-shownSockets)
			break
		}
		w("  %s", k.line())
	}
	for _, dev := range d.Devices {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(dev.Counters)) {
			parts = append(parts, fmt.Sprintf("%s %d", name, dev.Counters[name]))
		}
		off := ""
		if dev.IPv6Off {
			off = "; IPv6 is off on it (disable_ipv6), so that it drops what comes"
		}
		w("  %-16s %s%s", dev.Device, strings.Join(parts, ", "), off)
	}
	var set []string
	for _, name := range slices.Sorted(maps.Keys(d.Settings)) {
		set = append(set, name+" = "+d.Settings[name])
	}
	if len(set) > 0 {
		w("%s", wrap(set, "  ", 100))
	}
}

func (k *SNMPSocket) line() string {
	what := fmt.Sprintf("%d dropped, %d of %d bytes in its queue", k.Count, k.Waiting, k.Limit)
	ends := k.Local
	switch {
	case k.State == "LISTEN":
		what = fmt.Sprintf("%d dropped, %d wait, backlog %d", k.Count, k.Waiting, k.Limit)
	case k.Kind == "tcp":
		what = fmt.Sprintf("%d sent again", k.Count)
	}
	if k.State != "LISTEN" && k.State != "CLOSE" || k.Kind != "tcp" && !strings.HasSuffix(k.Remote, ":*") {
		ends += " → " + k.Remote
	}
	who := make([]string, len(k.Owners))
	for i, o := range k.Owners {
		who[i] = fmt.Sprintf("%s (pid %d, fd %d)", o.Comm, o.PID, o.FD)
	}
	owner := strings.Join(who, ", ")
	if owner == "" {
		owner = "no process has it open"
	}
	if k.Full {
		what += ", FULL"
	}
	return fmt.Sprintf("%-4s %-11s %s: %s: %s", k.Kind, k.State, ends, what, owner)
}
