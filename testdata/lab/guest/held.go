package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Ports of what held opens.
const (
	heldUDP  = 7411
	heldTCP  = 7412
	heldPeer = 7413

	heldDatagrams = 3 // left unread in a UDP socket that is closed
	heldSegments  = 4 // that a later segment of TCP makes useless
)

// held has sockets drop what they hold: a UDP socket that is closed with datagrams unread, and a TCP connection whose
// segments come in disorder from IF, and some twice. The connection is to 172.30.2.2, from 172.30.2.1, where the frames arrive
// with the MAC address given.
func held(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want an interface and a MAC address, got %q", args)
	}
	iface, err := net.InterfaceByName(args[0])
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(args[1])
	if err != nil {
		return err
	}
	return errors.Join(heldDatagramsOf(), heldSegmentsOf(iface.Index, mac))
}

func heldDatagramsOf() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, local(heldUDP)); err != nil {
		return err
	}
	for range heldDatagrams {
		if err := unix.Sendto(fd, make([]byte, 700), 0, local(heldUDP)); err != nil {
			return err
		}
	}
	return unix.Close(fd)
}

// heldSegmentsOf makes a connection without the other end (TCP_REPAIR), and sends what that would have.
func heldSegmentsOf(index int, mac net.HardwareAddr) error {
	const (
		repair, queue, seq      = 19, 20, 21 // TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ
		receive, send           = 1, 2
		off                     = -1 // without a probe of the window
		theirs, ours            = 1000, 500000
		beforeIt, there, behind = 2000, 3000, 4000
	)
	src, dst := net.IPv4(172, 30, 2, 2).To4(), net.IPv4(172, 30, 2, 1).To4()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	set := func(option, value int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, option, value) }
	err = errors.Join(
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		set(repair, 1), unix.Bind(fd, &unix.SockaddrInet4{Port: heldTCP, Addr: [4]byte(dst)}),
		set(queue, send), set(seq, ours), set(queue, receive), set(seq, theirs),
		unix.Connect(fd, &unix.SockaddrInet4{Port: heldPeer, Addr: [4]byte(src)}), set(repair, off))
	if err != nil {
		return fmt.Errorf("a connection without another end: %w", err)
	}
	packet, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return err
	}
	defer unix.Close(packet)
	segment := func(at, size int) error {
		tcp := make([]byte, 20+size)
		binary.BigEndian.PutUint16(tcp[0:], heldPeer)
		binary.BigEndian.PutUint16(tcp[2:], heldTCP)
		binary.BigEndian.PutUint32(tcp[4:], uint32(at))
		binary.BigEndian.PutUint32(tcp[8:], ours)
		tcp[12], tcp[13] = 5<<4, 0x10 // ACK
		binary.BigEndian.PutUint16(tcp[14:], 1000)
		pseudo := append(append(append([]byte{}, src...), dst...), 0, unix.IPPROTO_TCP, byte(len(tcp)>>8), byte(len(tcp)))
		binary.BigEndian.PutUint16(tcp[16:], checksum(append(pseudo, tcp...)))
		frame := append(append(append([]byte{}, mac...), 2, 0, 0, 0, 0, 0x99, 8, 0), ipv4(unix.IPPROTO_TCP, src, dst, len(tcp))...)
		return unix.Sendto(packet, append(frame, tcp...), 0, &unix.SockaddrLinklayer{Ifindex: index})
	}
	// The one in the middle is the root of the tree that holds them; each longer one takes its place.
	for _, at := range []int{there, beforeIt, behind} {
		if err := segment(at, 100); err != nil {
			return err
		}
	}
	for i := range heldSegments {
		if err := segment(there, 200+100*i); err != nil {
			return err
		}
	}
	return nil
}
