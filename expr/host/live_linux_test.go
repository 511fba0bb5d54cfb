package host

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLive compares with what the kernel says of the loopback device elsewhere, as
// far as the machine lets anybody ask.
func TestLive(t *testing.T) {
	l := NewLive()
	defer l.Close()
	self, err := l.SelfNetNS()
	if err != nil {
		t.Skip(err) // no /proc here
	}
	if again, err := l.PIDNetNS(os.Getpid()); err != nil || again != self {
		t.Errorf("this process is in %d and in %d, %v", self, again, err)
	}
	if _, err := l.LinkStats(self, 1); err != nil && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EPERM) {
		t.Errorf("device 1: %v", err)
	}
	if _, err := l.LinkStats(self, 1<<30); !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EPERM) {
		t.Errorf("a device that is not there: %v", err)
	}
	if _, err := l.LinkStats(1, 1); err == nil {
		t.Error("a namespace that is not there answers")
	}
}

// init keeps the main goroutine, which runs TestMain, on the main thread.
func init() { runtime.LockOSThread() }

// onMainThread is what openIn did when it was called on the main thread.
var onMainThread struct {
	skip          string
	err           error
	before, after uint64
}

func TestMain(m *testing.M) {
	r := &onMainThread
	if r.before, r.err = inodeOf("/proc/self/ns/net"); r.err == nil {
		openOnMainThread()
	}
	os.Exit(m.Run())
}

func openOnMainThread() {
	r := &onMainThread
	other := make(chan string)
	release := make(chan struct{})
	defer close(release)
	go func() { // a thread in a namespace of its own, if that is allowed
		runtime.LockOSThread()
		if unix.Unshare(unix.CLONE_NEWNET) != nil {
			other <- ""
			return
		}
		other <- "/proc/self/task/" + strconv.Itoa(unix.Gettid()) + "/ns/net"
		<-release
	}()
	path := <-other
	if path == "" {
		r.skip = "this user may not make network namespaces"
		return
	}
	done := make(chan opened, 1)
	openIn(path, rawNetlink, done)
	o := <-done
	if r.err = o.err; r.err != nil {
		return
	}
	unix.Close(o.fd)
	r.after, r.err = inodeOf("/proc/self/ns/net")
}

// TestOpenInLeavesTheProcessAlone: asking another namespace must not move the main
// thread, whose namespace is the process's own in /proc/self.
func TestOpenInLeavesTheProcessAlone(t *testing.T) {
	r := onMainThread
	if r.skip != "" {
		t.Skip(r.skip)
	}
	if r.err != nil || r.after != r.before {
		t.Errorf("the process was in %d and is in %d, %v", r.before, r.after, r.err)
	}
}

func TestRecorded(t *testing.T) {
	r := NewRecorder(None{})
	if _, err := r.LinkStats(5, 3); !errors.Is(err, ErrUnknown) {
		t.Errorf("a dump's facts: %v", err)
	}
	raw, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	again, err := NewRecorded(raw)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.LinkStats(5, 3); err == nil {
		t.Error("an answer that was an error is one")
	}
	if _, err := again.LinkStats(5, 4); !errors.Is(err, ErrUnknown) {
		t.Errorf("what was never asked: %v", err)
	}
	if _, err := again.SelfNetNS(); !errors.Is(err, ErrUnknown) {
		t.Errorf("what a dump does not know: %v", err)
	}
	if _, err := NewRecorded([]byte("{")); err == nil {
		t.Error("damaged facts are taken")
	}
}
