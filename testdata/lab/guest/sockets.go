package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// What the sockets command opens.
const (
	listenPort = 7001
	sixPort    = 7002
	udpPort    = 7003
	otherPort  = 7004
	rawProto   = 99
)

// sockets opens one socket of each kind that kinspect lists, with something in its queues, on an
// interface and its peer, and a tap on a third one, then says "open" and holds them until it is killed.
func sockets(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("want an interface, its peer and a third one, got %q", args)
	}
	near, err := net.InterfaceByName(args[0])
	if err != nil {
		return err
	}
	far, err := net.InterfaceByName(args[1])
	if err != nil {
		return err
	}
	tapped, err := net.InterfaceByName(args[2])
	if err != nil {
		return err
	}
	for _, open := range []func() error{
		tcpSockets, udpSockets, unixSockets, rawSockets, netlinkSocket,
		func() error { return packetSockets(near.Index, far.Index, tapped.Index) },
		func() error { return xdpProgram(far.Index) },
	} {
		if err := open(); err != nil {
			return err
		}
	}
	fmt.Fprintln(os.Stdout, "open")
	for { // an endless select would be a deadlock
		time.Sleep(time.Hour)
	}
}

func htons(n uint16) uint16 { return n<<8 | n>>8 } // little-endian hosts only

func local(port int) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

// tcpSockets: a listening socket on any address; a connection over lo, accepted, with 100 bytes that
// nobody reads; one that nobody accepts; one that was closed, and one whose end nobody has seen to; and
// a listening socket of IPv6.
func tcpSockets() error {
	listen, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	err = errors.Join(
		unix.SetsockoptInt(listen, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.Bind(listen, &unix.SockaddrInet4{Port: listenPort}), unix.Listen(listen, 5))
	if err != nil {
		return err
	}
	connect := func() (int, error) {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return fd, err
		}
		return fd, unix.Connect(fd, local(listenPort))
	}
	pair := func() (near, far int, err error) {
		if near, err = connect(); err != nil {
			return near, 0, err
		}
		far, _, err = unix.Accept(listen)
		return near, far, err
	}
	near, _, err := pair()
	if err != nil {
		return err
	}
	if _, err := unix.Write(near, make([]byte, 100)); err != nil {
		return err
	}
	// Closed by this side first, which keeps it in TIME_WAIT; closed by this side alone, which the
	// other one knows, and has not answered.
	near, far, err := pair()
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Close(near), unix.Close(far)); err != nil {
		return err
	}
	near, _, err = pair()
	if err != nil {
		return err
	}
	if err := unix.Shutdown(near, unix.SHUT_WR); err != nil {
		return err
	}
	if _, err := connect(); err != nil { // nobody accepts it
		return err
	}
	six, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Bind(six, &unix.SockaddrInet6{Port: sixPort}), unix.Listen(six, 7))
}

// udpSockets: one whose buffer is too small for what it is sent, and one with another end.
func udpSockets() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096), unix.Bind(fd, local(udpPort)))
	if err != nil {
		return err
	}
	send, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Bind(send, local(otherPort)), unix.Connect(send, local(udpPort))); err != nil {
		return err
	}
	for range 50 {
		if _, err := unix.Write(send, make([]byte, 700)); err != nil {
			return err
		}
	}
	six, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.SetsockoptInt(six, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1), unix.Bind(six, &unix.SockaddrInet6{Port: sixPort}))
}

// unixSockets: a listening one with a connection that waits, a pair with unread bytes, and one of
// datagrams with two that wait; their names are a path and an abstract one.
func unixSockets() error {
	listen, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	path := &unix.SockaddrUnix{Name: "/tmp/lab.sock"}
	if err := errors.Join(unix.Bind(listen, path), unix.Listen(listen, 3)); err != nil {
		return err
	}
	client, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := unix.Connect(client, path); err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if _, err := unix.Write(pair[0], make([]byte, 300)); err != nil {
		return err
	}
	if _, err := unix.Read(pair[1], make([]byte, 120)); err != nil {
		return err
	}
	dgram, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	abstract := &unix.SockaddrUnix{Name: "@lab.abstract"}
	if err := unix.Bind(dgram, abstract); err != nil {
		return err
	}
	send, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Sendto(send, make([]byte, 40), 0, abstract), unix.Sendto(send, make([]byte, 50), 0, abstract))
}

