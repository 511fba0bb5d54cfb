package check

import (
	"fmt"
	"slices"
	"sort"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// ExplainedCounters are the counters that [Explain] explains, as far as the kernel has them.
var ExplainedCounters = []string{"rx_dropped", "rx_nohandler", "rx_otherhost_dropped", "rx_missed_errors", "tx_dropped"}

// countersOf are those of [ExplainedCounters] that a device has on this kernel.
func countersOf(s *knet.Stack, d knet.Device) []string {
	return slices.DeleteFunc(slices.Clone(ExplainedCounters), func(name string) bool { return !s.HasCounter(d, name) })
}

// Explain says why the drop counters of a device rose, as far as memory tells.
func Explain(s *knet.Stack, d knet.Device) (*Report, error) { return explain(s, d, &socketOwners{}) }

func explain(s *knet.Stack, d knet.Device, owners *socketOwners) (*Report, error) {
	// The counters come first. What bounds their paths is read after them, so that on a live kernel the
	// bounds hold all that the counters have.
	var totals []*knet.Total
	var moved []string
	for _, name := range countersOf(s, d) {
		t, note, err := steadyTotal(s, d, name)
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", name, value.Printable(d.Name), err)
		}
		if totals = append(totals, t); note != "" {
			moved = append(moved, note)
		}
	}
	sc, err := look(s, d, owners)
	if err != nil {
		return nil, err
	}
	sc.readBacklog() // again: what the flow limit dropped is of the first time
	r := &Report{
		Device: sc.name(), NetNS: d.NS.String(), Kind: value.Printable(sc.kind),
		Kernel: s.K.Release(), Source: value.Printable(s.K.Image.Source()),
		Counters: []Counter{}, Handlers: []HandlerInfo{}, NoHandler: []EthertypeInfo{},
		Notes: []string{}, Next: []string{}, Missing: []string{}, Path: []string{},
	}
	r.Notes = append(r.Notes, moved...)
	for _, t := range totals {
		c, err := explainCounter(sc, r, t)
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", t.Counter, sc.name(), err)
		}
		r.Counters = append(r.Counters, *c)
	}
	r.Softnet = softnetOf(sc)
	listHandlers(sc, r)
	if oot, err := s.OutOfTree(); err == nil && oot {
		r.Notes = append(r.Notes, "a module that is not the kernel's own was loaded (taint O): what it may count in these counters by itself is not known here")
	}
	r.drawing = draw(sc)
	r.Path = r.drawing.lines(r)
	advise(sc, r)
	r.Missing = append(r.Missing, sc.missing...)
	r.Missing = append(r.Missing, unnamed(s)...)
	r.Notes = append(r.Notes, sc.notes...)
	return r, nil
}

// unnamed says that functions may stand in an answer without their names, as a part of the symbols could not be read.
func unnamed(s *knet.Stack) []string {
	syms, err := s.K.Symbols()
	if err != nil {
		return nil // nothing would have been answered
	}
	if table, ok := syms.(interface{ Err() error }); ok && table.Err() != nil {
		return []string{fmt.Sprintf("the names of some functions: %v", table.Err())}
	}
	return nil
}

// explainCounter judges the paths of a counter: of all that it counted or, in a watch, of the difference.
func explainCounter(sc *scene, r *Report, t *knet.Total) (*Counter, error) {
	name := t.Counter
	c := &Counter{
		Counter: name, AtLeast: t.AtLeast(), OwnFrom: t.Own.From,
		Own: known(t.Own), Slaves: known(t.Slaves), Driver: known(t.Driver), KernelTotal: known(t.Kernel),
		Total: known(t.Sum()), SlaveTotals: []SlaveTotal{}, DriverParts: []CounterPart{}, span: sc.span(),
	}
	for _, p := range t.DriverParts {
		c.DriverParts = append(c.DriverParts, CounterPart{value.Printable(p.From), p.N})
	}
	for _, sl := range t.EachSlave {
		c.SlaveTotals = append(c.SlaveTotals, SlaveTotal{Device: value.Printable(sl.Slave.Device.Name), Total: known(sl.Total), name: sl.Slave.Device.Name})
	}
	if t.Own.Known() {
		c.Paths = judge(sc, name, t.Own.N)
	} else {
		sc.miss(name+" as the core counts it", t.Own.Err)
	}
	driver := ""
	if sc.kind != "bond" {
		var err error
		if driver, err = sc.s.DriverStatsFunc(sc.dev); err != nil {
			return nil, err
		}
	}
	if sc.kind == "bond" {
		c.Paths = append(c.Paths, slavesPath(c))
	} else {
		own := driverPaths(c, sc.kind, driver)
		nameOwn(sc, own)
		c.Paths = append(besides(c.Paths, own), own...)
	}
	if t.Slaves.Err != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("%s: the slaves' part is at least %d: %v", name, t.SlavesSaved, t.Slaves.Err))
	}
	return c, nil
}

