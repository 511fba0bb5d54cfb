package main

import (
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// frames sends -count equal Ethernet frames from -i. The socket is opened for
// protocol 0, so it registers no packet handler and leaves the receive path,
// which is what the lab measures, untouched.
func frames(args []string) error {
	fs := flag.NewFlagSet("frames", flag.ContinueOnError)
	var (
		name    = fs.String("i", "", "interface to send from")
		dst     = fs.String("dst", "ff:ff:ff:ff:ff:ff", "destination MAC address")
		proto   = fs.String("type", "0x88cc", "ethertype, or 802.2 to send a length there and -llc after it")
		llc     = fs.String("llc", "", "first bytes of the payload, in hex (802.2: DSAP SSAP control)")
		vlan    = fs.Int("vlan", 0, "VLAN id of an 802.1Q tag, 0 for none")
		count   = fs.Int("count", 1, "how many frames")
		cpu     = fs.Int("cpu", -1, "CPU to send from, -1 for any")
		alone   = fs.Bool("alone", false, "let no other task onto the CPU meanwhile (SCHED_FIFO)")
		size    = fs.Int("size", 60, "bytes of the frame, without the checksum")
		srcAddr = fs.String("src", "02:00:00:00:00:99", "source MAC address")
	)
	if err := fs.Parse(args); err != nil {
		return err
	}
	iface, err := net.InterfaceByName(*name)
	if err != nil {
		return err
	}
	to, err := net.ParseMAC(*dst)
	if err != nil {
		return err
	}
	from, err := net.ParseMAC(*srcAddr)
	if err != nil {
		return err
	}
	payload, err := hex.DecodeString(strings.ReplaceAll(*llc, " ", ""))
	if err != nil {
		return err
	}
	frame := append(append([]byte{}, to...), from...)
	if *vlan != 0 {
		frame = binary.BigEndian.AppendUint16(append(frame, 0x81, 0x00), uint16(*vlan))
	}
	kind := uint64(max(*size-len(frame)-2, len(payload))) // 802.2: the length of what follows
	if *proto != "802.2" {
		if kind, err = strconv.ParseUint(*proto, 0, 16); err != nil {
			return err
		}
	}
	frame = append(binary.BigEndian.AppendUint16(frame, uint16(kind)), payload...)
	frame = append(frame, make([]byte, max(*size-len(frame), 0))...)

	if *cpu >= 0 {
		if err := moveToCPU(*cpu); err != nil {
			return err
		}
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if *alone {
		runtime.LockOSThread()
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 50}
		if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
			return fmt.Errorf("keeping the CPU: %w", err)
		}
		// A sender must not wait either until frames that are queued have left.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 64<<20); err != nil {
			return fmt.Errorf("a larger buffer: %w", err)
		}
	}
	addr := &unix.SockaddrLinklayer{Ifindex: iface.Index}
	for i := range *count {
		// Newer veth drivers tell the sender that the other side dropped the
		// frame, which for some scenarios is the point.
		if err := unix.Sendto(fd, frame, 0, addr); err != nil && err != unix.ENOBUFS {
			return fmt.Errorf("frame %d of %d: %w", i+1, *count, err)
		}
	}
	return nil
}

// moveToCPU moves the goroutine, with a thread of its own, to a CPU.
func moveToCPU(cpu int) error {
	runtime.LockOSThread() // the CPU is this thread's
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("moving to CPU %d: %w", cpu, err)
	}
	return nil
}
