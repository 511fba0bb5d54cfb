package privilege

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// effectiveNow is what this thread has.
func effectiveNow(t *testing.T) Set {
	t.Helper()
	var c capabilities
	if err := c.get(); err != nil {
		t.Fatal(err)
	}
	return c.effective()
}

func TestWithAndWithout(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := effectiveNow(t)
	for _, c := range before.Caps() {
		Without(Of(c), func() {
			if now := effectiveNow(t); now != before&^Of(c) {
				t.Errorf("without %v there are %v", c, now)
			}
			With(Of(c), func() {
				if now := effectiveNow(t); now != before {
					t.Errorf("with %v there are %v", c, now)
				}
			})
		})
	}
	With(Of(62), func() {}) // nobody has it
	if now := effectiveNow(t); now != before {
		t.Errorf("there were %v and are %v", before, now)
	}
}

// TestKeep gives up capabilities in a process of its own, on all its threads.
func TestKeep(t *testing.T) {
	if os.Getenv("KINSPECT_TEST_KEEP") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKeep$", "-test.v")
		cmd.Env = append(os.Environ(), "KINSPECT_TEST_KEEP=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	var c capabilities
	if err := c.get(); err != nil {
		t.Fatal(err)
	}
	held := c.permitted()
	stop, ready := make(chan bool), make(chan bool)
	for range 4 { // threads that are there, and stay
		go func() {
			runtime.LockOSThread()
			ready <- true
			<-stop
			ready <- effectiveNow(t)&^Of(SysPtrace) == 0
		}()
		<-ready
	}
	if err := Keep(Of(SysPtrace), Of(SysAdmin)); err != nil {
		t.Fatal(err)
	}
	close(stop)
	for range 4 {
		if !<-ready {
			t.Error("a thread kept more")
		}
	}
	if err := c.get(); err != nil {
		t.Fatal(err)
	}
	if want := held & Of(SysPtrace, SysAdmin); c.permitted() != want || c.effective() != held&Of(SysPtrace) {
		t.Errorf("%v are permitted, and %v effective", c.permitted(), c.effective())
	}
	With(Of(SysAdmin, BPF), func() {
		if now := effectiveNow(t); now != held&Of(SysPtrace, SysAdmin) {
			t.Errorf("%v", now)
		}
	})
	if held.Has(Of(SysAdmin)) && unix.Unshare(unix.CLONE_NEWUTS) == nil {
		t.Error("what was given up is there")
	}
}
