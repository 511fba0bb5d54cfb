package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// flooded is how a flood went, with a program beside it or without.
type flooded struct {
	Frames int     `json:"frames"` // sent
	Rate   float64 `json:"rate"`   // of these a second, but for the first ones
	Exit   int     `json:"exit"`   // of the program
	CPU    float64 `json:"cpu"`    // seconds of it, from when it was ready until it was told to end
	Peak   uint64  `json:"peak"`   // its memory, KiB: the most that was resident
}

// flood sends UDP frames from an interface, and tells how long that took. A program is started before, waited for until it says that it is ready, and ended by SIGINT behind the flood, when it writes
// nothing more. What it writes is in /tmp/flood.out and /tmp/flood.err.
func flood(args []string) error {
	fs := flag.NewFlagSet("flood", flag.ContinueOnError)
	var (
		name   = fs.String("i", "", "interface to send from")
		dst    = fs.String("dst", "02:00:00:00:00:77", "destination MAC address")
		ip     = fs.String("ip", "198.18.1.2", "destination IPv4 address")
		count  = fs.Int("count", 100000, "how many frames")
		warm   = fs.Int("warm", 5000, "how many of them come before the time is taken: what was just attached is slow at first under emulation")
		ready  = fs.String("ready", "", "what the program writes when it is ready")
		loaded = fs.String("module", "", "or which module of the kernel somebody uses then")
		input  = fs.String("input", "", "what it reads")
		settle = fs.Duration("settle", time.Second, "how long it writes nothing before it is ended")
		limit  = fs.Duration("limit", 2*time.Minute, "how long the program may take for its start, and for its end")
	)
	if err := fs.Parse(args); err != nil {
		return err
	}
	var p *floodProgram
	if fs.NArg() > 0 {
		var err error
		if p, err = startBeside(fs.Args(), *input, *limit, func() bool { return watching(*ready, *loaded) }); err != nil {
			return err
		}
		defer func() { _ = p.cmd.Process.Kill() }()
	}
	var out flooded
	send, err := newSender(*name, *dst, *ip)
	if err != nil {
		return err
	}
	defer send.close()
	if _, err := send.frames(min(*warm, *count)); err != nil {
		return err
	}
	rest := *count - min(*warm, *count)
	took, err := send.frames(rest)
	if err != nil {
		return err
	}
	out.Frames, out.Rate = *count, float64(rest)/max(took.Seconds(), 1e-6)
	if p != nil {
		if err := p.end(*settle, *limit, &out); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// sender sends equal UDP frames as fast as it can, from one CPU, some with each system call, past the qdisc. (The kernel's own
// pktgen would be faster, but keeps a reference to each frame, so that it is pktgen who frees what was dropped.)
type sender struct {
	fd    int
	frame []byte
	piece unix.Iovec
	batch []message
}

type message struct {
	unix.Msghdr
	sent uint32
	_    [4]byte
}

func newSender(name, mac, ip string) (*sender, error) {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	to, err := net.ParseMAC(mac)
	if err != nil {
		return nil, err
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return nil, err
	}
	dst := addr.As4()
	header := append([]byte{0x45, 0, 0, 46, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0, 198, 18, 0, 1}, dst[:]...)
	binary.BigEndian.PutUint16(header[10:], checksum(header))
	s := &sender{frame: append(append([]byte{}, to...), 2, 0, 0, 0, 0, 0x99, 0x08, 0x00)}
	s.frame = append(append(s.frame, header...), make([]byte, 26)...)
	udp := s.frame[34:]
	binary.BigEndian.PutUint16(udp[0:], 9)
	binary.BigEndian.PutUint16(udp[2:], 9)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	s.piece = unix.Iovec{Base: &s.frame[0], Len: uint64(len(s.frame))}
	s.batch = make([]message, 64)
	for i := range s.batch {
		s.batch[i].Iov, s.batch[i].Iovlen = &s.piece, 1
	}

	if err := moveToCPU(0); err != nil {
		return nil, err
	}
	if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0); err != nil {
		return nil, err
	}
	err = unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)
	if err == nil {
		err = unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: iface.Index})
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *sender) close() { unix.Close(s.fd) }