// rawSockets: one of a protocol that nobody speaks, and one that may send echo requests.
func rawSockets() error {
	if _, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, rawProto); err != nil {
		return err
	}
	if _, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW, rawProto); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0); err != nil {
		return err
	}
	ping, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP)
	if err != nil {
		return err
	}
	return unix.Bind(ping, local(otherPort))
}

// netlinkSocket listens to changes of links and of IPv4 addresses.
func netlinkSocket() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_IPV4_IFADDR-1)})
}

// packetSockets: one that sees every frame, and has room for few; two that share IPv4's; one with a
// ring; one that is not hooked in.
func packetSockets(near, far, tapped int) error {
	open := func(typ int, proto uint16, index int) (int, error) {
		fd, err := unix.Socket(unix.AF_PACKET, typ, 0)
		if err != nil {
			return fd, err
		}
		return fd, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(proto), Ifindex: index})
	}
	all, err := open(unix.SOCK_RAW, unix.ETH_P_ALL, tapped)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(all, unix.SOL_SOCKET, unix.SO_RCVBUF, 2048); err != nil {
		return err
	}
	for range 2 {
		fd, err := open(unix.SOCK_DGRAM, unix.ETH_P_IP, far)
		if err != nil {
			return err
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, 42|unix.PACKET_FANOUT_LB<<16); err != nil {
			return err
		}
	}
	ring, err := open(unix.SOCK_RAW, 0x88b6, near)
	if err != nil {
		return err
	}
	req := unix.TpacketReq{Block_size: 4096, Block_nr: 4, Frame_size: 2048, Frame_nr: 8}
	err = errors.Join(
		unix.SetsockoptInt(ring, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2),
		unix.SetsockoptTpacketReq(ring, unix.SOL_PACKET, unix.PACKET_RX_RING, &req))
	if err != nil {
		return err
	}
	_, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	return err
}

// xdpProgram attaches a BPF program that lets everything pass to XDP, and stores its number, which no
// other tool in the guest knows, in /tmp/programs.json.
func xdpProgram(index int) error {
	const pass = 2
	fd, id, err := loadReturn(progXDP, pass)
	if err != nil {
		return fmt.Errorf("loading for XDP: %w", err)
	}
	if err := linkCreate(fd, index, attachXDP, xdpSKBMode); err != nil {
		return fmt.Errorf("attaching to XDP: %w", err)
	}
	content, err := json.Marshal(map[string]uint32{"xdp": id})
	if err != nil {
		return err
	}
	return os.WriteFile("/tmp/programs.json", content, 0o644)
}

// tcx attaches a program that has no opinion to TCX ingress of an interface until it is killed, and says
// its number on stdout; before 6.6, which had no TCX, it says 0.
func tcx(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one interface, got %q", args)
	}
	iface, err := net.InterfaceByName(args[0])
	if err != nil {
		return err
	}
	const next = -1
	fd, id, err := loadReturn(progSchedCLS, next)
	if err != nil {
		return fmt.Errorf("loading for TCX: %w", err)
	}
	switch err := linkCreate(fd, iface.Index, attachTCXIngress, 0); {
	case errors.Is(err, unix.EINVAL):
		id = 0
	case err != nil:
		return fmt.Errorf("attaching to TCX: %w", err)
	}
	fmt.Fprintln(os.Stdout, id)
	for {
		time.Sleep(time.Hour)
	}
}

// loadReturn loads a program that returns a number, and tells its own number.
func loadReturn(typ uint32, result int32) (fd int, id uint32, err error) {
	if fd, err = loadProgram(typ, "lab_pass", instruction(0xb7, 0, result), instruction(0x95, 0, 0)); err != nil {
		return 0, 0, err
	}
	id, err = programID(fd)
	return fd, id, err
}
