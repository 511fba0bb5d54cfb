package check_test

import (
	"encoding/json"
	"strings"
	"testing"

	"kinspect/expr/check"
	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

// TestSNMPLosses: the report leads from the counters of the lab's namespace of losses to the sockets that the
// guest's program has open (testdata/lab/guest/losses.go). That it lost 47 datagrams twice and sent 5 segments
// again twice, the program said.
func TestSNMPLosses(t *testing.T) {
	img := kernels.OpenLosses(t)
	s := knet.New(value.New(img, img), host.None{})
	all, err := s.Namespaces()
	if err != nil {
		t.Fatal(err)
	}
	var r *check.SNMPReport
	for _, ns := range all {
		if n, ok, err := s.SNMPCounter(ns, "TcpExtListenDrops"); err == nil && ok && n > 0 {
			if r, err = check.SNMPOf(s, ns, check.SNMPOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if r == nil {
		t.Fatal("no namespace turned connections away")
	}
	if !r.Drops() || r.Partial() {
		t.Errorf("drops %v, partial %v: %v", r.Drops(), r.Partial(), r.Missing)
	}
	text := strings.Join(strings.Fields(r.Text()), " ")
	for _, want := range []string{
		"UdpRcvbufErrors 94 ", "TcpExtListenOverflows 4 ", "TcpRetransSegs 10 ", "IpExtInCsumErrors 7 ", "IpReasmFails 3 ", "TcpMaxConn -1",
		"all 7 packets had a wrong header checksum (proved)",
		"all 3 failures of IPv4: fragments did not come in time",
		"47 of the 94 that a full buffer cost were dropped by sockets that are open, the other 47 by sockets that are closed by now, or no longer bound (proved)",
		"udp CLOSE 127.0.0.1:7101: 47 dropped, 0 of 8192 bytes in its queue: guest (pid",
		"The queue of 127.0.0.1:7102 is full now: 2 wait, the backlog is 1",
		"tcp LISTEN 127.0.0.1:7102: 4 dropped, 2 wait, backlog 1, FULL: guest (pid",
		"IpInAddrErrors 4 ", "IpExtInNoRoutes 5 ", "net.ipv4.conf.all.forwarding = 1", "lo Ip6InDiscards 6; IPv6 is off on it",
		"5 of the 10 segments sent again are of connections that are open, 5 of connections that are closed by now",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(r.Text())
	}
	raw, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(raw), `{"name":"TcpMaxConn","value":-1,`) {
		t.Errorf("%v: %s", err, raw)
	}
	// What is asked for by name is told alone, zeros, too.
	ns := knet.NetNS{}
	for _, n := range all {
		if n.String() == r.NetNS {
			ns = n
		}
	}
	few, err := check.SNMPOf(s, ns, check.SNMPOptions{Names: []string{"tcpactiveopens", "UdpNoPorts", "IpIn*"}})
	if err != nil || !few.Drops() || len(few.Details) != 2 {
		t.Errorf("%v, %+v", err, few)
	}
	if text := few.Text(); !strings.Contains(text, "UdpNoPorts") || strings.Contains(text, "UdpRcvbufErrors") {
		t.Error(text)
	}
	if fine, err := check.SNMPOf(s, ns, check.SNMPOptions{Names: []string{"TcpActiveOpens"}}); err != nil || fine.Drops() {
		t.Errorf("%v, %+v", err, fine)
	}
}
