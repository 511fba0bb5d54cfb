package check

import (
	"fmt"

	"kinspect/expr/value"
)

// What the peer of a veth says of its drops, read off drivers/net/veth.c of 6.1, 6.12 and 7.3. The sender's end
// raises its veth_priv.dropped for each frame that veth_xmit could not hand over:
//
//	what refused the frame                          veth_priv.dropped   the receiver's rx_dropped
//	it has no peer, or less than a header           yes                 no
//	__dev_forward_skb: too long, not IFF_UP         yes                 yes: forward
//	netif_rx: enqueue_to_backlog                    yes                 yes: backlog, flow-limit, device-down
//	the receiver's ring is full (it uses NAPI)      yes                 no
//	the same, and the sender has a qdisc (6.12)     no: it is kept      no
//	veth_ndo_xdp_xmit: the receiver has no NAPI     yes                 no
//	XDP, TC or a handler at the receiver            no                  by the path that refused it
//
// So the number is a bound on the four paths together, and may be more than they took. Other frames come into
// them on the receiver than those that the peer counts. Where the set-up lets any of these come, there is no bound;
// what it was before, memory does not say, so that all of this holds as the host is set up now:
//
//   - frames by another way than the veth, see [otherWays]: into all four;
//   - frames that the veth took and that are queued a second time, see [queuedAgain]: into the three of the backlog;
//   - what the host sends as multicast there and hears itself (dev_loopback_xmit): into the three, and bounded by what
//     was sent there.
//
// NAPI takes only those frames from the ring that may be put together (GRO), and __dev_forward_skb sees those, too.
// The number rises after the receiver's: a dump made while a frame is between the two lacks one for each CPU at
// most ([scene.onTheWay]).

// forwardedByPeer bounds what forwarding refused of a veth's frames by the peer's number.
func forwardedByPeer(sc *scene, f finding) (finding, error) {
	n, ok := refusedByPeer(sc, &f)
	if !ok || f.out {
		return f, nil
	}
	f.atMost(n)
	if own, ok := ownFrames(sc); ok {
		f.share(inRefusals, n+own)
	}
	return f, nil
}

// queuedByPeer bounds a path of the backlog by the peer's number and by what this host sends there itself.
func queuedByPeer(sc *scene, f finding) (finding, error) {
	if sc.kind != "veth" {
		return f, nil // a macvlan's own multicast comes back through the backlog, and counts as no error
	}
	own, ok := ownFrames(sc)
	if !ok || queuedAgain(sc) {
		return f, nil
	}
	before := f
	n, ok := refusedByPeer(sc, &f)
	switch {
	case !ok:
		return before, nil
	case f.out && own > 0:
		before.evidence, before.now = append(before.evidence, f.evidence...), true
		f = before
		fallthrough
	case own > 0:
		f.evidence = append(f.evidence, fmt.Sprintf("%d frames were sent through %s itself%s, of which multicast may have come back through the backlog", own, sc.name(), sc.span()))
	case f.out:
		return f, nil
	}
	f.atMost(n + own)
	f.share(inRefusals, n+own)
	return f, nil
}

// refusedByPeer is how many frames the peer could not hand over, and makes that evidence; where there are none, it rules the path
// out. ok is false where frames may reach the veth by another way than its peer, or the number is not known.
func refusedByPeer(sc *scene, f *finding) (n uint64, ok bool) {
	peer, ok, err := sc.s.VethPeer(sc.dev)
	if err != nil || !ok {
		return 0, false // without the peer there is no bound: the path stays open
	}
	if n, err = sc.count(peerSendDrops); err != nil {
		return 0, false
	}
	if other, err := otherWays(sc); err != nil || other {
		return 0, false
	}
	name := value.Printable(peer.Name)
	if n == 0 {
		*f = outNow("its peer %s counts each of its frames that could not be handed over, and counts 0%s", name, sc.span())
		return 0, true
	}
	f.now = true
	f.evidence = append(f.evidence, fmt.Sprintf("its peer %s counts %d frames%s that could not be handed over (too long, device down or backlog)", name, n, sc.span()))
	return n, true
}

// ownFrames is how many frames were sent, or tried, through a veth: no less than what this host heard of itself.
// ok is false where they are not known.
func ownFrames(sc *scene) (n uint64, ok bool) {
	sent, err := sc.count(sentFrames)
	if err != nil {
		return 0, false
	}
	refused, err := sc.count(sendDrops)
	return sent + refused, err == nil
}

// queuedAgain reports whether frames that the veth took may be queued in a backlog once more, or whether that cannot be seen:
// those that NAPI takes from the ring, for RPS; those that pktgen makes up; those that IPsec (net/xfrm/xfrm_input.c) or a
// segment routing header (net/ipv6/exthdrs.c) came off.
func queuedAgain(sc *scene) bool {
	napi, err := sc.s.VethUsedNAPI(sc.dev)
	if err != nil || sc.s.CanInject() {
		return true
	}
	if napi {
		if on, _, err := sc.dev.RPSQueues(); err != nil || on > 0 {
			return true
		}
	}
	if n, err := sc.s.IPsecStates(sc.dev.NS); err != nil || n > 0 {
		return true
	}
	routes, err := sc.s.TakesRoutingHeaders(sc.dev)
	return err != nil || routes
}

// stayedUp rules it out that frames were queued for a veth that is not running: that takes a frame which
// was handed over before the device's flag IFF_UP went, and queued after its state said that it is being closed
// (net/core/dev.c: __dev_close_many), and so a close.
func stayedUp(sc *scene, f finding) finding {
	stayed, err := sc.s.VethStayedUp(sc.dev)
	if err != nil || !stayed {
		return f
	}
	return outNow("%s and its peer have been up ever since both were at once: their carriers came once and never went, and setting one of them down takes them off", sc.name())
}
