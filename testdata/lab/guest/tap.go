package main

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// tap holds an ETH_P_ALL packet socket on an interface until it is killed, and
// says "open" on stdout once the kernel has registered it. It reads what
// arrives, so that the socket's own buffer never becomes the story.
func tap(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one interface, got %q", args)
	}
	iface, err := net.InterfaceByName(args[0])
	if err != nil {
		return err
	}
	const protoAll = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // htons, little-endian hosts only
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protoAll & 0xffff, Ifindex: iface.Index}); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "open")
	buf := make([]byte, 1<<16)
	for {
		if _, _, err := unix.Recvfrom(fd, buf, 0); err != nil && err != unix.EINTR {
			return err
		}
	}
}
