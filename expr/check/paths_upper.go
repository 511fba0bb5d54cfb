package check

import (
	"fmt"

	"kinspect/expr/value"
)

// boundByRefused bounds what forwarding and the backlog refused of a macvlan's or ipvlan's frames: it counts each
// as a receive error of its own (macvlan_count_rx, ipvlan_count_rx). What BPF programs redirect into it, it does not.
func boundByRefused(sc *scene, f finding) (finding, error) {
	n, err := sc.count(refusedFrames)
	if err != nil {
		return f, nil // not known: the path stays open
	}
	if other, err := otherWays(sc); err != nil || other {
		return f, nil
	}
	if n == 0 {
		return withoutProgram(sc, "%s counts each frame that could not be handed to it as a receive error, and counts 0%s; no BPF program that could redirect some is loaded", sc.name(), sc.span()), nil
	}
	f.share(inErrors, n)
	f.now = true // see otherWays
	f.evidence = append(f.evidence, fmt.Sprintf("%s counts %d receive errors%s: each frame that could not be handed to it (too long, device down or backlog)", sc.name(), n, sc.span()))
	return f, nil
}

// otherWays reports whether frames may be handed to the device by others than those that it gets them from by its
// kind: macvlans on top hand over what they send to each other (macvlan_queue_xmit), and BPF and the action mirred
// may redirect frames into any device.
func otherWays(sc *scene) (bool, error) {
	if sc.hasUppers() {
		return true, nil
	}
	if mirred, err := sc.s.MirrorsFrames(); err != nil || mirred {
		return mirred, err
	}
	bpf, err := redirectors(sc.s.K)
	return bpf > 0, err
}

// countsReceived are the kinds whose drivers count each frame that they hand to the stack as received, and none
// that was refused before: veth_xmit, tun_get_user, macvlan_count_rx, ipvlan_count_rx, vlan_do_receive.
var countsReceived = set("veth", "tun", "macvlan", "macvtap", "ipvlan", "ipvtap", "vlan")

// boundByReceived bounds a path inside the stack by what reached the stack. What a host sends as multicast and hears
// itself is not counted, and is IP, which has a handler.
func boundByReceived(sc *scene, f finding) (finding, error) {
	if !countsReceived[sc.kind] {
		return f, nil
	}
	n, err := sc.count(receivedFrames)
	if err != nil {
		return f, nil // not known: no bound
	}
	if other, err := otherWays(sc); err != nil || other || sc.s.CanInject() {
		return f, nil
	}
	if n == 0 {
		return withoutProgram(sc, "no frame reached the stack%s: %s counts 0 as received, without those refused before; no BPF program that could redirect some is loaded", sc.span(), sc.name()), nil
	}
	f.max = num(n)
	f.evidence = append(f.evidence, fmt.Sprintf("%d frames reached the stack%s: those that %s counts as received", n, sc.span(), sc.name()))
	return f, nil
}

// sendsToQueue are the kinds whose own multicast goes through the queue of the device below, and counts as their
// rx_dropped where it does not fit (drivers/net/ipvlan/ipvlan_core.c: ipvlan_xmit_mode_l2).
var sendsToQueue = set("ipvlan", "ipvtap")

func judgeBroadcastQueue(sc *scene) (finding, error) {
	switch {
	case sc.hasUppers():
		f := open("%s has macvlans or ipvlans on top (rx_handler %s)", sc.name(), sc.rxHandler)
		waiting, limit, err := sc.s.UpperQueue(sc.dev, sc.rxHandler)
		switch {
		case err != nil:
			f.evidence = append(f.evidence, fmt.Sprintf("their queue for broadcasts could not be seen: %v", err))
		case limit != nil:
			f.evidence = append(f.evidence, fmt.Sprintf("their queue for broadcasts holds %d frames at most (bcqueuelen); %d wait now", *limit, waiting))
		default:
			f.evidence = append(f.evidence, fmt.Sprintf("their queue for broadcasts holds 1000 frames at most; %d wait now", waiting))
		}
		return f, nil
	case sendsToQueue[sc.kind]:
		return open("multicast that %s sends goes through the queue of the device below, and counts here where that is full", sc.name()), nil
	}
	return outNow("%s has no macvlan or ipvlan on top", sc.name()), nil
}

// judgeVxlan: up to 6.1 vxlan counts with the core what it refused; since the core keeps drop counters for it
// (6.9), that is the driver's.
func judgeVxlan(sc *scene) (finding, error) {
	if sc.kind != "vxlan" {
		return ruledOut("%s is not a vxlan device", sc.name()), nil
	}
	apart, err := sc.s.KeepsDropStats(sc.dev)
	if err != nil {
		return finding{}, err
	}
	if apart {
		return ruledOut("on this kernel a vxlan device counts it as its driver's (net_device.dstats)"), nil
	}
	return open("%s is a vxlan device; what it refused is not counted apart", sc.name()), nil
}

// judgeGRE: newer kernels count GRE packets that no tunnel takes on the device by which they came.
func judgeGRE(sc *scene) (finding, error) {
	counts, err := sc.s.CountsGRE()
	if err != nil {
		return finding{}, err
	}
	if !counts {
		return outNow("no GRE module that counts such packets is loaded"), nil
	}
	return open("GRE is loaded; how many GRE packets it refused is not counted apart"), nil
}

// judgeIdleQueue: noop takes the place of a device's queueing discipline while it is down or has no carrier.
func judgeIdleQueue(sc *scene) (finding, error) {
	counts, err := sc.s.CountsIdleSends()
	if err != nil {
		// As in a snapshot, which holds what was read when it was made: the path stays open, and nothing is missing.
		return open("whether this kernel counts it cannot be seen: %v", err), nil
	}
	if !counts {
		return ruledOut("this kernel does not count what is sent while a device is down or has no carrier"), nil
	}
	carrier, err := sc.dev.Carrier()
	if err != nil {
		return finding{}, err
	}
	switch {
	case !sc.running:
		return open("%s is not running now: what is sent through it is dropped", sc.name()), nil
	case !carrier:
		return open("%s has no carrier now: what is sent through it is dropped", sc.name()), nil
	}
	return open("%s is up and has a carrier now; whether it had when these were sent, memory does not say", sc.name()), nil
}

func judgeHSR(sc *scene) (finding, error) {
	return ofKind(sc, "hsr", "%s is an HSR or PRP device")
}

// countingDrivers are the modules that count with the core's tx_dropped themselves.
var countingDrivers = set("bnxt_en", "bnge")

func judgeCard(sc *scene) (finding, error) {
	if countingDrivers[sc.driver] {
		return open("%s is driven by %s", sc.name(), value.Printable(sc.driver)), nil
	}
	return ruledOut("%s is not driven by a module that counts there", sc.name()), nil
}
