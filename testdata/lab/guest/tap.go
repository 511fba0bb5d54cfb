package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tap holds an ETH_P_ALL packet socket on an interface until it is killed, and
// says "open" on stdout once the kernel has registered it. It reads what
// arrives, so that the socket's own buffer never becomes the story.
//
// With -away the socket belongs to a process in other network and PID
// namespaces than the interface's, as a container's agent may have one. With
// -sent it belongs to nobody: it lies in a message that nobody has received.
func tap(args []string) error {
	fs := flag.NewFlagSet("tap", flag.ContinueOnError)
	away := fs.Bool("away", false, "hand the socket to a process in namespaces of its own")
	sent := fs.Bool("sent", false, "send the socket in a message that is not received")
	held := fs.Bool("held", false, "hold the socket that is open as file 3")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *held {
		return readAll(3)
	}
	if fs.NArg() != 1 {
		return fmt.Errorf("want one interface, got %q", fs.Args())
	}
	fd, err := openTap(fs.Arg(0))
	if err != nil {
		return err
	}
	switch {
	case *away:
		return handTo(fd)
	case *sent:
		return sendAway(fd)
	}
	return readAll(fd)
}

func openTap(name string) (int, error) {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return 0, err
	}
	return fd, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: iface.Index})
}

func readAll(fd int) error {
	fmt.Fprintln(os.Stdout, "open")
	buf := make([]byte, 1<<16)
	for {
		if _, _, err := unix.Recvfrom(fd, buf, 0); err != nil && err != unix.EINTR {
			return err
		}
	}
}

// handTo has a process in new namespaces hold the socket, and holds it no more itself.
func handTo(fd int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), "tap")
	cmd := exec.Command(self, "tap", "-held")
	cmd.ExtraFiles = []*os.File{file} // its file 3
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWPID}
	if err := cmd.Start(); err != nil {
		return err
	}
	return errors.Join(file.Close(), cmd.Wait())
}

// sendAway puts the socket into a message of a pair of sockets, and closes it. The kernel keeps it as
// long as the message lies there.
func sendAway(fd int) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(pair[0], []byte("tap"), unix.UnixRights(fd), nil, 0); err != nil {
		return err
	}
	if err := unix.Close(fd); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "open")
	for {
		time.Sleep(time.Hour)
	}
}
