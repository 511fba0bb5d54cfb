package probe

import (
	"fmt"
	"slices"
	"strings"

	"kinspect/expr/value"
)

// A Role is what a function of a preset stands for: kernels have other functions for it, or several.
type Role string

// The roles of the preset tcp.
const (
	RoleSend       Role = "send calls"
	RoleReceive    Role = "receive calls"
	RoleOut        Role = "segments sent"
	RoleRetransmit Role = "retransmits"
	RoleIn         Role = "segments received"
	RoleHandover   Role = "frames from drivers"
	RoleStack      Role = "frames in the stack"
)

// presetRole is a role, and the functions that have it, all of them together.
type presetRole struct {
	role  Role
	names []string
	about string
}

// presetTCP is what tells whether TCP loses packets. A frame passes one of the functions of each role of frames, and not
// two, but for those that an inner device receives again.
var presetTCP = []presetRole{
	{RoleSend, []string{"tcp_sendmsg"}, "calls that send on a TCP socket"},
	{RoleReceive, []string{"tcp_recvmsg"}, "calls that receive on one"},
	{RoleOut, []string{"__tcp_transmit_skb", "tcp_make_synack"}, "what TCP hands to IP: data, acknowledgements, retransmits, answers to a SYN; several segments at once where they are cut later (GSO). Resets are not among them"},
	// And what retransmitFunctions finds: answers to a SYN have a function of their own.
	{RoleRetransmit, []string{"tcp_rtx_synack"}, "what it sends once more, or tries to"},
	{RoleIn, []string{"tcp_v4_rcv", "tcp_v6_rcv"}, "what IP hands to TCP; several segments at once where they were joined (GRO)"},
	{RoleHandover, []string{"napi_gro_receive", "gro_receive_skb", "napi_gro_frags", "netif_receive_skb", "netif_receive_skb_list", "netif_rx", "__netif_rx", "netif_rx_ni"}, "what drivers, and loopback, hand to the stack"},
	{RoleStack, []string{"__netif_receive_skb_core"}, "what the stack takes up, joined by GRO where it does that"},
}

// Presets are the names of presets.
func Presets() []string { return []string{"tcp"} }

// FindPreset finds the functions of a preset that this kernel has, beside others that are asked for by name.
func FindPreset(k *value.Kernel, preset string, specs []string) (*CountPlan, error) {
	if preset != "tcp" {
		return nil, fmt.Errorf("there is no preset %s: there is %s", value.Quote(preset), strings.Join(Presets(), ", "))
	}
	var list []*wanted
	again, note := retransmitFunctions(k)
	for _, r := range presetTCP {
		names := r.names
		if r.role == RoleRetransmit {
			names = slices.Concat(again, names)
		}
		for _, n := range names {
			list = append(list, &wanted{text: n, name: n, role: r.role})
		}
	}
	for _, s := range specs {
		w, err := newWanted(s)
		if err != nil {
			return nil, err
		}
		list = append(list, w)
	}
	p, err := findCounted(k, list)
	if err != nil {
		return nil, err
	}
	p.Preset = preset
	if note != "" {
		p.Notes = append(p.Notes, note)
	}
	for _, r := range presetTCP {
		if !slices.ContainsFunc(p.Funcs, func(f CountFunc) bool { return f.Role == r.role }) {
			p.Lacking = append(p.Lacking, r.role)
			p.Notes = append(p.Notes, fmt.Sprintf("this kernel has no %s to be counted: %s are not known", strings.Join(r.names, ", "), r.role))
		}
	}
	return p, nil
}

// How sure a reading is.
const (
	Certain  = "certain"
	Likely   = "likely"
	Possible = "possible"
	Open     = "open" // the figures do not tell
)

// A Reading is what the figures of a preset allow to say.
type Reading struct {
	Name    string `json:"name"`
	Finding bool   `json:"finding"` // something is amiss
	Sure    string `json:"sure"`
	Text    string `json:"text"`
}

