package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kinspect/testdata/lab/wire"
)

// What the losses command makes, and where.
const (
	lossUDPPort    = 7101
	lossListenPort = 7102
	lossTCPPort    = 7103
	lossClosedPort = 7104

	lossDatagrams = 50 // sent to each UDP socket
	lossTurned    = 4  // connections that a full queue turned away
	lossBadSums   = 7  // IP headers with a wrong checksum
	lossFragments = 3  // fragments whose rest never comes
	lossNotHere   = 4  // packets for another address, while nothing is forwarded
	lossNoRoute   = 5  // ... and while it is
	lossOff       = 6  // IPv6 packets to a device on which IPv6 is off
)

// losses loses datagrams, connections, segments, packets and fragments on lo of its namespace, each so that
// it knows how many, says "lost", and holds the sockets until it is killed.
func losses([]string) error {
	t := wire.Losses{
		PID: os.Getpid(), ListenDrops: lossTurned, Backlog: 1, Waiting: 2,
		BadSums: lossBadSums, Fragments: lossFragments, NotHere: lossNotHere, NoRoute: lossNoRoute, Off: lossOff,
	}
	for _, lose := range []func(*wire.Losses) error{loseDatagrams, loseConnections, loseSegments, losePackets, loseRoutes} {
		if err := lose(&t); err != nil {
			return err
		}
	}
	content, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if err := os.WriteFile("/tmp/losses.json", content, 0o644); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "lost")
	for {
		time.Sleep(time.Hour)
	}
}

// loseDatagrams sends to a socket whose buffer is too small, reads what arrived, and so for a second one,
// which it closes.
func loseDatagrams(t *wire.Losses) error {
	one := func(port int) (fd int, lost uint64, err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, 0); err != nil {
			return fd, 0, err
		}
		err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096), unix.Bind(fd, local(port)))
		if err != nil {
			return fd, 0, err
		}
		send, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return fd, 0, err
		}
		defer unix.Close(send)
		for range lossDatagrams {
			if err := unix.Sendto(send, make([]byte, 700), 0, local(port)); err != nil {
				return fd, 0, err
			}
		}
		time.Sleep(100 * time.Millisecond)
		lost = lossDatagrams
		for {
			_, _, err := unix.Recvfrom(fd, make([]byte, 1000), 0)
			switch {
			case errors.Is(err, unix.EAGAIN):
				return fd, lost, nil
			case err != nil:
				return fd, 0, err
			}
			lost--
		}
	}
	_, lost, err := one(lossUDPPort)
	if err != nil {
		return err
	}
	t.UDPOpen = lost
	fd, lost, err := one(lossClosedPort)
	if err != nil {
		return err
	}
	t.UDPClosed = lost
	return unix.Close(fd)
}

// loseConnections fills the queue of a listening socket, which takes one more than its backlog, and asks for
// more. Who is turned away gives up before it would ask again.
func loseConnections(*wire.Losses) error {
	listen, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Bind(listen, local(lossListenPort)), unix.Listen(listen, 1)); err != nil {
		return err
	}
	for i := range 2 + lossTurned {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		if err := unix.Connect(fd, local(lossListenPort)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
		if i >= 2 {
			if err := unix.Close(fd); err != nil {
				return err
			}
		}
	}
	return nil
}

// loseSegments writes to two connections while lo drops all that it receives, and lets them recover.
func loseSegments(t *wire.Losses) error {
	listen, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Bind(listen, local(lossTCPPort)), unix.Listen(listen, 5)); err != nil {
		return err
	}
	var near, far [2]int
	for i := range near {
		if near[i], err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); err != nil {
			return err
		}
		if err := unix.Connect(near[i], local(lossTCPPort)); err != nil {
			return err
		}
		if far[i], _, err = unix.Accept(listen); err != nil {
			return err
		}
	}
	if err := tc("qdisc add dev lo clsact", "filter add dev lo ingress prio 1 matchall action drop"); err != nil {
		return err
	}
	for _, fd := range near {
		if _, err := unix.Write(fd, make([]byte, 10)); err != nil {
			return err
		}
	}
	time.Sleep(time.Second)
	if err := tc("filter del dev lo ingress prio 1", "qdisc del dev lo clsact"); err != nil {
		return err
	}
	var sent [2]uint64
	for i, fd := range near {
		info, err := recovered(fd)
		if err != nil {
			return err
		}
		sent[i] = uint64(info.Total_retrans)
	}
	t.RetransOpen, t.RetransClosed = sent[0], sent[1]
	return errors.Join(unix.Close(near[1]), unix.Close(far[1]))
}

