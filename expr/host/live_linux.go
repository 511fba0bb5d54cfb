package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"kinspect/kmem/privilege"
)

// Live is the facts of the running host.
type Live struct {
	mu      sync.Mutex
	sockets map[uint64]*netlinkSocket // by network namespace
}

// NewLive returns the facts of the running host.
func NewLive() *Live { return &Live{sockets: map[uint64]*netlinkSocket{}} }

// namedDir is where `ip netns` keeps its names.
const namedDir = "/run/netns"

func inodeOf(path string) (uint64, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return st.Ino, nil
}

// SelfNetNS implements [Facts].
func (*Live) SelfNetNS() (uint64, error) { return inodeOf("/proc/self/ns/net") }

// PIDNetNS implements [Facts].
func (*Live) PIDNetNS(pid int) (inum uint64, err error) {
	privilege.With(privilege.Of(privilege.SysPtrace), func() {
		inum, err = inodeOf(filepath.Join("/proc", strconv.Itoa(pid), "ns/net"))
	})
	return inum, err
}

// NamedNetNS implements [Facts].
func (*Live) NamedNetNS() (map[string]uint64, error) {
	entries, err := os.ReadDir(namedDir)
	if errors.Is(err, os.ErrNotExist) {
		return map[string]uint64{}, nil
	}
	if err != nil {
		return nil, err
	}
	names := map[string]uint64{}
	for _, e := range entries {
		if inum, err := inodeOf(filepath.Join(namedDir, e.Name())); err == nil {
			names[e.Name()] = inum
		}
	}
	return names, nil
}

// LinkStats implements [Facts] with RTM_GETLINK, which asks dev_get_stats as `ip
// -s link` does.
func (l *Live) LinkStats(netns uint64, ifindex int) (LinkStats, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.sockets[netns]
	if !ok {
		s = &netlinkSocket{}
		s.fd, s.err = openSocket(netns, rawNetlink)
		l.sockets[netns] = s
	}
	if s.err != nil {
		return nil, s.err
	}
	return s.linkStats(ifindex)
}

// Close closes what LinkStats opened.
func (l *Live) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ns, s := range l.sockets {
		if s.err == nil {
			syscall.Close(s.fd)
		}
		delete(l.sockets, ns)
	}
}

type netlinkSocket struct {
	fd  int
	err error
	seq uint32
}

// openSocket opens a socket in a network namespace. A socket stays in the namespace that it was opened in, so
// one thread enters it, opens the socket, and ends.
func openSocket(netns uint64, open func() (int, error)) (int, error) {
	self, err := inodeOf("/proc/self/ns/net")
	if err != nil {
		return -1, err
	}
	if self == netns {
		return open()
	}
	var path string
	privilege.With(privilege.Of(privilege.SysPtrace), func() { path, err = findNetNS(netns) })
	if err != nil {
		return -1, err
	}
	done := make(chan opened)
	go openIn(path, open, done)
	r := <-done
	return r.fd, r.err
}

// opened is a socket, or why there is none.
type opened struct {
	fd  int
	err error
}

// openIn opens a socket in the namespace that a file stands for. It
// runs on a thread of its own: the runtime ends a thread with its goroutine where
// that never unlocks it. The main thread it cannot end, and its namespace is that
// of the whole process in /proc/self, so that one is left alone.
func openIn(path string, open func() (int, error), done chan<- opened) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		inner := make(chan opened)
		go openIn(path, open, inner) // on another thread, while this one is held
		r := <-inner
		runtime.UnlockOSThread()
		done <- r
		return
	}
	var entered error
	privilege.With(privilege.Of(privilege.SysAdmin, privilege.SysPtrace), func() { entered = enter(path) })
	if entered != nil {
		done <- opened{-1, entered}
		return
	}
	fd, err := open()
	done <- opened{fd, err}
}