// What counts as many retransmits: of so many sent, this part in a hundred, and more than the one or two that a tail loss
// probe or a receiver that was late for once also makes (net/ipv4/tcp_output.c:tcp_send_loss_probe).
const (
	manyRetransmits   = 1.0
	fewestSent        = 20
	fewestRetransmits = 3
)

// Readings are those of the preset tcp. They say no more than the figures do.
func Readings(p *CountPlan, r CountResult, seconds float64) (list []Reading) {
	n := map[Role]uint64{}
	known := map[Role]bool{}
	for _, row := range r.Rows {
		if row.Role != "" {
			n[row.Role] += row.Count
			known[row.Role] = true
		}
	}
	for _, role := range p.Lacking {
		known[role] = false
	}
	f := tcpFigures{n: n, known: known, seconds: seconds}
	list = append(list, f.retransmits(), f.answers())
	if r := f.reads(); r.Text != "" {
		list = append(list, r)
	}
	return append(list, f.frames())
}

// tcpFigures are the sums by role.
type tcpFigures struct {
	n       map[Role]uint64
	known   map[Role]bool
	seconds float64
}

// lacks is a reading that cannot be given.
func (f *tcpFigures) lacks(name string, roles ...Role) (Reading, bool) {
	for _, r := range roles {
		if !f.known[r] {
			return Reading{Name: name, Sure: Open, Text: fmt.Sprintf("not known: %s could not be counted on this kernel", r)}, true
		}
	}
	return Reading{}, false
}

// retransmits compares what is sent once more with what is sent.
func (f *tcpFigures) retransmits() Reading {
	r, lacks := f.lacks("retransmits", RoleRetransmit, RoleOut)
	if lacks {
		return r
	}
	again, sent := f.n[RoleRetransmit], f.n[RoleOut]
	r = Reading{Name: "retransmits", Sure: Open}
	part := 0.0
	if sent > 0 {
		part = 100 * float64(again) / float64(sent)
	}
	switch {
	case sent == 0 && again == 0:
		r.Text = "TCP sent nothing in this time, so nothing can be said about loss"
	case again == 0:
		r.Sure = Certain
		r.Text = fmt.Sprintf("TCP retransmitted nothing of %s: it has noticed no loss in this time, of what it sends; what a peer sends is not judged by that, and a loss is noticed late, after a round trip or more", plural(sent, "segment"))
	case again > sent:
		r.Sure = Possible
		r.Text = fmt.Sprintf("%s tried, and %s sent: TCP could not send what it tried to. There may be no route to the peer, no memory, or the first copy still waits in a queue of this host; kinspect drops tells what is dropped here", plural(again, "retransmit"), plural(sent, "segment"))
	case part >= manyRetransmits && sent >= fewestSent && again < fewestRetransmits:
		r.Sure = Possible
		r.Text = fmt.Sprintf("%s of %s sent (%.1f%%): too few to judge by. A loss makes them, and so does a tail loss probe when an acknowledgement is late; count for longer", plural(again, "retransmit"), plural(sent, "segment"), part)
	case part >= manyRetransmits && sent >= fewestSent:
		r.Finding, r.Sure = true, Likely
		r.Text = fmt.Sprintf("many retransmits: %d of %s sent (%.1f%%). Segments, or their acknowledgements, are lost on the way or come late: loss or congestion between here and the peers. A peer that does not answer at all and segments that overtake each other do the same; which peers, tells kinspect count tcp_retransmit_skb --by 'sk->__sk_common.skc_daddr'", again, plural(sent, "segment"), part)
	case sent < fewestSent:
		r.Sure = Possible
		r.Text = fmt.Sprintf("%d of %s sent is a retransmit, which are too few segments to judge by: count for longer", again, plural(sent, "segment"))
		if again != 1 {
			r.Text = fmt.Sprintf("%d of %s sent are retransmits, which are too few segments to judge by: count for longer", again, plural(sent, "segment"))
		}
	default:
		r.Sure = Certain
		r.Text = fmt.Sprintf("few retransmits: %d of %s sent (%.2f%%), as on most paths", again, plural(sent, "segment"), part)
	}
	return r
}

