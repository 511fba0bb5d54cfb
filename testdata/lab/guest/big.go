package main

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Of include/uapi/linux/virtio_net.h: what stands before a frame that a packet socket sends in one piece for a card to cut up.
const (
	vnetNeedsCsum = 1
	vnetTCPv4     = 1
	vnetUDPL4     = 5 // since 6.2
	vnetSize      = 10
)

// big sends frames whose bytes are not all in the skb's head, of -kind:
//
//	tcp, udp   by a packet socket from -i: larger than any frame, for a card to cut up; the headers are in the head
//	paged      by a packet socket from -i: the Ethernet header in the head, all that is behind it in a page
//	segment    by a UDP socket with UDP_SEGMENT, to -to
//	sendfile   by a TCP connection on lo, the pages of a file
//	zerocopy   by a TCP connection on lo, pages of the program's
//	unix       by a UNIX socket, pages of a file that nobody reads: nothing is in the head
func big(args []string) error {
	fs := flag.NewFlagSet("big", flag.ContinueOnError)
	var (
		kind = fs.String("kind", "tcp", "which of them")
		name = fs.String("i", "", "interface to send from")
		dst  = fs.String("dst", "", "destination MAC address")
		from = fs.String("from", "172.30.2.2", "source of IPv4")
		to   = fs.String("to", "172.30.2.1", "destination of IPv4")
		size = fs.Int("size", 20000, "bytes behind the headers")
	)
	if err := fs.Parse(args); err != nil {
		return err
	}
	src, addr := net.ParseIP(*from).To4(), net.ParseIP(*to).To4()
	if src == nil || addr == nil {
		return fmt.Errorf("want addresses of IPv4, got %q and %q", *from, *to)
	}
	switch *kind {
	case "segment":
		return bigSegment(addr, *size)
	case "sendfile", "zerocopy":
		return bigStream(*kind, *size)
	case "unix":
		return bigUnix(*size)
	}
	iface, err := net.InterfaceByName(*name)
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(*dst)
	if err != nil {
		return err
	}
	return bigPacket(iface.Index, *kind, mac, src, addr, *size)
}

// bigPorts are the ports of what packet sockets send.
const (
	bigFrom = 7401
	bigTo   = 7402
)

// bigPacket sends a frame with an Ethernet, an IPv4 and a TCP or UDP header.
func bigPacket(index int, kind string, mac net.HardwareAddr, src, dst net.IP, size int) error {
	const ether, ip = 14, 20
	vnet := make([]byte, vnetSize)
	header, protocol, sum := 8, byte(unix.IPPROTO_UDP), 6
	if kind == "tcp" {
		header, protocol, sum = 20, unix.IPPROTO_TCP, 16
	}
	l4 := make([]byte, header)
	binary.BigEndian.PutUint16(l4[0:], bigFrom)
	binary.BigEndian.PutUint16(l4[2:], bigTo)
	switch kind {
	case "tcp":
		binary.BigEndian.PutUint32(l4[4:], 1000)
		l4[12], l4[13] = 5<<4, 0x10
		vnet[1] = vnetTCPv4
	case "udp":
		binary.BigEndian.PutUint16(l4[4:], uint16(header+size))
		vnet[1] = vnetUDPL4
	case "paged":
		binary.BigEndian.PutUint16(l4[4:], uint16(header+size))
		binary.NativeEndian.PutUint16(vnet[2:], ether)
	default:
		return fmt.Errorf("there is no kind %q", kind)
	}
	if kind != "paged" {
		vnet[0] = vnetNeedsCsum
		binary.NativeEndian.PutUint16(vnet[2:], uint16(ether+ip+header))
		binary.NativeEndian.PutUint16(vnet[4:], 1000) // of each piece
		binary.NativeEndian.PutUint16(vnet[6:], ether+ip)
		binary.NativeEndian.PutUint16(vnet[8:], uint16(sum))
	}
	frame := append(append(append(vnet, mac...), 2, 0, 0, 0, 0, 0x99, 8, 0), ipv4(protocol, src, dst, header+size)...)
	frame = append(append(frame, l4...), bigBytes(size)...)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		return err
	}
	if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: index}); err != nil && err != unix.ENOBUFS {
		return fmt.Errorf("a frame of kind %s: %w", kind, err)
	}
	return nil
}

// bigBytes are bytes that are known again.
func bigBytes(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// ipv4 is a header for so many bytes.
func ipv4(protocol byte, src, dst net.IP, size int) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0}
	b = append(append(b, src...), dst...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)+size))
	binary.BigEndian.PutUint16(b[10:], checksum(b))
	return b
}

// bigSegment sends datagrams in one piece.
func bigSegment(to net.IP, size int) error {
	const udpSegment = 103
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_UDP, udpSegment, 1000), unix.Bind(fd, &unix.SockaddrInet4{Port: bigFrom}))
	if err != nil {
		return err
	}
	err = unix.Sendto(fd, bigBytes(size), 0, &unix.SockaddrInet4{Port: bigTo, Addr: [4]byte(to)})
	if err != nil && err != unix.ENOBUFS {
		return err
	}
	return nil
}

// bigFile is an open file of so many bytes, which is gone once it is closed.
func bigFile(size int) (*os.File, error) {
	f, err := os.CreateTemp("/tmp", "big")
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteAt(bigBytes(size), 0); err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// bigStream sends over a TCP connection while lo drops all that it receives.
func bigStream(kind string, size int) error {
	listen, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(listen)
	if err := errors.Join(unix.SetsockoptInt(listen, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.Bind(listen, local(bigTo)), unix.Listen(listen, 1)); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	far := -1
	end := sync.OnceFunc(func() {
		_ = unix.Close(fd)
		_ = unix.Close(far)
	})
	defer end()
	if err := unix.Connect(fd, local(bigTo)); err != nil {
		return err
	}
	if far, _, err = unix.Accept(listen); err != nil {
		return err
	}
	reset := &unix.Linger{Onoff: 1} // nothing of it is sent again
	if err := errors.Join(unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, reset), unix.SetsockoptLinger(far, unix.SOL_SOCKET, unix.SO_LINGER, reset)); err != nil {
		return err
	}
	if err := tc("qdisc add dev lo clsact", "filter add dev lo ingress prio 1 matchall action drop"); err != nil {
		return err
	}
	if kind == "sendfile" {
		err = sendFile(fd, size)
	} else {
		const zeroCopy = 60 // SO_ZEROCOPY
		if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, zeroCopy, 1); err == nil {
			err = unix.Sendto(fd, bigBytes(size), unix.MSG_ZEROCOPY, nil)
		}
	}
	time.Sleep(50 * time.Millisecond)
	end() // before the filter does: what is sent once more would lie in the other end out of order
	return errors.Join(err, tc("filter del dev lo ingress prio 1", "qdisc del dev lo clsact"))
}

func sendFile(fd, size int) error {
	f, err := bigFile(size)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = unix.Sendfile(fd, int(f.Fd()), nil, size)
	return err
}

// bigUnix leaves pages in a UNIX socket that is closed.
func bigUnix(size int) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	return errors.Join(sendFile(pair[0], size), unix.Close(pair[1]), unix.Close(pair[0]))
}