// enter moves the thread into a network namespace, which takes CAP_SYS_ADMIN; that of a process of somebody else, or with
// other capabilities, also takes CAP_SYS_PTRACE.
func enter(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
	if errors.Is(err, unix.EPERM) {
		why, _ := privilege.AtStart().Why(privilege.Of(privilege.SysAdmin))
		return fmt.Errorf("entering the network namespace %s to ask it: %w: %s", path, err, why)
	}
	if err != nil {
		return fmt.Errorf("entering the network namespace %s to ask it: %w", path, err)
	}
	return nil
}

func rawNetlink() (int, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_ROUTE)
	if err != nil {
		return -1, fmt.Errorf("opening netlink: %w", err)
	}
	wait := syscall.Timeval{Sec: 2}
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &wait); err != nil {
		syscall.Close(fd)
		return -1, fmt.Errorf("opening netlink: %w", err)
	}
	return fd, nil
}

// findNetNS finds a file that stands for the namespace: a name of `ip netns`, or a
// process in it.
func findNetNS(netns uint64) (string, error) {
	for _, pattern := range []string{namedDir + "/*", "/proc/[0-9]*/ns/net"} {
		paths, _ := filepath.Glob(pattern)
		for _, p := range paths {
			if inum, err := inodeOf(p); err == nil && inum == netns {
				return p, nil
			}
		}
	}
	return "", fmt.Errorf("the network namespace %d cannot be asked: it has neither a name in %s nor a process", netns, namedDir)
}

// Layout of the messages: include/uapi/linux/netlink.h, rtnetlink.h, if_link.h; in
// host byte order, which is little-endian on x86-64.
const iflaStats64 = 23

func (s *netlinkSocket) linkStats(ifindex int) (LinkStats, error) {
	s.seq++
	req := make([]byte, syscall.NLMSG_HDRLEN+syscall.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(req[0:], uint32(len(req)))
	binary.NativeEndian.PutUint16(req[4:], syscall.RTM_GETLINK)
	binary.NativeEndian.PutUint16(req[6:], syscall.NLM_F_REQUEST)
	binary.NativeEndian.PutUint32(req[8:], s.seq)
	binary.NativeEndian.PutUint32(req[syscall.NLMSG_HDRLEN+4:], uint32(ifindex))
	if err := syscall.Sendto(s.fd, req, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("asking netlink: %w", err)
	}
	buf := make([]byte, 64<<10)
	for range 16 { // answers to questions that timed out come first
		n, _, err := syscall.Recvfrom(s.fd, buf, 0)
		if err != nil {
			return nil, fmt.Errorf("asking netlink: %w", err)
		}
		msgs, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return nil, fmt.Errorf("asking netlink: %w", err)
		}
		for i := range msgs {
			if msgs[i].Header.Seq == s.seq {
				return parseLink(&msgs[i])
			}
		}
	}
	return nil, errors.New("asking netlink: no answer")
}

func parseLink(m *syscall.NetlinkMessage) (LinkStats, error) {
	if m.Header.Type == syscall.NLMSG_ERROR {
		if len(m.Data) >= 4 {
			if errno := -int32(binary.NativeEndian.Uint32(m.Data)); errno > 0 {
				return nil, fmt.Errorf("asking netlink: %w", syscall.Errno(errno))
			}
		}
		return nil, errors.New("asking netlink: refused")
	}
	attrs, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return nil, fmt.Errorf("asking netlink: %w", err)
	}
	for _, a := range attrs {
		if a.Attr.Type&^uint16(syscall.NLA_F_NESTED) != iflaStats64 {
			continue
		}
		stats := LinkStats{}
		for i, name := range LinkFields {
			if 8*i+8 > len(a.Value) {
				break // an older kernel, which does not count the rest
			}
			stats[name] = binary.NativeEndian.Uint64(a.Value[8*i:])
		}
		return stats, nil
	}
	return nil, errors.New("netlink's answer has no statistics")
}

// Capability reports whether the process has a capability in its effective set,
// by number (include/uapi/linux/capability.h).
func Capability(n int) (bool, error) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(data)) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			caps, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return caps>>n&1 == 1, err
		}
	}
	return false, errors.New("/proc/self/status has no CapEff")
}
