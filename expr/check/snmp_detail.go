package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// SNMPDetail follows counters to what they come from.
type SNMPDetail struct {
	Counters []string          `json:"counters"`
	Level    Level             `json:"level"` // of what Says says
	Says     string            `json:"says"`
	Sockets  []SNMPSocket      `json:"sockets"`
	More     int               `json:"more"` // sockets that are not listed
	Devices  []SNMPDevice      `json:"devices"`
	Settings map[string]string `json:"settings"` // by sysctl's names
}

// SNMPSocket is a socket that had a part in it.
type SNMPSocket struct {
	Kind    string      `json:"kind"`
	State   string      `json:"state"`
	Local   string      `json:"local"`
	Remote  string      `json:"remote"`
	Count   uint64      `json:"count"`   // its drops, or the segments that it sent again
	Waiting uint64      `json:"waiting"` // bytes in its receive queue; of a listening socket connections
	Limit   uint64      `json:"limit"`   // bytes that its queue may take; of a listening socket its backlog
	Full    bool        `json:"full"`    // it would turn away what comes now
	Owners  []SNMPOwner `json:"owners"`
}

// SNMPOwner is an open file that is the socket.
type SNMPOwner struct {
	PID  uint64 `json:"pid"`
	Comm string `json:"comm"`
	FD   int    `json:"fd"`
}

// SNMPDevice is a device's part in counters of IPv6.
type SNMPDevice struct {
	Device   string            `json:"device"`
	IPv6Off  bool              `json:"ipv6_off"`
	Counters map[string]uint64 `json:"counters"`
}

// A snmpDrill follows counters that are not 0. What it cannot read it adds to the report's Missing.
type snmpDrill struct {
	s     *knet.Stack
	ns    knet.NetNS
	t     *knet.SNMP
	r     *SNMPReport
	moved map[string]bool // counters that were asked for and are not 0

	settings map[string]string
	owners   map[kmem.Addr][]knet.Owner
	asked    bool
}

func (d *snmpDrill) all() {
	for _, follow := range []func() error{
		d.headers, d.fragments, d.routes, d.ipv6Devices, d.datagrams, d.listening, d.retransmissions,
	} {
		if err := follow(); err != nil {
			d.r.Missing = append(d.r.Missing, value.Printable(err.Error()))
		}
	}
}

// which are the counters of a list that moved.
func (d *snmpDrill) which(names ...string) (out []string) {
	for _, n := range names {
		if d.moved[n] {
			out = append(out, n)
		}
	}
	return out
}

func (d *snmpDrill) sum(names ...string) (n uint64) {
	for _, name := range names {
		n += d.t.Get(name)
	}
	return n
}

// add appends a detail, with the settings named.
func (d *snmpDrill) add(x SNMPDetail, settings ...string) {
	if x.Sockets == nil {
		x.Sockets = []SNMPSocket{}
	}
	if x.Devices == nil {
		x.Devices = []SNMPDevice{}
	}
	if x.Settings == nil {
		x.Settings = map[string]string{}
	}
	if d.settings == nil {
		d.settings = d.s.NetSettings(d.ns)
	}
	for _, name := range settings {
		if v, ok := d.settings[name]; ok {
			x.Settings[name] = v
		}
	}
	d.r.Details = append(d.r.Details, x)
}

// headers tells wrong checksums from other bad headers: each of the former is in both counters
// (net/ipv4/ip_input.c: ip_rcv_core).
func (d *snmpDrill) headers() error {
	which := d.which("IpInHdrErrors", "IpExtInCsumErrors")
	if len(which) == 0 {
		return nil
	}
	if _, ok := d.t.Lookup("IpExtInCsumErrors"); !ok {
		return nil
	}
	bad, sums := d.t.Get("IpInHdrErrors"), d.t.Get("IpExtInCsumErrors")
	x := SNMPDetail{Counters: which, Level: Proved}
	switch {
	case bad == sums:
		x.Says = fmt.Sprintf("InHdrErrors equals InCsumErrors: all %d packets had a wrong header checksum", bad)
	case bad < sums:
		x.Level = CannotTell
		x.Says = fmt.Sprintf("InHdrErrors is %d and InCsumErrors %d, which is not less on a kernel at rest: they move", bad, sums)
	case sums == 0:
		x.Says = fmt.Sprintf("none of the %d packets had a wrong header checksum: their version or length was bad, or their options, or their time to live ran out while they were forwarded (IcmpOutTimeExcds is %d)", bad, d.t.Get("IcmpOutTimeExcds"))
	default:
		x.Says = fmt.Sprintf("%d of the %d packets had a wrong header checksum; of the other %d the version or length was bad, or the options, or their time to live ran out while they were forwarded (IcmpOutTimeExcds is %d)", sums, bad, bad-sums, d.t.Get("IcmpOutTimeExcds"))
	}
	d.add(x)
	return nil
}

