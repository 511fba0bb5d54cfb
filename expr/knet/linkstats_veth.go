package knet

import (
	"encoding/binary"
	"fmt"
	"slices"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// vethSource is veth_get_stats64 (drivers/net/veth.c). A veth counts what it sends; what it receives is what
// its peer sent. Its receive queues count XDP's part, on both ends.
func vethSource() statsSource {
	fields := []string{"rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "rx_dropped", "tx_dropped"}
	return statsSource{fields, func(s *Stack, d Device, t *tally) error {
		if err := s.vethSent(d, d, t); err != nil {
			return err
		}
		if t.wants("tx_dropped") {
			n, err := s.VethSendDrops(d)
			if err != nil {
				return err
			}
			t.add("tx_dropped", "veth_priv.dropped (what the peer did not take)", n)
		}
		err := s.vethQueues(d, "", vethOwn, t)
		if err != nil {
			return err
		}
		peer, ok, err := s.VethPeer(d)
		if err != nil || !ok {
			return err
		}
		if err := s.vethSent(d, peer, t); err != nil {
			return err
		}
		return s.vethQueues(peer, " of its peer "+value.Printable(peer.Name), vethPeers, t)
	}}
}

// vethOwn and vethPeers are the counters of a receive queue (struct veth_stats), each followed by the field
// that it goes into at its own end, and at the other.
var (
	vethOwn   = []string{"xdp_packets", "rx_packets", "xdp_bytes", "rx_bytes", "rx_drops", "rx_dropped", "peer_tq_xdp_xmit_err", "rx_dropped", "xdp_tx_err", "tx_dropped"}
	vethPeers = []string{"xdp_packets", "tx_packets", "xdp_bytes", "tx_bytes", "xdp_tx_err", "rx_dropped", "peer_tq_xdp_xmit_err", "tx_dropped"}
)

// vethQueues adds up counters of all receive queues.
func (s *Stack) vethQueues(d Device, of string, pairs []string, t *tally) error {
	for i := 0; i < len(pairs); i += 2 {
		if !t.wants(pairs[i+1]) {
			continue
		}
		var sum uint64
		err := s.eachVethQueue(d, func(q value.Value) error {
			n, err := q.UintPath("stats.vs." + pairs[i])
			sum += n
			return err
		})
		if err != nil {
			return fmt.Errorf("the receive queues of %s: %w", value.Printable(d.Name), err)
		}
		t.add(pairs[i+1], "veth_rq.stats.vs."+pairs[i]+of, sum)
	}
	return nil
}

// vethSent adds what an end of a veth pair, d itself or its peer, has sent. Up to 6.1 it is in lstats, and since
// then (6.2, and stable releases of 6.1) in tstats, of which the end itself adds both directions: the types are
// there in all kernels, so the code is asked which of them it reads.
func (s *Stack) vethSent(d, end Device, t *tally) error {
	if !t.wants("rx_packets", "rx_bytes", "tx_packets", "tx_bytes") {
		return nil
	}
	const stats64 = "veth_get_stats64"
	sw, err := s.calls(stats64, "dev_fetch_sw_netstats")
	if err != nil {
		return err
	}
	light, err := s.calls(stats64, "dev_lstats_read")
	if err != nil {
		return err
	}
	way, of := "tx", ""
	if end.Addr() != d.Addr() {
		way, of = "rx", " of its peer "+value.Printable(end.Name)
	}
	switch {
	case sw == light:
		return fmt.Errorf("the code of %s shows neither tstats nor lstats alone", stats64)
	case light:
		return s.addPerCPUOf(end, "lstats", of, []string{"packets", way + "_packets", "bytes", way + "_bytes"}, t)
	case way == "tx":
		return swStats("tstats").add(s, d, t)
	}
	return s.addPerCPUOf(end, "tstats", of, []string{"tx_packets", "rx_packets", "tx_bytes", "rx_bytes"}, t)
}

func (s *Stack) addPerCPUOf(d Device, member, of string, pairs []string, t *tally) error {
	p, err := d.Value.Path(member)
	if err != nil {
		return err
	}
	return s.addPerCPU(p, "net_device."+member+of, pairs, t)
}

// maxCode bounds how much of a function is looked at, in bytes.
const maxCode = 4 << 10

// calls reports whether the code of a function has a direct call to another (x86-64: e8 and the distance from
// the next instruction, 32 bits). Code is not decoded: that four bytes are that distance by chance is one in
// four billion for each byte.
func (s *Stack) calls(caller, callee string) (bool, error) {
	from, ok := s.K.LookupSymbol(caller)
	if !ok {
		return false, fmt.Errorf("there is no symbol %s", caller)
	}
	to, ok := s.K.LookupSymbol(callee)
	if !ok {
		return false, nil
	}
	return s.callsAt(from, to)
}

// callsAt is [Stack.calls] of functions that are found already.
func (s *Stack) callsAt(from, to kmem.Symbol) (bool, error) {
	code := make([]byte, maxCode)
	known := 0
	for known < len(code) { // page by page: the function may end before its second page, and that be missing
		n := min(len(code)-known, int(kmem.PageSize-(from.Addr+kmem.Addr(known))%kmem.PageSize))
		err := s.K.ReadMem(from.Addr+kmem.Addr(known), code[known:known+n])
		if err != nil && known == 0 {
			return false, fmt.Errorf("the code of %s: %w", from.Name, err)
		}
		if err != nil {
			break
		}
		known += n
	}
	if !slices.ContainsFunc(code[:min(known, 16)], func(b byte) bool { return b != 0 }) {
		// A page that a dump left out may read as zeros, and no function begins with them.
		return false, fmt.Errorf("the code of %s is not there: it reads as zeros", from.Name)
	}
	for i := 0; i+5 <= known; i++ {
		next := from.Addr + kmem.Addr(i) + 5
		if code[i] != 0xe8 || !leadsTo(next+kmem.Addr(int64(int32(binary.LittleEndian.Uint32(code[i+1:])))), to) {
			continue
		}
		if sym, _, ok := s.K.SymbolAt(next - 5); ok && sym.Addr == from.Addr {
			return true, nil
		}
	}
	return false, nil
}
