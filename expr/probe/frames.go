package probe

import (
	"fmt"
	"time"

	"kinspect/expr/probe/frame"
	"kinspect/expr/value"
)

// FrameRow is a dropped frame for people and programs. Its JSON form is stable.
type FrameRow struct {
	Kind      string `json:"kind"` // "frame"
	Time      string `json:"time"` // RFC 3339, by the host's clock
	Device    string `json:"device"`
	NetNS     string `json:"netns"`
	Reason    string `json:"reason"`
	Location  string `json:"location"`
	Ethertype string `json:"ethertype"`
	Length    int    `json:"length"`    // bytes, of which the first SnapLen were looked at
	Begins    string `json:"begins"`    // "ethernet", "network", or "" where nothing says with what
	Direction string `json:"direction"` // "in", "out", or "" where nothing says which
	Frame     string `json:"frame"`     // in one line
}

// What the rows call a frame's first header and its way.
var (
	beginnings = map[frame.Start]string{frame.Ethernet: "ethernet", frame.Network: "network"}
	directions = map[frame.Direction]string{frame.Inbound: "in", frame.Outbound: "out"}
)

// Frame names a dropped frame, and makes a packet of it for a file.
func (n *Namer) Frame(s Sample, device string, at time.Time) (FrameRow, frame.Packet) {
	f := s.Frame()
	p := n.place(s.Key.Location)
	way := s.Direction(p.function)
	row := FrameRow{
		Kind: "frame", Time: at.Format(time.RFC3339Nano), Device: value.Printable(device), NetNS: n.netNS(s.Key.NetNS),
		Reason: n.reasons.Name(s.Key.Reason), Location: p.text, Ethertype: fmt.Sprintf("0x%04x", uint16(s.Key.Ethertype)),
		Length: max(f.Length, len(f.Data)), Begins: beginnings[f.Start], Direction: directions[way], Frame: frame.Line(f),
	}
	why := "dropped at " + p.text
	if p.source != "" {
		why += " (" + p.source + ")"
	}
	if row.Reason != "" {
		why += ": " + row.Reason
	}
	return row, frame.Packet{Frame: f, Device: n.frameDevice(s.Key, device, s.DevType), Time: at, Direction: way, Comments: []string{why}}
}

func (n *Namer) frameDevice(key DropKey, name string, kind uint16) frame.Device {
	d := frame.Device{Name: value.Printable(name), Index: key.Ifindex, Type: kind}
	if ns := n.netNS(key.NetNS); ns != "" {
		d.Description = "network namespace " + ns
	}
	return d
}

// Text is the frame with where it was dropped.
func (r *FrameRow) Text() string {
	where := r.Device
	if where == "" {
		where = "-"
	}
	if r.NetNS != "" && r.NetNS != "init_net" {
		where += " in " + r.NetNS
	}
	if r.Direction == directions[frame.Outbound] {
		where = "sent by " + where
	}
	reason := r.Reason
	if reason == "" {
		reason = r.Location
	}
	return fmt.Sprintf("%s, %s: %s", where, reason, r.Frame)
}
