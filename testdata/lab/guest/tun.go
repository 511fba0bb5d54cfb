package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// What tun writes that is refused.
const (
	tunDown = 4 // packets while the device is down
	tunBad  = 3 // packets of no IP version
)

// tun makes a tun device and writes what the kernel refuses: packets while it is down, and some of no IP version. Then it
// holds the device until it is killed, and reads nothing, so that its ring fills.
func tun(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want a device's name, got %q", args)
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR, 0)
	if err != nil {
		return err
	}
	req, err := unix.NewIfreq(args[0])
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return err
	}
	// No packets of the kernel's own: there is no IPv6 on the device.
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+args[0]+"/disable_ipv6", []byte("1"), 0o644); err != nil {
		return err
	}
	packet := append([]byte{0x45, 0, 0, 40}, make([]byte, 36)...)
	for range tunDown {
		if _, err := unix.Write(fd, packet); !errors.Is(err, unix.EIO) {
			return fmt.Errorf("writing while the device is down: %v", err)
		}
	}
	if err := setUp(req); err != nil {
		return err
	}
	packet[0] = 0
	for range tunBad {
		if _, err := unix.Write(fd, packet); !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("writing no IP: %v", err)
		}
	}
	fmt.Fprintln(os.Stdout, "held")
	for {
		time.Sleep(time.Hour)
	}
}

// setUp sets a device up.
func setUp(req *unix.Ifreq) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	if err := unix.IoctlIfreq(s, unix.SIOCGIFFLAGS, req); err != nil {
		return err
	}
	req.SetUint16(req.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req)
}