// frames sends some, and tells how long that took.
func (s *sender) frames(count int) (time.Duration, error) {
	start := time.Now()
	for left := count; left > 0; {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.batch[0])), uintptr(min(left, len(s.batch))), 0, 0, 0)
		switch errno {
		case 0:
			left -= int(n)
		case unix.ENOBUFS: // the other end dropped it, and a newer driver says so
			left--
		case unix.EINTR, unix.EAGAIN:
		default:
			return 0, fmt.Errorf("frame %d of %d: %w", count-left+1, count, errno)
		}
	}
	return time.Since(start), nil
}

// The files that a program writes to.
const (
	floodOut = "/tmp/flood.out"
	floodErr = "/tmp/flood.err"
)

// floodProgram is a program beside a flood.
type floodProgram struct {
	cmd  *exec.Cmd
	in   *os.File
	done chan error
	cpu  float64
}

func startBeside(args []string, input string, limit time.Duration, ready func() bool) (p *floodProgram, err error) {
	p = &floodProgram{cmd: exec.Command(args[0], args[1:]...), done: make(chan error, 1)}
	r, w, err := os.Pipe() // stays open: some programs end with their input
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if _, err := w.WriteString(strings.ReplaceAll(input, `\n`, "\n")); err != nil {
		return nil, err
	}
	p.in, p.cmd.Stdin = w, r
	for name, to := range map[string]*os.File{floodOut: nil, floodErr: nil} {
		if to, err = os.Create(name); err != nil {
			return nil, err
		}
		defer to.Close()
		if name == floodOut {
			p.cmd.Stdout = to
		} else {
			p.cmd.Stderr = to
		}
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.done <- p.cmd.Wait() }()
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		if ready() {
			break
		}
		select {
		case err := <-p.done:
			return nil, fmt.Errorf("%s ended before the flood: %v\n%s", args[0], err, written())
		default:
		}
		if time.Now().After(deadline) {
			_ = p.cmd.Process.Kill()
			return nil, fmt.Errorf("%s is not ready after %v:\n%s", args[0], limit, written())
		}
	}
	p.cpu, _ = p.usage()
	return p, nil
}

// watching reports whether a program has said a word, or uses a module.
func watching(word, module string) bool {
	if module == "" {
		return strings.Contains(written(), word)
	}
	users, _ := os.ReadFile(filepath.Join("/sys/module", module, "refcnt"))
	n, _ := strconv.Atoi(strings.TrimSpace(string(users)))
	return n > 0
}

// written is what the program wrote so far, or its beginning.
func written() string {
	var b strings.Builder
	for _, name := range []string{floodOut, floodErr} {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		text := make([]byte, 4000)
		n, _ := f.Read(text)
		b.Write(text[:n])
		f.Close()
	}
	return b.String()
}

// usage is the time that the program has run, and the most memory that it had.
func (p *floodProgram) usage() (seconds float64, peak uint64) {
	const ticks = 100 // USER_HZ
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	if f := strings.Fields(rest); len(f) > 13 {
		user, _ := strconv.ParseUint(f[11], 10, 64)
		system, _ := strconv.ParseUint(f[12], 10, 64)
		seconds = float64(user+system) / ticks
	}
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for l := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(l, "VmHWM:"); ok {
			fmt.Sscan(text, &peak)
		}
	}
	return seconds, peak
}

// end ends the program when it has written nothing for some time.
func (p *floodProgram) end(settle, limit time.Duration, out *flooded) error {
	size := func() (n int64) {
		for _, name := range []string{floodOut, floodErr} {
			if info, err := os.Stat(name); err == nil {
				n += info.Size()
			}
		}
		return n
	}
	deadline := time.Now().Add(limit)
	for last, since := size(), time.Now(); time.Since(since) < settle && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if n := size(); n != last {
			last, since = n, time.Now()
		}
	}
	now, peak := p.usage()
	out.CPU, out.Peak = now-p.cpu, peak
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	p.in.WriteString("exit\n") // for who reads orders
	for {
		select {
		case err := <-p.done:
			p.in.Close()
			if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
				return err
			}
			out.Exit = p.cmd.ProcessState.ExitCode()
			return nil
		case <-time.After(20 * time.Millisecond):
			if _, peak := p.usage(); peak > out.Peak {
				out.Peak = peak
			}
		}
		if time.Now().After(deadline.Add(limit)) {
			return fmt.Errorf("the program does not end:\n%s", written())
		}
	}
}
