package check

import (
	"fmt"
	"strings"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// picture draws the device's receive path as lines of text, from the devices that
// frames come in by down to the protocol handlers, with the counters on the way.
func picture(sc *scene, r *Report) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	indent := ""
	if sc.bond == nil {
		for _, l := range below(sc) {
			add("%s", l)
			indent = "       "
		}
	} else {
		for _, sl := range sc.bond.Slaves {
			add("%s%s", value.Printable(sl.Device.Name), slaveState(sc.bond, sl)+slaveCounters(r, sl))
			handler := "(no rx_handler)"
			if f, err := sl.Device.RxHandler(); err == nil && f != 0 {
				handler = sc.s.K.Symbolize(f)
			}
			if sc.bond.TypesErr == nil && sl.Inactive {
				if sc.bond.ModeName() == "balance-alb" {
					add("  └─ rx_handler %s → %s for unicast frames; the slave is inactive for all others", handler, sc.name())
					continue
				}
				add("  └─ rx_handler %s: the slave is inactive, its frames stop here", handler)
				continue
			}
			probe := ""
			if sc.bond.RecvProbe != 0 {
				probe = ", after its recv_probe " + sc.s.K.Symbolize(sc.bond.RecvProbe)
			}
			add("  └─ rx_handler %s → %s%s", handler, sc.name(), probe)
		}
		indent = "       "
	}
	state := "up"
	if !sc.running {
		state = "down"
	}
	add("%s%s (%s, %s)%s", indent, sc.name(), describeKind(sc), state, ownCounters(r))
	if taps := tapNames(sc); taps != "" {
		add("%s  ├─ taps that see every frame: %s", indent, taps)
	}
	switch {
	case sc.rxHandler != "":
		f, _ := sc.dev.RxHandler()
		to := ""
		if m, ok, err := sc.s.Master(sc.dev); err == nil && ok {
			to = " → " + value.Printable(m.Name)
		}
		if sc.inactive() {
			to = ": an inactive slave" + strings.Replace(to, " → ", " of ", 1)
		}
		add("%s  ├─ rx_handler %s%s", indent, sc.s.K.Symbolize(f), to)
	default:
		add("%s  ├─ rx_handler: none", indent)
	}
	add("%s  ├─ protocol handlers: %s", indent, protocolNames(sc))
	add("%s  └─ no handler → dropped%s", indent, unhandledCount(r))
	return out
}

// below are the devices that this one's frames come from, but for a bond's slaves.
func below(sc *scene) []string {
	lower, err := sc.s.Lower(sc.dev)
	if err != nil {
		sc.miss("the devices below", err)
		return nil
	}
	var out []string
	for i, l := range lower {
		if i == maxDrawn {
			return append(out, fmt.Sprintf("… %d more", len(lower)-i))
		}
		how := "VLAN tag"
		if sc.kind != "vlan" {
			how = "rx_handler"
			if f, err := l.Device.RxHandler(); err == nil && f != 0 {
				how += " " + sc.s.K.Symbolize(f)
			}
		}
		out = append(out, fmt.Sprintf("%s → %s → %s", value.Printable(l.Device.Name), how, sc.name()))
	}
	return out
}

// maxDrawn bounds the devices below that are drawn.
const maxDrawn = 16

func describeKind(sc *scene) string {
	switch {
	case sc.bond != nil && sc.bond.ModeName() != "":
		return "bond, " + sc.bond.ModeName()
	case sc.kind != "":
		return value.Printable(sc.kind)
	case sc.driver != "":
		return "driver " + value.Printable(sc.driver)
	}
	return "device"
}

func slaveState(b *knet.Bond, sl knet.Slave) string {
	switch {
	case b.TypesErr != nil:
		return " (slave)"
	case sl.Inactive:
		return " (inactive slave)"
	}
	return " (active slave)"
}

func slaveCounters(r *Report, sl knet.Slave) string {
	s := ""
	for _, c := range r.Counters {
		for _, t := range c.SlaveTotals {
			if t.Device == value.Printable(sl.Device.Name) {
				s += fmt.Sprintf("  %s %s", c.Counter, text(t.Total))
			}
		}
	}
	return s
}

func ownCounters(r *Report) string {
	s := ""
	for _, c := range r.Counters {
		s += fmt.Sprintf("  %s %s", c.Counter, text(c.Own))
	}
	return s + " of its own"
}

func tapNames(sc *scene) string {
	var names []string
	for _, h := range sc.handlers {
		if h.Tap() {
			names = append(names, h.Label()+owner(h))
		}
	}
	return strings.Join(names, ", ")
}

func owner(h knet.Handler) string {
	if h.NetNS.Value.Valid() {
		return " (packet socket of " + h.NetNS.String() + ")"
	}
	return ""
}

func protocolNames(sc *scene) string {
	var names []string
	for _, h := range sc.handlers {
		if !h.Tap() {
			names = append(names, fmt.Sprintf("0x%04x %s%s", uint16(h.Type), h.Label(), owner(h)))
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func unhandledCount(r *Report) string {
	for _, c := range r.Counters {
		for _, p := range c.Paths {
			if p.ID == "unhandled-protocol" && p.Verdict == Fired {
				return fmt.Sprintf(", %s in rx_dropped", amount(p))
			}
		}
	}
	return ""
}

// amount prints how many frames a path took, as far as that is known.
func amount(p PathResult) string {
	switch {
	case p.Count != nil:
		return fmt.Sprint(*p.Count)
	case p.Max != nil:
		return fmt.Sprintf("%d to %d", p.Min, *p.Max)
	}
	return fmt.Sprintf("at least %d", p.Min)
}
