package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
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
	Title  string      `json:"title"` // a few words for the table of scenarios
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
	Alone   bool   `json:"alone,omitempty"` // nothing else runs on the CPU meanwhile
}

// expect says what a device's counters must be. Nil means nothing is said.
// Shown is what `ip -s link` gives, Own the core counter of the device itself.
// Of a counter that has a cause, all causes are listed; of rx_dropped always.
type expect struct {
	Device       string   `json:"device"`
	NetNS        string   `json:"netns,omitempty"`
	ShownDropped *uint64  `json:"shown_rx_dropped,omitempty"`
	OwnDropped   *uint64  `json:"own_rx_dropped,omitempty"`
	AtLeast      *uint64  `json:"at_least_rx_dropped,omitempty"`
	RxNohandler  *uint64  `json:"rx_nohandler,omitempty"`
	Otherhost    *uint64  `json:"rx_otherhost_dropped,omitempty"` // kernels since 5.18
	Causes       []cause  `json:"causes,omitempty"`
	Says         []string `json:"says,omitempty"` // words that the explanation's notes must have: causes that are counted nowhere
	Path         []string `json:"path,omitempty"` // words that the drawing of how a frame gets there must have
	// Changed: what the frames passed is gone. A path that they did not take may be the only one left then, as long as
	// that is said to hold as the host is set up now.
	Changed bool `json:"changed,omitempty"`
}

// A cause is a path that frames of a device took, and how many did.
type cause struct {
	Counter string `json:"counter"`
	Path    string `json:"path"`
	Frames  uint64 `json:"frames"`
	// AtLeast: only that many are certain. How many a flood loses depends on when the other CPU runs.
	AtLeast bool `json:"at_least,omitempty"`
	// Measured: how many is the kernel's own number, and another one in each run.
	Measured bool `json:"measured,omitempty"`
}

// unhandled is the cause that nobody takes an ethertype.
func unhandled(frames uint64) []cause {
	return []cause{{Counter: "rx_dropped", Path: "unhandled-protocol", Frames: frames}}
}

// ofSlaves is a cause that a bond's slaves counted.
func ofSlaves(counter string, frames uint64) cause {
	return cause{Counter: counter, Path: "slaves", Frames: frames}
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

// begin opens a scenario, which everything that follows is recorded in. It takes the place of one of that name.
func (t *truth) begin(name, title, what string) *scenario {
	t.end(name)
	s := &scenario{Name: name, Title: title, What: what}
	t.Scenarios = append(t.Scenarios, s)
	return s
}

// end forgets a scenario whose devices are gone.
func (t *truth) end(name string) {
	t.Scenarios = slices.DeleteFunc(t.Scenarios, func(s *scenario) bool { return s.Name == name })
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
	if in.Alone {
		args = append(args, "-alone")
	}
	command := strings.Join(args, " ")
	if in.NetNS != "" {
		command = "ip netns exec " + in.NetNS + " " + command
	}
	s.Sent = append(s.Sent, in)
	_, err := g.run(command)
	return err
}
