package check

import (
	"strings"
	"testing"

	"kinspect/expr/knet"
	"kinspect/testdata/kernels"
)

// TestHandlerOfNoMaster: a frame goes to the master where that has put the rx_handler there, as a bond has, and not where
// a macvlan has, or something else, on a device that has a master for another reason (a VRF). veth0 has one here.
func TestHandlerOfNoMaster(t *testing.T) {
	img := kernels.OpenScenarios(t)
	macvlans, _ := scenery(t, img, "low0")
	macvlan, err := macvlans.dev.RxHandler()
	if err != nil || macvlan == 0 {
		t.Fatal(macvlan, err)
	}
	unknown, ok := macvlans.s.K.LookupSymbol("ip_rcv")
	if !ok {
		t.Fatal("no ip_rcv")
	}
	for _, c := range []struct {
		rxHandler uint64
		e         knet.Ethertype
		verdict   string
		taken     bool
		missing   int
		says      string
	}{
		{uint64(macvlan), knet.EthIPv4, "handled", true, 0, "frames for veth0 itself: ip_rcv takes 0x0800 (IPv4) on veth0"},
		{uint64(macvlan), knet.EthVLAN, "none", false, 0, "none: no VLAN device of 0x8100 (VLAN) is above veth0"},
		{uint64(unknown.Addr), knet.EthIPv4, "rx_handler", false, 1, "veth0's rx_handler ip_rcv+0x0 takes the frame first"},
		{uint64(unknown.Addr), knet.EthVLAN, "rx_handler", false, 1, "is above veth0, and its rx_handler ip_rcv+0x0 takes the frame next"},
	} {
		sc, memory := scenery(t, img, "veth0")
		if master, has, err := sc.handedTo(); err != nil || !has || master.Name != "bond0" {
			t.Fatal(master.Name, has, err)
		}
		at, err := sc.dev.Value.Path("rx_handler")
		if err != nil {
			t.Fatal(err)
		}
		a, _ := at.Addr()
		memory.put(a, uint32(c.rxHandler))
		memory.put(a+4, uint32(c.rxHandler>>32))
		r, err := Handler(sc.s, c.e, sc.dev)
		if err != nil {
			t.Errorf("%s: %v", c.says, err)
			continue
		}
		if r.Then != nil || r.Verdict != c.verdict || r.Taken != c.taken || len(r.Missing) != c.missing || !strings.Contains(r.Summary, c.says) {
			t.Errorf("%s, taken %v, missing %q, then %v: %s", r.Verdict, r.Taken, r.Missing, r.Then, r.Summary)
		}
	}
}