func known(p knet.Part) *uint64 {
	if !p.Known() {
		return nil
	}
	return num(p.N)
}

// tries bounds how often a moving counter is read again.
const tries = 5

// steadyTotal reads a total. On a live kernel, where memory and netlink are read
// one after the other, a counter that moves makes them differ: then it is read
// again, and what difference stays is told by a note.
func steadyTotal(s *knet.Stack, d knet.Device, name string) (*knet.Total, string, error) {
	var t *knet.Total
	var err error
	for range tries {
		if t, err = s.Total(d, name); err != nil {
			return nil, "", err
		}
		sum := t.Sum()
		if !t.Kernel.Known() || !sum.Known() || sum.N == t.Kernel.N {
			return t, "", nil
		}
	}
	return t, moving(name, t.Sum().N, t.Kernel.N), nil
}

// moving is the note of a counter that memory and the kernel tell differently, however often it is read.
func moving(name string, memory, kernel uint64) string {
	return fmt.Sprintf("%s: memory gives %d and the kernel's netlink %d: the counter moves faster than it can be read, or a part of it is not understood", name, memory, kernel)
}

func softnetOf(sc *scene) Softnet {
	out := Softnet{PerCPU: []CPU{}}
	if sc.softnet != nil {
		out.Dropped = num(sc.dropped)
	}
	for _, c := range sc.softnet {
		out.PerCPU = append(out.PerCPU, CPU{c.CPU, c.Processed, c.Dropped})
	}
	if n, err := sc.s.MaxBacklog(); err != nil {
		sc.miss("net.core.netdev_max_backlog", err)
	} else {
		out.MaxBacklog = num(n)
	}
	return out
}

func handlerInfo(h knet.Handler) HandlerInfo {
	info := HandlerInfo{
		Ethertype: fmt.Sprintf("0x%04x", uint16(h.Type)), Name: h.Type.Name(), List: string(h.List),
		Func: value.Printable(h.Name), Module: value.Printable(h.Module), Address: h.Func.String(),
		Device: value.Printable(h.Device), Tap: h.Tap(),
	}
	if h.Tap() {
		info.Ethertype = "all"
	}
	if h.NetNS.Value.Valid() {
		info.NetNS = h.NetNS.String()
	}
	return info
}

// listHandlers fills in what frames on the device can meet, and which ethertypes
// nothing there handles.
func listHandlers(sc *scene, r *Report) {
	handled := map[knet.Ethertype]bool{}
	only := onlyLinkLocal(sc)
	if only != "" {
		r.Notes = append(r.Notes, only)
	}
	hs := append([]knet.Handler(nil), sc.handlers...)
	sort.SliceStable(hs, func(i, j int) bool { return hs[i].Type < hs[j].Type })
	for _, h := range hs {
		r.Handlers = append(r.Handlers, handlerInfo(h))
		if !h.Tap() && !foreign(h, sc.dev.NS) {
			handled[h.Type] = true
		}
	}
	if sc.handlers == nil && len(sc.missing) > 0 {
		return // not read: nothing can be said of what is not handled
	}
	for _, k := range knet.KnownEthertypes {
		if handled[k.Type] || k.Type == knet.EthVLAN || k.Type == knet.EthQinQ {
			continue // VLAN tags are taken off before any handler is looked for
		}
		if only != "" && !isLinkLocal(k.Type) {
			continue // such frames never get as far as the handlers here
		}
		if k.Type == knet.EthSlow && takesLACP(sc) {
			continue
		}
		r.NoHandler = append(r.NoHandler, EthertypeInfo{fmt.Sprintf("0x%04x", uint16(k.Type)), k.Name, k.From})
	}
}

// onlyLinkLocal says why no frames but link-local ones meet the device's protocol
// handlers, or is empty where others do too.
func onlyLinkLocal(sc *scene) string {
	switch {
	case sc.rxHandler == "br_handle_frame":
		return fmt.Sprintf("%s is a bridge port: only link-local frames that the bridge does not forward meet its protocol handlers", sc.name())
	case sc.inactive():
		return fmt.Sprintf("%s is an inactive slave: only link-local frames meet its protocol handlers; all others those bound to it, and count in rx_nohandler without", sc.name())
	}
	return ""
}

// takesLACP reports whether the bond that the device is, or is in, takes LACP
// frames before any handler.
func takesLACP(sc *scene) bool {
	for _, b := range []*knet.Bond{sc.bond, sc.slaveOf} {
		if b != nil && sc.s.K.FuncName(b.RecvProbe) == lacpProbe {
			return true
		}
	}
	return false
}

// foreign reports whether a handler is a packet socket of another namespace. Up to
// 6.14 it is in the list of all, and takes frames from every namespace only to
// throw them away (net/packet/af_packet.c: packet_rcv).
func foreign(h knet.Handler, ns knet.NetNS) bool {
	return h.Socket && h.NetNS.Value.Valid() && h.NetNS.Inum != ns.Inum
}