// fragments tells what became of them: one that times out is in ReasmTimeout and in ReasmFails, one that
// overlaps in ReasmOverlaps and in ReasmFails (net/ipv4/ip_fragment.c, net/ipv6/reassembly.c).
func (d *snmpDrill) fragments() error {
	for _, f := range []struct{ family, name, fails, timeout, overlaps, sysctl string }{
		{"ipv4", "IPv4", "IpReasmFails", "IpReasmTimeout", "IpExtReasmOverlaps", "net.ipv4.ipfrag_high_thresh"},
		{"ipv6", "IPv6", "Ip6ReasmFails", "Ip6ReasmTimeout", "Ip6ReasmOverlaps", "net.ipv6.ip6frag_high_thresh"},
	} {
		which := d.which(f.fails, f.timeout, f.overlaps)
		if len(which) == 0 {
			continue
		}
		mem, err := d.s.Fragments(d.ns, f.family)
		if err != nil {
			return fmt.Errorf("the memory of %s's fragments: %w", f.name, err)
		}
		fails, late, over := d.t.Get(f.fails), d.t.Get(f.timeout), d.t.Get(f.overlaps)
		x := SNMPDetail{Counters: which, Level: Proved, Settings: map[string]string{f.sysctl: fmt.Sprint(mem.HighThresh)}}
		switch rest := int64(fails - late - over); {
		case rest < 0:
			x.Level = CannotTell
			x.Says = fmt.Sprintf("ReasmFails is %d, ReasmTimeout %d, ReasmOverlaps %d: the first should not be less than the others together; they move", fails, late, over)
		case rest == 0 && over == 0:
			x.Says = fmt.Sprintf("all %d failures of %s: fragments did not come in time", fails, f.name)
		default:
			x.Says = fmt.Sprintf("of %d failures of %s: %d fragments did not come in time, %d overlapped; the other %d were broken, or there was no memory for them", fails, f.name, late, over, rest)
		}
		x.Says += fmt.Sprintf(". Fragments hold %d bytes now, of %d that they may; %d packets wait for the rest", mem.Used, mem.HighThresh, mem.Queues)
		d.add(x)
	}
	return nil
}

// routes says what a missing route means: without forwarding such packets are IpInAddrErrors (net/ipv4/route.c:
// ip_error).
func (d *snmpDrill) routes() error {
	which := d.which("IpInAddrErrors", "IpExtInNoRoutes")
	if len(which) == 0 {
		return nil
	}
	d.add(SNMPDetail{
		Counters: which, Level: CannotTell,
		Says: "memory does not keep the packets' addresses. A device that forwards counts those without a route in IpExtInNoRoutes, one that does not in IpInAddrErrors. Next: tcpdump -ni any 'ip and not host ADDRESS' for each address of this host",
	}, "net.ipv4.conf.all.forwarding")
	return nil
}

// ip6DeviceCounters are those of devices that are worth telling apart.
var ip6DeviceCounters = []string{
	"Ip6InHdrErrors", "Ip6InTooBigErrors", "Ip6InNoRoutes", "Ip6InAddrErrors", "Ip6InUnknownProtos", "Ip6InTruncatedPkts",
	"Ip6InDiscards", "Ip6OutDiscards", "Ip6OutNoRoutes", "Ip6ReasmFails", "Ip6FragFails",
}

