package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// A truth is what the lab did to a guest: the frames that it sent and the
// counters that must follow. It is stored as truth.json beside the facts.
type truth struct {
	Scenarios []*scenario `json:"scenarios"`
}

// A scenario is one story on devices of its own.
type scenario struct {
	Name   string      `json:"name"`
	What   string      `json:"what"`
	Sent   []injection `json:"sent"`
	Expect []expect    `json:"expect"`
}

// An injection is a run of equal frames, sent from Via so that Into receives
// them.
type injection struct {
	Via     string `json:"via"`
	Into    string `json:"into"`
	NetNS   string `json:"netns,omitempty"` // of the sender; "" is the first
	Dst     string `json:"dst"`
	Type    string `json:"type"`              // 0x88cc, or 802.2
	Payload string `json:"payload,omitempty"` // hex; DSAP SSAP control for 802.2
	VLAN    int    `json:"vlan,omitempty"`
	Size    int    `json:"size,omitempty"`
	Count   int    `json:"count"`
	CPU     *int   `json:"cpu,omitempty"`
}

// expect says what a device's counters must be. Nil means nothing is said.
// Shown is what `ip -s link` gives, Own the core counter of the device itself.
type expect struct {
	Device       string   `json:"device"`
	NetNS        string   `json:"netns,omitempty"`
	ShownDropped *uint64  `json:"shown_rx_dropped,omitempty"`
	OwnDropped   *uint64  `json:"own_rx_dropped,omitempty"`
	AtLeast      *uint64  `json:"at_least_rx_dropped,omitempty"`
	RxNohandler  *uint64  `json:"rx_nohandler,omitempty"`
	Otherhost    *uint64  `json:"rx_otherhost_dropped,omitempty"` // kernels since 5.18
	Paths        []string `json:"paths,omitempty"`                // the path ids that fired
}

// n makes a pointer to a number, for expect's fields.
func n(v uint64) *uint64 { return &v }

func (t *truth) write(path string) error {
	content, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(content, '\n'), 0o644)
}

// begin opens a scenario, which everything that follows is recorded in.
func (t *truth) begin(name, what string) *scenario {
	s := &scenario{Name: name, What: what}
	t.Scenarios = append(t.Scenarios, s)
	return s
}

// Destinations and payloads that scenarios share.
const (
	stpGroup  = "01:80:c2:00:00:00" // link-local: bridges and bonds treat it apart
	lldpGroup = "01:80:c2:00:00:0e"
	stpLLC    = "424203"
)

// send sends frames in the guest and records them. It returns when the kernel
// has had the time to receive them.
func (s *scenario) send(g *guest, in injection) error {
	args := []string{
		"guest", "frames", "-i", in.Via, "-dst", in.Dst, "-type", in.Type, "-count", fmt.Sprint(in.Count),
	}
	if in.Payload != "" {
		args = append(args, "-llc", in.Payload)
	}
	if in.VLAN != 0 {
		args = append(args, "-vlan", fmt.Sprint(in.VLAN))
	}
	if in.Size != 0 {
		args = append(args, "-size", fmt.Sprint(in.Size))
	}
	if in.CPU != nil {
		args = append(args, "-cpu", fmt.Sprint(*in.CPU))
	}
	command := strings.Join(args, " ")
	if in.NetNS != "" {
		command = "ip netns exec " + in.NetNS + " " + command
	}
	s.Sent = append(s.Sent, in)
	_, err := g.run(command)
	return err
}