// answers compares what is sent with what comes in.
func (f *tcpFigures) answers() Reading {
	r, lacks := f.lacks("answers", RoleOut, RoleIn)
	if lacks {
		return r
	}
	sent, in, frames := f.n[RoleOut], f.n[RoleIn], f.n[RoleStack]
	r = Reading{Name: "answers", Sure: Certain}
	switch {
	case sent == 0 && in == 0:
		r.Sure = Open
		r.Text = "no segment was sent and none came in: no TCP connection did anything"
	case sent == 0:
		r.Text = fmt.Sprintf("%s came in, and no connection sent any; resets, which are what a closed port answers, are not counted", plural(in, "segment"))
	case in > 0:
		r.Text = fmt.Sprintf("%s sent, %s received: something answers; which of several peers does not, these sums do not tell", plural(sent, "segment"), plural(in, "segment"))
	case sent < 3 || f.seconds < 1:
		r.Sure = Possible
		r.Text = fmt.Sprintf("%s sent, none received yet: too few, or too short a time, to judge by", plural(sent, "segment"))
	default:
		r.Finding, r.Sure = true, Likely
		r.Text = fmt.Sprintf("%s sent, and not one received: the path or the peer does not answer", plural(sent, "segment"))
		switch {
		case !f.known[RoleStack]:
		case frames > 0:
			r.Text += fmt.Sprintf(". Frames do come in (%d), so that this host may also drop the answers before TCP, as by a filter: kinspect drops tells", frames)
		default:
			r.Text += ", or nothing at all reaches this host: no other frame came in either; kinspect explain DEV tells of the devices"
		}
	}
	return r
}

// reads is about programs that do not take what comes in.
func (f *tcpFigures) reads() Reading {
	if !f.known[RoleReceive] || !f.known[RoleIn] || f.n[RoleIn] < fewestSent || f.n[RoleReceive] > 0 {
		return Reading{}
	}
	return Reading{Name: "reads", Sure: Possible, Text: fmt.Sprintf("%s came in and tcp_recvmsg did not run: they may be acknowledgements alone, or a program takes its data otherwise (splice, zero copy, in the kernel) or not at all; kinspect eval \"sockets('tcp')\" shows whose receive queues grow", plural(f.n[RoleIn], "segment"))}
}

// frames compares what drivers hand over with what the stack takes up.
func (f *tcpFigures) frames() Reading {
	r, lacks := f.lacks("frames", RoleHandover, RoleStack)
	if lacks {
		return r
	}
	from, up := f.n[RoleHandover], f.n[RoleStack]
	r = Reading{Name: "frames", Sure: Certain}
	switch {
	case from == 0 && up == 0:
		r.Sure = Open
		r.Text = "no frame came in: whether a device received any, its own counters tell (kinspect counters DEV)"
	case up == 0 && (from < 3 || f.seconds < 1):
		r.Sure = Possible
		r.Text = fmt.Sprintf("%s handed over by drivers, none in the stack yet: too few, or too short a time, to judge by", plural(from, "frame"))
	case up == 0:
		r.Finding, r.Sure = true, Likely
		r.Text = fmt.Sprintf("drivers handed over %s, and none reached the stack: between them are XDP for the stack's frames, the backlog of the CPUs (kinspect softnet) and GRO", plural(from, "frame"))
	case up < from:
		r.Sure = Open
		r.Text = fmt.Sprintf("drivers handed over %d frames, the stack took up %d: fewer is what GRO makes of frames that it joins, and what the backlog loses looks the same here; kinspect softnet tells that apart", from, up)
	default:
		r.Text = fmt.Sprintf("drivers handed over %s, the stack took up %d: none is missing between them, where none is received again by an inner device", plural(from, "frame"), up)
	}
	return r
}
