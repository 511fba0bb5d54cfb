package check

import (
	"fmt"
	"strings"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

func judgeNoSlave(sc *scene) (finding, error) {
	if sc.kind != "bond" {
		return ruledOut("%s is not a bond", sc.name()), nil
	}
	if sc.bond == nil {
		return open("the bond's slaves could not be read"), nil
	}
	if len(sc.bond.Slaves) == 0 {
		return open("the bond has no slave now"), nil
	}
	up := 0
	for _, sl := range sc.bond.Slaves {
		running, err := sl.Device.Running()
		if err != nil {
			return finding{}, err
		}
		if running {
			up++
		}
	}
	return open("%d of the bond's %d slaves are up now; whether one was active when these were sent, memory does not say", up, len(sc.bond.Slaves)), nil
}

// judgeNoQueue: a device with a queueing discipline queues, and what the discipline drops counts there.
func judgeNoQueue(sc *scene) (finding, error) {
	queues, without, err := sc.s.SendQueues(sc.dev)
	if err != nil {
		return finding{}, err
	}
	if queues > 0 && without == 0 {
		return outNow("each of its %d send queues has a queueing discipline, which counts its drops itself (tc -s qdisc)", queues), nil
	}
	f := open("%d of its %d send queues have no queueing discipline", without, queues)
	if !sc.running {
		f.evidence = append(f.evidence, "the device is not running")
	}
	f.evidence = append(f.evidence, `the kernel's log has "asks to queue packet" where it was stopped, and "Dead loop on virtual device" for a loop`)
	return f, nil
}

func judgeDirect(sc *scene) (finding, error) {
	n := 0
	for _, kind := range []string{"packet", "xdp"} {
		err := sc.s.EachSocket(kind, []knet.NetNS{sc.dev.NS}, func(k knet.Socket) error {
			bypasses, err := sc.s.BypassesQueue(k)
			if bypasses {
				n++
			}
			return err
		})
		if err != nil {
			return finding{}, err
		}
	}
	if n == 0 {
		return outNow("no socket of %s sends past the queue (packet sockets with PACKET_QDISC_BYPASS, XDP sockets)", sc.dev.NS), nil
	}
	return open("%d sockets of %s send past the queue (kinspect eval \"ss(['packet', 'xdp'])\" lists them)", n, sc.dev.NS), nil
}

func judgeUnsendable(*scene) (finding, error) {
	return open("it takes an allocation that fails or a frame with wrong lengths; memory does not count these apart"), nil
}

func judgeGenericXDP(sc *scene) (finding, error) {
	programs, err := sc.s.Programs(sc.dev)
	if err != nil {
		return finding{}, err
	}
	for _, p := range programs {
		if p.Hook == "xdp" && strings.Contains(p.Mode, "generic") {
			return open("a generic XDP program is attached to %s", sc.name()), nil
		}
	}
	return outNow("no generic XDP program is attached to %s", sc.name()), nil
}

func judgeBPFNeighbour(sc *scene) (finding, error) {
	n, err := redirectors(sc.s.K)
	if err != nil {
		return finding{}, err
	}
	if n > 0 {
		return open("%d BPF programs of kinds that can redirect packets are loaded", n), nil
	}
	return withoutProgram(sc, "no BPF program that could redirect packets is loaded"), nil
}

// ofKind is open for devices of a kind, and ruled out for others.
func ofKind(sc *scene, kind, evidence string) (finding, error) {
	if sc.kind == kind {
		return open("%s", fmt.Sprintf(evidence, sc.name())), nil
	}
	return ruledOut("%s is not a %s device", sc.name(), kind), nil
}

func judgeTunQueue(sc *scene) (finding, error) {
	f, err := ofKind(sc, "tun", "%s is a tun or tap device; why it refused a frame is not counted apart")
	if err != nil || f.out {
		return f, err
	}
	rings, err := sc.s.TunRings(sc.dev)
	full := 0
	for _, r := range rings {
		if r.Full {
			full++
		}
	}
	switch {
	case err != nil:
		f.evidence = append(f.evidence, fmt.Sprintf("its rings could not be seen: %v", err))
	case len(rings) == 0:
		f.evidence = append(f.evidence, "no program has it open now: what is sent through it is dropped")
	default:
		f.evidence = append(f.evidence, fmt.Sprintf("%d of its %d rings are full now, of %d packets each", full, len(rings), rings[0].Size))
	}
	return f, nil
}

func judgeNetkit(sc *scene) (finding, error) {
	return ofKind(sc, "netkit", "%s is a netkit device; why it refused a frame is not counted apart")
}

func judgeFailover(sc *scene) (finding, error) {
	if sc.driver == "net_failover" {
		return open("%s is a net_failover device", sc.name()), nil
	}
	return ruledOut("%s is not a net_failover device", sc.name()), nil
}

// judgeOtherHost: eth_type_trans marks a frame to another address as PACKET_OTHERHOST, and IP throws it away.
func judgeOtherHost(sc *scene) (finding, error) {
	n, err := sc.dev.Value.UintPath("promiscuity")
	if err != nil {
		return finding{}, err
	}
	switch {
	case n > 0:
		return open("%s is promiscuous (%d times): frames for other hosts reach it by design, and IP throws them away", sc.name(), n), nil
	case sc.kind == "veth" || sc.kind == "tun":
		return open("%s takes whatever the other end sends, promiscuous or not", sc.name()), nil
	case aboveOthers[sc.kind] != "" || sc.kind == "bridge":
		return open("%s gets its frames from %s, whose filters and promiscuous mode decide what comes", sc.name(), orElse(aboveOthers[sc.kind], "its ports")), nil
	}
	return open("%s is not promiscuous now; whether it was, or whether its hardware filters exactly, memory does not say", sc.name()), nil
}

// judgeUnknownVLAN: a frame with a VLAN id that no device takes off counts as another host's.
func judgeUnknownVLAN(sc *scene) (finding, error) {
	upper, err := sc.s.Upper(sc.dev)
	if err != nil {
		return finding{}, err
	}
	var vlans []string
	for _, a := range upper {
		kind, err := a.Device.Kind()
		if err != nil {
			return finding{}, err
		}
		if kind == "vlan" {
			vlans = append(vlans, value.Printable(a.Device.Name))
		}
	}
	if len(vlans) == 0 {
		return open("no VLAN device is above %s: a frame with any VLAN id but 0 is another host's", sc.name()), nil
	}
	return open("above %s are %s: a frame with another VLAN id is another host's", sc.name(), strings.Join(vlans, ", ")), nil
}
