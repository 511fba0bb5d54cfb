package check

import (
	"strings"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// spoken is memory in which bytes from an address on are others.
type spoken struct {
	kmem.Reader
	at   kmem.Addr
	data []byte
}

func (s *spoken) ReadMem(addr kmem.Addr, buf []byte) error {
	err := s.Reader.ReadMem(addr, buf)
	for i := range buf {
		if off := uint64(addr) + uint64(i) - uint64(s.at); off < uint64(len(s.data)) {
			buf[i] = s.data[off]
		}
	}
	return err
}

// TestFeeders: a device below feeds this one by its rx_handler only where that function leads to devices of the kind.
func TestFeeders(t *testing.T) {
	for _, c := range []struct {
		dev, kind string // the kind is put in the place of its own
		want      string
		not       string
	}{
		{"mv0", "", "low0 → rx_handler macvlan_handle_frame+0x0 [macvlan] → mv0", ""},
		{"vl0.5", "", "vl0 → VLAN tag, id 5, vlan_do_receive+0x0 → vl0.5", "rx_handler macvlan"},
		{"br0", "", "port0 → rx_handler br_handle_frame+0x0 [bridge] → br0", ""},
		// A tunnel over a device with a macvlan on top: its frames do not come by the macvlan's rx_handler.
		{"mv0", "vxlan", "UDP → ", "low0 → "},
		{"mv0", "geneve", "UDP → ", "low0 → "},
		{"mv0", "sit", "IP protocol 41 (IPv6) → ", "low0 → "},
		{"mv0", "gre", "IP protocol 47 (GRE)", "low0 → "},
		// Others that no rx_handler of a macvlan feeds.
		{"mv0", "vrf", "low0 → IP, which hands it what its devices get", "macvlan_handle_frame"},
		{"mv0", "macsec", "low0 → rx_handler macvlan_handle_frame+0x0 [macvlan] → mv0, if that function hands it frames", ""},
		{"mv0", "unheard", "low0 → a way that is not known here → mv0, if it takes frames from there at all", "macvlan_handle_frame"},
	} {
		t.Run(c.dev+" "+c.kind, func(t *testing.T) {
			img := kernels.OpenScenarios(t)
			memory := &spoken{Reader: img}
			s := knet.New(value.New(img, memory), host.None{})
			ns, err := s.InitNS()
			if err != nil {
				t.Fatal(err)
			}
			d, err := s.Device(c.dev, ns)
			if err != nil {
				t.Fatal(err)
			}
			sc, err := look(s, d, &socketOwners{})
			if err != nil {
				t.Fatal(err)
			}
			if c.kind != "" {
				at, err := d.Value.PointerPath("rtnl_link_ops.kind")
				if err != nil {
					t.Fatal(err)
				}
				memory.at, memory.data = at, append([]byte(c.kind), 0)
				sc.kind = c.kind
			}
			r := &Report{Device: sc.name(), Kind: sc.kind, drawing: draw(sc)}
			text := strings.Join(r.drawing.lines(r), "\n")
			stages := (&deviceView{report: r}).receiveStages()
			if !strings.Contains(text, c.want) || c.not != "" && (strings.Contains(text, c.not) || strings.Contains(describe(stages), c.not)) {
				t.Errorf("%s\n%s", text, describe(stages))
			}
		})
	}
}

// TestUpward: what is known of a way in is said, and no more.
func TestUpward(t *testing.T) {
	for _, c := range []struct {
		lane lane
		want string
	}{
		{lane{input: true, how: "vxlan_rcv+0x0 [vxlan]"}, " → vxlan_rcv+0x0 [vxlan] → vx0"},
		{lane{input: true}, " → vx0"},
		{lane{input: true, how: "vxlan_rcv+0x0 [vxlan]", note: "what it sends leaves by eth0"}, " → vxlan_rcv+0x0 [vxlan] → vx0 (what it sends leaves by eth0)"},
		{lane{input: true, how: "no socket is open", stops: true}, " → no socket is open"},
		{lane{how: "rx_handler br_handle_frame+0x0 [bridge]", stops: true, note: "the port's STP state (4) lets no frames through"}, " → rx_handler br_handle_frame+0x0 [bridge]: the port's STP state (4) lets no frames through"},
	} {
		if got := c.lane.upward("vx0"); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}
