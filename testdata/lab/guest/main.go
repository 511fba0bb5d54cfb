// Command guest is the lab's one program inside the guest.
//
//	guest agent            serve the orchestrator on the virtio-serial port
//	guest frames [flags]   send raw Ethernet frames from an interface
//	guest flood [flags] [PROGRAM]  send UDP frames as fast as it can, with a program beside it
//	guest tap [flags] IFACE  hold an ETH_P_ALL packet socket open, as tcpdump does
//	guest xdpdrop IFACE    hold a BPF program that drops all on generic XDP
//	guest redirect FROM TO hold a BPF program on TCX ingress that redirects frames into TO
//	guest sockets IF PEER TAPPED  open sockets of all kinds, and hold them
//	guest tun NAME         make a tun device, write what it refuses, and hold it without reading
//	guest losses           lose what the protocols count, in a namespace with lo alone, and hold the sockets
//	guest tcx IFACE        hold a BPF program on TCX ingress
//	guest syn FROM TO PORT send one TCP SYN with a source that will not answer
//	guest big [flags]      send what has bytes in pages
//	guest held IF MAC      have sockets drop what they hold
//	guest transfer WRITES  send over a TCP connection to itself
//	guest as UID[:CAP,...] PROGRAM  run a program as another user, with these capabilities alone
//	guest seccomp NUMBER PROGRAM  run a program to which a seccomp filter refuses a system call
//	guest copy FROM TO     copy a file, leaving zero blocks out (for /proc/vmcore)
//
// It is static and knows nothing of kinspect.
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func([]string) error{
		"agent": agent, "frames": frames, "flood": flood, "tap": tap, "as": runAs, "seccomp": runFiltered, "copy": copySparse,
		"sockets": sockets, "syn": syn, "tcx": tcx, "losses": losses, "tun": tun, "big": big, "held": held, "xdpdrop": xdpDrop, "redirect": redirect, "transfer": transfer,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: guest agent|frames|flood|tap|tun|sockets|losses|tcx|xdpdrop|redirect|syn|transfer|big|held|as|seccomp|copy ...")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "guest %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
