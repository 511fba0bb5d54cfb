package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// syn sends the first segment of a TCP connection with a source address of another host, which will not
// answer: the kernel keeps the request, and asks again.
func syn(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("want two addresses and a port, got %q", args)
	}
	from, err := netip.ParseAddr(args[0])
	if err != nil {
		return err
	}
	to, err := netip.ParseAddr(args[1])
	if err != nil {
		return err
	}
	port, err := strconv.ParseUint(args[2], 10, 16)
	if err != nil {
		return err
	}
	const sourcePort = 7777
	src, dst := from.As4(), to.As4()
	tcp := make([]byte, 20)
	binary.BigEndian.PutUint16(tcp[0:], sourcePort)
	binary.BigEndian.PutUint16(tcp[2:], uint16(port))
	binary.BigEndian.PutUint32(tcp[4:], 1000)
	tcp[12], tcp[13] = 5<<4, 2 // 20 bytes; SYN
	binary.BigEndian.PutUint16(tcp[14:], 1000)
	pseudo := append(append(append([]byte{}, src[:]...), dst[:]...), 0, unix.IPPROTO_TCP, 0, byte(len(tcp)))
	binary.BigEndian.PutUint16(tcp[16:], checksum(append(pseudo, tcp...)))
	// The kernel fills in the length and the checksum of the IP header.
	ip := append([]byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, unix.IPPROTO_TCP, 0, 0}, append(src[:], dst[:]...)...)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, append(ip, tcp...), 0, &unix.SockaddrInet4{Addr: dst})
}

func checksum(data []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(data); i += 2 {
		sum += uint32(data[i])<<8 | uint32(data[i+1])
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