// ipv6Devices shares IPv6's drops among the devices.
func (d *snmpDrill) ipv6Devices() error {
	which := d.which(ip6DeviceCounters...)
	if len(which) == 0 {
		return nil
	}
	devices, err := d.s.Devices(d.ns)
	if err != nil {
		return err
	}
	x := SNMPDetail{Counters: which, Level: Proved}
	rest := map[string]int64{}
	for _, name := range which {
		rest[name] = int64(d.t.Get(name))
	}
	for _, dev := range devices {
		c, ok, err := d.s.DeviceIPv6(dev)
		if err != nil {
			return fmt.Errorf("IPv6's counters of %s: %w", dev.Label(), err)
		}
		if !ok {
			continue
		}
		row := SNMPDevice{Device: value.Printable(dev.Name), IPv6Off: c.Off, Counters: map[string]uint64{}}
		for _, name := range which {
			if n := c.Counters[name]; n > 0 {
				row.Counters[name] = n
				rest[name] -= int64(n)
			}
		}
		if len(row.Counters) > 0 {
			x.Devices = append(x.Devices, row)
		}
	}
	var left []string
	for _, name := range which {
		if n := rest[name]; n > 0 {
			left = append(left, fmt.Sprintf("%d of %s", n, name))
		}
	}
	x.Says = "IPv6's drops by device"
	if len(left) > 0 {
		x.Says += fmt.Sprintf("; %s are of no device that is here: of one without IPv6, or that has gone, or of none", strings.Join(left, ", "))
	}
	d.add(x)
	return nil
}

// ownersOf are the open files that are a socket. Without them the answer stands, and says so.
func (d *snmpDrill) ownersOf(sk kmem.Addr) []SNMPOwner {
	if !d.asked {
		d.asked = true
		var err error
		if d.owners, err = d.s.Owners(); err != nil {
			d.r.Missing = append(d.r.Missing, value.Printable("whose the sockets are: "+err.Error()))
		}
	}
	out := []SNMPOwner{}
	for _, o := range d.owners[sk] {
		out = append(out, SNMPOwner{o.PID, value.Printable(o.Comm), o.FD})
	}
	return out
}

// keptSockets is how many sockets a detail lists; a busy host has very many that sent something again.
const keptSockets = 1000

// A socketList is those of the sockets that had a part, most first, and what they add up to.
type socketList struct {
	kept []SNMPSocket
	at   []kmem.Addr
	sum  uint64
	more int // that are not kept
}

func (l *socketList) add(k SNMPSocket, at kmem.Addr) {
	l.sum += k.Count
	l.kept, l.at = append(l.kept, k), append(l.at, at)
	if len(l.kept) >= 2*keptSockets {
		l.cut()
	}
}

// cut sorts, and forgets the least.
func (l *socketList) cut() {
	order := make([]int, len(l.kept))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(l.kept[b].Count, l.kept[a].Count) })
	if len(order) > keptSockets {
		l.more += len(order) - keptSockets
		order = order[:keptSockets]
	}
	kept, at := make([]SNMPSocket, len(order)), make([]kmem.Addr, len(order))
	for i, j := range order {
		kept[i], at[i] = l.kept[j], l.at[j]
	}
	l.kept, l.at = kept, at
}

// sockets collects those of some kinds.
func (d *snmpDrill) sockets(kinds []string, pick func(knet.Socket) (SNMPSocket, bool, error)) (l socketList, err error) {
	for _, kind := range kinds {
		err := d.s.EachSocket(kind, []knet.NetNS{d.ns}, func(k knet.Socket) error {
			x, ok, err := pick(k)
			if err != nil || !ok {
				return err
			}
			x.Kind, x.State = k.Kind, k.State
			x.Local, x.Remote = socketEnd(k.Local), socketEnd(k.Remote)
			l.add(x, k.Addr())
			return nil
		})
		if err != nil {
			return l, err
		}
	}
	l.cut()
	for i, at := range l.at {
		l.kept[i].Owners = d.ownersOf(at)
	}
	return l, nil
}

func socketEnd(e knet.Endpoint) string {
	if !e.Addr.IsValid() {
		return "*"
	}
	host := e.Addr.String()
	if !e.Addr.Is4() {
		host = "[" + host + "]"
	}
	if e.Port == 0 {
		return host + ":*"
	}
	return fmt.Sprintf("%s:%d", host, e.Port)
}
