// Command guest is the lab's one program inside the guest.
//
//	guest agent            serve the orchestrator on the virtio-serial port
//	guest frames [flags]   send raw Ethernet frames from an interface
//	guest tap IFACE        hold an ETH_P_ALL packet socket open, as tcpdump does
//	guest sockets IF PEER TAPPED  open sockets of all kinds, and hold them
//	guest tcx IFACE        hold a BPF program on TCX ingress
//	guest syn FROM TO PORT send one TCP SYN with a source that will not answer
//	guest as UID PROGRAM   run a program as another user
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
		"agent": agent, "frames": frames, "tap": tap, "as": runAs, "copy": copySparse,
		"sockets": sockets, "syn": syn, "tcx": tcx,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: guest agent|frames|tap|sockets|tcx|syn|as|copy ...")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "guest %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
