package check

import (
	"fmt"
	"strconv"
	"strings"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// HandlerReport is the answer of handler: who takes frames of an ethertype. Its
// JSON form is stable like [Report]'s.
type HandlerReport struct {
	Ethertype string `json:"ethertype"` // "0x0004"
	Name      string `json:"name"`
	Device    string `json:"device"` // "" where no device was asked for
	NetNS     string `json:"netns"`
	Kernel    string `json:"kernel"`
	Source    string `json:"source"`
	// Verdict is "handled", "tap" (a tap alone sees the frame), "rx_handler" (it
	// goes to another device, of which Then is the answer), "none", or "unknown".
	Verdict string `json:"verdict"`
	Taken   bool   `json:"taken"` // something takes the frame: exit code 0
	// OnSome says that this is so on some devices alone, where no device was asked for.
	OnSome bool `json:"on_some"`
	// Entries are the handlers that match, most specific last, as the kernel asks
	// them.
	Entries []HandlerInfo `json:"entries"`
	Taps    []HandlerInfo `json:"taps"`
	// RxHandler takes the device's frames before any protocol handler does.
	RxHandler string `json:"rx_handler"`
	// RecvProbe looks at the frames of a bond's slaves first.
	RecvProbe string `json:"recv_probe"`
	// SAPs are the open LLC SAPs, for 0x0004; null where LLC is not loaded.
	SAPs    []string       `json:"saps"`
	Counted string         `json:"counted"` // the counter that a frame nobody takes raises
	Summary string         `json:"summary"`
	Notes   []string       `json:"notes"`
	Then    *HandlerReport `json:"then"` // on the device that the frame moves to
	Missing []string       `json:"missing"`
}

// Handler says who takes frames of an ethertype that arrive on a device.
func Handler(s *knet.Stack, e knet.Ethertype, d knet.Device) (*HandlerReport, error) {
	r, err := handlerOn(s, e, d, nil, 0)
	if err == nil {
		r.Missing = append(r.Missing, unnamed(s)...)
	}
	return r, err
}

// maxHops bounds how often a frame is handed on: a slave, its bond, that one's
// bridge, and room to spare.
const maxHops = 8

func newHandlerReport(s *knet.Stack, e knet.Ethertype, ns knet.NetNS) *HandlerReport {
	return &HandlerReport{
		Ethertype: fmt.Sprintf("0x%04x", uint16(e)), Name: e.Name(), NetNS: ns.String(),
		Kernel: s.K.Release(), Source: value.Printable(s.K.Image.Source()),
		Entries: []HandlerInfo{}, Taps: []HandlerInfo{}, Notes: []string{}, Missing: []string{},
	}
}

// HandlerAnywhere says who takes frames of an ethertype on any device of a
// namespace, and which devices have something of their own that takes it.
func HandlerAnywhere(s *knet.Stack, e knet.Ethertype, ns knet.NetNS) (*HandlerReport, error) {
	if err := onEthernet(e); err != nil {
		return nil, err
	}
	r := newHandlerReport(s, e, ns)
	hs, err := s.GlobalHandlers(ns)
	if err != nil {
		return nil, err
	}
	r.addEntries(hs, e, ns)
	var some []string // what takes it on one device alone
	err = s.EachDevice(ns, func(d knet.Device) error {
		on, err := ownTakers(s, e, d)
		some = append(some, on...)
		return err
	})
	if err != nil {
		r.Missing = append(r.Missing, fmt.Sprintf("what takes it on single devices: %v", err))
	}
	r.llc(s, e)
	where := "any device of " + ns.String()
	switch {
	case r.Taken:
		r.Notes = append(r.Notes, some...)
		r.Verdict, r.Summary = "handled", fmt.Sprintf("%s takes %s on %s", r.funcs(), e, where)
	case len(some) > 0:
		r.Verdict, r.Taken, r.OnSome = "handled", true, true
		r.Summary = fmt.Sprintf("nothing takes %s on %s, but on some: %s", e, where, strings.Join(some, "; "))
	default:
		r.Verdict = "none"
		r.Summary = fmt.Sprintf("none: nothing takes %s on %s (what becomes of such a frame, and what counts it, is a question for one device: kinspect handler %s DEV)", e, where, r.Ethertype)
	}
	r.Missing = append(r.Missing, unnamed(s)...)
	return r, nil
}

// ownTakers tells what takes an ethertype on one device, apart from the handlers of
// all devices.
func ownTakers(s *knet.Stack, e knet.Ethertype, d knet.Device) ([]string, error) {
	var out []string
	name := value.Printable(d.Name)
	bound, err := s.BoundHandlers(d)
	if err != nil {
		return nil, err
	}
	for _, h := range matching(bound, e) {
		out = append(out, fmt.Sprintf("on %s %s", name, h.Label()+owner(h)))
	}
	if e == knet.EthVLAN || e == knet.EthQinQ {
		vlans, err := s.VLANs(d)
		for _, v := range vlans {
			if v.Err != nil || v.Proto == e {
				out = append(out, fmt.Sprintf("on %s its VLAN device %s", name, vlanLabel(v)))
			}
		}
		return out, err
	}
	if is, err := knet.IsBond(d); err != nil || !is || e != knet.EthSlow {
		return out, err
	}
	b, err := s.Bond(d)
	if err == nil && s.K.FuncName(b.RecvProbe) == lacpProbe {
		out = append(out, fmt.Sprintf("on the slaves of %s its recv_probe %s (LACP)", name, s.K.Symbolize(b.RecvProbe)))
	}
	return out, err
}

// firstEthertype is the lowest number that an Ethernet header has for a type; what
// is below is the length of an 802.3 frame (net/ethernet/eth.c: eth_type_trans).
const firstEthertype = 0x0600

// onEthernet refuses numbers that no Ethernet frame has as its type.
func onEthernet(e knet.Ethertype) error {
	switch {
	case e >= firstEthertype || e == knet.Eth8022 || e == 0x0001:
		return nil
	case e == knet.EthAll:
		return fmt.Errorf("0x0003 stands for all frames, not for an ethertype: the taps that see all are in what explain and handler say of a device")
	}
	return fmt.Errorf("0x%04x is no ethertype: below 0x0600 the field is the length of an 802.3 frame, which is 0x0004 (802.2) to the kernel: kinspect handler 0x0004%s", uint16(e), hexHint(e))
}

// hexHint guesses at a hexadecimal number that was written without 0x.
func hexHint(e knet.Ethertype) string {
	n, err := strconv.ParseUint(strconv.Itoa(int(e)), 16, 16)
	if err != nil || n < firstEthertype {
		return ""
	}
	return fmt.Sprintf(" (or was 0x%04x meant?)", n)
}

func (r *HandlerReport) addEntries(hs []knet.Handler, e knet.Ethertype, ns knet.NetNS) {
	for _, h := range hs {
		if h.Tap() {
			r.Taps = append(r.Taps, handlerInfo(h))
		}
	}
	for _, h := range matching(hs, e) {
		r.Entries = append(r.Entries, handlerInfo(h))
		if foreign(h, ns) {
			r.Notes = append(r.Notes, fmt.Sprintf("%s belongs to the namespace %s: it takes the frame and throws it away, and so the drop is not counted", h.Label(), h.NetNS))
			continue
		}
		r.Taken = true
	}
}

// llc adds the SAPs behind the handler of 802.2 frames.
func (r *HandlerReport) llc(s *knet.Stack, e knet.Ethertype) {
	if e != knet.Eth8022 {
		return
	}
	saps, loaded, err := s.SAPs()
	switch {
	case err != nil:
		r.Missing = append(r.Missing, err.Error())
	case !loaded:
		r.Notes = append(r.Notes, "the module llc, which handles 802.2 frames, is not loaded")
	default:
		r.SAPs = []string{}
		for _, p := range saps {
			r.SAPs = append(r.SAPs, p.Label())
		}
		r.Notes = append(r.Notes, "of the frames that llc takes, those for a SAP that is not open are dropped there, and counted in no counter of the device")
	}
}

// conclude fills in verdict and summary once entries and taps are known. tapsHide
// says that a tap keeps an unhandled frame from being counted.
func (r *HandlerReport) conclude(e knet.Ethertype, where, counted string, tapsHide bool) {
	foreignOnly := len(r.Entries) > 0 && !r.Taken
	switch {
	case r.Taken:
		r.Verdict = "handled"
		r.Summary = fmt.Sprintf("%s takes %s on %s", r.funcs(), e, where)
	case foreignOnly:
		r.Verdict = "none"
		r.Summary = fmt.Sprintf("none: a packet socket of another namespace takes %s on %s and throws it away", e, where)
	case len(r.Taps) > 0 && tapsHide:
		r.Verdict, r.Taken = "tap", true
		r.Summary = fmt.Sprintf("only a tap sees %s on %s (%s): no protocol handles it, and while the tap is open the frame is not counted as dropped", e, where, r.Taps[0].Func)
	default:
		r.Verdict, r.Counted = "none", counted
		r.Summary = fmt.Sprintf("none: such a frame on %s is dropped and counted in %s", where, counted)
	}
}

// funcs names the handlers that match, with their modules.
func (r *HandlerReport) funcs() string {
	s := ""
	for i, h := range r.Entries {
		if i > 0 {
			s += " and "
		}
		s += h.Func
		if h.Module != "" {
			s += " [" + h.Module + "]"
		}
		if h.NetNS != "" {
			s += " (packet socket of " + h.NetNS + ")"
		}
	}
	return s
}

// handlerOn follows a frame from device to device. orig are the handlers bound to
// the device that it came in by, which count all the way (net/core/dev.c:
// orig_dev->ptype_specific).
func handlerOn(s *knet.Stack, e knet.Ethertype, d knet.Device, orig []knet.Handler, hops int) (*HandlerReport, error) {
	sc, err := look(s, d, &socketOwners{})
	if err != nil {
		return nil, err
	}
	if sc.handlers == nil && len(sc.missing) > 0 {
		return nil, fmt.Errorf("%s", sc.missing[len(sc.missing)-1])
	}
	r := newHandlerReport(s, e, d.NS)
	r.Device = sc.name()
	if e == knet.EthVLAN || e == knet.EthQinQ {
		return r, vlanTagged(sc, r, e, hops)
	}
	if ether, err := d.Ethernet(); err != nil {
		return nil, err
	} else if ether {
		if err := onEthernet(e); err != nil {
			return nil, err
		}
	}
	r.addEntries(append(append([]knet.Handler(nil), sc.handlers...), orig...), e, d.NS)
	r.llc(s, e)
	flush, err := s.FlushesTaps(d)
	if err != nil {
		return nil, err
	}
	if flush != "" && len(r.Taps) > 0 {
		r.Notes = append(r.Notes, flush+" on "+sc.name()+" comes after the taps: they hide no drop")
	}
	if sc.bond != nil {
		bondProbe(sc, r, e)
	}
	if sc.rxHandler != "" {
		f, _ := d.RxHandler()
		r.RxHandler = s.K.Symbolize(f)
		return r, throughRxHandler(sc, r, e, hops)
	}
	r.conclude(e, sc.name(), sc.name()+"'s rx_dropped", flush == "")
	if e == knet.EthIPv6 && r.Taken {
		if text, err := ipv6Off(sc); err != nil {
			sc.miss("whether IPv6 is on", err)
		} else if text != "" {
			r.Notes = append(r.Notes, text)
		}
	}
	if sc.bond != nil && r.RecvProbe != "" && e == knet.EthSlow && s.K.FuncName(sc.bond.RecvProbe) == lacpProbe {
		r.Verdict, r.Taken, r.Counted = "handled", true, ""
		r.Summary = fmt.Sprintf("%s's recv_probe %s takes LACP frames on its slaves, before they reach %s; %s", sc.name(), r.RecvProbe, sc.name(), otherSlow(r))
	}
	if sc.bond != nil && e == knet.EthSlow && sc.bond.TypesErr != nil && sc.bond.RecvProbe == 0 && r.Verdict == "none" {
		r.Verdict, r.Counted = "unknown", ""
		r.Summary = fmt.Sprintf("cannot tell: no protocol handler takes 0x8809 on %s, but the bond itself may, on its slaves", sc.name())
	}
	r.Missing = append(r.Missing, sc.missing...)
	return r, nil
}

// otherSlow says what becomes of frames of 0x8809 that are not LACP's.
func otherSlow(r *HandlerReport) string {
	if len(r.Entries) > 0 {
		return "other frames of 0x8809 go to " + r.funcs()
	}
	return fmt.Sprintf("other frames of 0x8809 have no handler, and are counted in %s's rx_dropped", r.Device)
}

func bondProbe(sc *scene, r *HandlerReport, e knet.Ethertype) {
	b := sc.bond
	switch {
	case b.RecvProbe != 0:
		r.RecvProbe = sc.s.K.Symbolize(b.RecvProbe)
		if e == knet.EthSlow || e == knet.EthARP || e == knet.EthIPv6 {
			r.Notes = append(r.Notes, "on each slave, the bond's recv_probe "+r.RecvProbe+" "+probeText(sc.s.K.FuncName(b.RecvProbe)))
		}
	case b.TypesErr != nil && e == knet.EthSlow:
		r.Missing = append(r.Missing, fmt.Sprintf("whether the bond's recv_probe takes the frame first: %v", b.TypesErr))
	}
}

// throughRxHandler answers for a device whose rx_handler comes before its protocol
// handlers.
func throughRxHandler(sc *scene, r *HandlerReport, e knet.Ethertype, hops int) error {
	defer func() { r.Missing = append(r.Missing, sc.missing...) }()
	does, ok := handlerFuncs[sc.rxHandler]
	if !ok {
		r.Missing = append(r.Missing, fmt.Sprintf("what the rx_handler %s does with the frame is not known here", r.RxHandler))
		does = "takes the frame first"
	}
	master, has, err := sc.handedTo()
	if err != nil {
		return err
	}
	if sc.rxHandler == "bond_handle_frame" && sc.slaveOf != nil {
		if done := inactiveSlave(sc, r, e); done {
			return nil
		}
	}
	if sc.rxHandler == "br_handle_frame" {
		if done, err := keptByPort(sc, r, e); done || err != nil {
			return err
		}
	}
	if sc.hasUppers() {
		return pastMacvlans(sc, r, e, hops)
	}
	if !has || hops >= maxHops {
		r.Verdict, r.Taken = "rx_handler", ok
		r.Summary = fmt.Sprintf("%s's rx_handler %s %s", sc.name(), r.RxHandler, does)
		return nil
	}
	bound, err := sc.s.BoundHandlers(sc.dev)
	if err != nil {
		return err
	}
	if r.Then, err = handlerOn(sc.s, e, master, bound, hops+1); err != nil {
		return err
	}
	r.Verdict, r.Taken, r.Counted = "rx_handler", r.Then.Taken, r.Then.Counted
	r.Summary = fmt.Sprintf("%s's rx_handler %s %s; there, %s", sc.name(), r.RxHandler, does, r.Then.Summary)
	r.Missing = append(r.Missing, r.Then.Missing...)
	return nil
}

// inactiveSlave answers for a bond's inactive slave: link-local frames stay with
// the slave and meet all handlers, others those bound to it alone
// (drivers/net/bonding/bond_main.c: bond_handle_frame). It reports whether that is
// the whole answer.
func inactiveSlave(sc *scene, r *HandlerReport, e knet.Ethertype) bool {
	if sc.slaveOf.TypesErr != nil {
		r.Missing = append(r.Missing, fmt.Sprintf("whether %s is an active slave: %v", sc.name(), sc.slaveOf.TypesErr))
		return false
	}
	sl, ok := sc.slaveOf.Slave(sc.dev)
	if !ok || !sl.Inactive {
		return false
	}
	var bound int
	for _, h := range r.Entries {
		if h.Device != "" {
			bound++
		}
	}
	bond := value.Printable(sc.slaveOf.Device.Name)
	if sc.slaveOf.ModeName() == "balance-alb" && !isLinkLocal(e) {
		r.Notes = append(r.Notes, fmt.Sprintf("%s is an inactive slave of %s: in balance-alb its unicast frames go to the bond all the same, multicast and broadcast meet the handlers bound to %s alone", sc.name(), bond, sc.name()))
		return false
	}
	if e == knet.EthSlow && sc.s.K.FuncName(sc.slaveOf.RecvProbe) == lacpProbe {
		r.RecvProbe = sc.s.K.Symbolize(sc.slaveOf.RecvProbe)
		r.Verdict, r.Taken = "handled", true
		r.Summary = fmt.Sprintf("%s's recv_probe %s takes LACP frames on %s, an inactive slave too", bond, r.RecvProbe, sc.name())
		return true
	}
	r.Notes = append(r.Notes, fmt.Sprintf("%s is an inactive slave of %s: link-local frames (01:80:c2:00:00:0x) meet %s's own handlers, all others those bound to %s alone", sc.name(), bond, sc.name(), sc.name()))
	switch {
	case bound > 0:
		r.Verdict, r.Taken = "handled", true
		r.Summary = fmt.Sprintf("%s takes %s on %s", r.funcs(), e, sc.name())
	case r.Taken && isLinkLocal(e):
		r.Verdict = "handled"
		r.Summary = fmt.Sprintf("%s takes link-local frames of %s on %s, an inactive slave; others are dropped and counted in its rx_nohandler", r.funcs(), e, sc.name())
	case r.Taken:
		r.Verdict, r.Taken, r.Counted = "none", false, sc.name()+"'s rx_nohandler"
		r.Summary = fmt.Sprintf("none: such a frame on %s, an inactive slave of %s, is dropped and counted in %s (%s would take it if it went to a link-local address)", sc.name(), bond, r.Counted, r.funcs())
	default:
		r.Verdict = "none"
		r.Counted = fmt.Sprintf("%s's rx_nohandler, or its rx_dropped for link-local frames", sc.name())
		r.Summary = fmt.Sprintf("none: such a frame on %s, an inactive slave of %s, is dropped and counted in %s", sc.name(), bond, r.Counted)
	}
	return true
}