// recovered waits until all that a connection sent is acknowledged.
func recovered(fd int) (*unix.TCPInfo, error) {
	for range 300 {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return nil, err
		}
		if info.Unacked == 0 {
			return info, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil, errors.New("the connection did not recover in 30 s")
}

func tc(commands ...string) error {
	for _, c := range commands {
		if out, err := exec.Command("/usr/sbin/tc", strings.Fields(c)...).CombinedOutput(); err != nil {
			return fmt.Errorf("tc %s: %w: %s", c, err, out)
		}
	}
	return nil
}

// losePackets sends IP headers with a wrong checksum, then first fragments alone, which time out in a second.
func losePackets(*wire.Losses) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	header := []byte{0x45, 0, 0, 28, 0, 1, 0, 0, 64, unix.IPPROTO_UDP, 0xde, 0xad, 127, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0, 0}
	if err := inject(fd, unix.ETH_P_IP, header, lossBadSums); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ipfrag_time", []byte("1"), 0); err != nil {
		return err
	}
	raw, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer unix.Close(raw)
	header[6], header[10], header[11] = 0x20, 0, 0 // more fragments; the kernel fills in the checksum
	for i := range lossFragments {
		header[5] = byte(100 + i)
		if err := unix.Sendto(raw, header, 0, local(0)); err != nil {
			return err
		}
	}
	time.Sleep(1500 * time.Millisecond)
	return nil
}

// inject sends packets that lo receives as they are.
func inject(fd int, proto uint16, packet []byte, count int) error {
	const lo = 1
	for range count {
		if err := unix.Sendto(fd, packet, 0, &unix.SockaddrLinklayer{Protocol: htons(proto), Ifindex: lo, Halen: 6}); err != nil {
			return err
		}
	}
	return nil
}

// loseRoutes sends packets that no route leads for, before and after this namespace forwards, and IPv6 packets to
// lo, where IPv6 is switched off.
func loseRoutes(*wire.Losses) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	packet := []byte{0x45, 0, 0, 28, 0, 1, 0, 0, 64, unix.IPPROTO_UDP, 0, 0, 198, 51, 100, 5, 203, 0, 113, 77, 0, 7, 0, 7, 0, 8, 0, 0}
	sum := checksum(packet[:20])
	packet[10], packet[11] = byte(sum>>8), byte(sum)
	if err := inject(fd, unix.ETH_P_IP, packet, lossNotHere); err != nil {
		return err
	}
	// They are received later than they are sent, and must meet a host that does not forward.
	if err := counted("InAddrErrors", lossNotHere); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/conf/all/forwarding", []byte("1"), 0); err != nil {
		return err
	}
	if err := inject(fd, unix.ETH_P_IP, packet, lossNoRoute); err != nil {
		return err
	}
	if err := counted("InNoRoutes", lossNoRoute); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/lo/disable_ipv6", []byte("1"), 0); err != nil {
		return err
	}
	six := make([]byte, 40)
	six[0], six[6], six[7], six[23], six[39] = 0x60, 59, 64, 1, 1 // nothing follows; ::1 to ::1
	return inject(fd, unix.ETH_P_IPV6, six, lossOff)
}

// counted waits until a counter of /proc/net/snmp or /proc/net/netstat has a value, which is the kernel's own word
// that packets were received.
func counted(name string, n int) error {
	last := ""
	for range 200 {
		for _, file := range []string{"/proc/self/net/snmp", "/proc/self/net/netstat"} {
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			lines := strings.Split(string(content), "\n")
			for i := 0; i+1 < len(lines); i += 2 {
				names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
				if at := slices.Index(names, name); at > 0 && at < len(values) {
					last = values[at]
				}
			}
		}
		if last == fmt.Sprint(n) {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s is %q, and does not become %d", name, last, n)
}
