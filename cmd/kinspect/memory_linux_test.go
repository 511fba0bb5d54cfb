package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kinspect/kmem/bpfmem"
	"kinspect/kmem/privilege"
)

func TestMemoryWay(t *testing.T) {
	for _, tt := range []struct{ flag, env, want string }{
		{"", "", memoryAuto}, {"auto", "bpf", memoryAuto}, {"bpf", "kcore", memoryBPF}, {"", "kcore", memoryKcore}, {"", "auto", memoryAuto}, {"", "dump", ""}, {"x", "", ""},
	} {
		t.Setenv(memoryEnv, tt.env)
		o := options{memory: tt.flag}
		got, err := o.memoryWay()
		var usage *usageError
		if got != tt.want || (err == nil) != (tt.want != "") || err != nil && !errors.As(err, &usage) {
			t.Errorf("--memory %q, %q in the environment: %q, %v", tt.flag, tt.env, got, err)
		}
	}
}

// What each command goes on with.
func TestKeeps(t *testing.T) {
	files := privilege.Set(0)
	if os.Geteuid() == 0 {
		files = privilege.Of(privilege.DACOverride, privilege.DACReadSearch)
	}
	for name, tt := range map[string]struct {
		app       app
		effective privilege.Set
		permitted privilege.Set
	}{
		"explain":        {app{command: "explain"}, 0, asking},
		"explain --live": {app{command: "explain", options: options{probeOptions: probeOptions{live: "5s"}}}, probing, asking},
		"explain --html": {app{command: "explain", options: options{html: "page"}}, files, asking},
		"drops":          {app{command: "drops"}, probing, asking},
		"repl":           {app{command: "repl"}, files, asking},
		"a snapshot's":   {app{}, files, asking},
		"a dump":         {app{command: "sym", options: options{core: []string{"vmcore"}}}, files, 0},
	} {
		if e, p := tt.app.keeps(); e != tt.effective || p != tt.permitted {
			t.Errorf("%s: %v effective, %v permitted", name, e, p)
		}
	}
	a := app{command: "explain", bpfToRead: true}
	if e, _ := a.keeps(); e != privilege.Of(privilege.BPF) && e != privilege.Of(privilege.SysAdmin) {
		t.Errorf("to read through BPF on old kernels: %v", e)
	}
}

func TestNoBPF(t *testing.T) {
	e := noBPF("reading", "do without", &bpfmem.RefusedError{Step: "making a map", Err: unix.EPERM})
	if !errors.Is(e, fs.ErrPermission) || !strings.Contains(e.Why, "making a map: operation not permitted: ") || !strings.HasSuffix(e.Do, ", or do without") {
		t.Errorf("%v", e)
	}
	if e := noBPF("reading", "do without", errors.New("no BPF here")); e.Why != "no BPF here" {
		t.Errorf("%v", e)
	}
}
