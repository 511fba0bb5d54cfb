package check

import (
	"testing"

	"kinspect/expr/knet"
)

// TestAsked: a device's name on a command line, whatever it is made of.
func TestAsked(t *testing.T) {
	for _, c := range []struct {
		name  string
		ns    knet.NetNS
		flags string
		want  string
	}{
		{"bond0", knet.NetNS{Init: true}, "", "bond0"},
		{"bond0", knet.NetNS{Inum: 7}, " --live 10s", "bond0 --netns 7 --live 10s"},
		{"$(reboot)", knet.NetNS{Inum: 7}, "", "'$(reboot)' --netns 7"},
		{"\xff\xfe", knet.NetNS{Init: true}, "", `$'\xff\xfe'`},
		{"a\\b", knet.NetNS{Init: true}, "", `'a\b'`},
		{"--json", knet.NetNS{Init: true}, "", "-- --json"},
		{"-h", knet.NetNS{Inum: 7}, " --live 10s", "--netns 7 --live 10s -- -h"},
	} {
		sc := &scene{dev: knet.Device{Name: c.name, NS: c.ns}}
		if got := asked(sc, c.name, c.flags); got != c.want {
			t.Errorf("%q: %s, want %s", c.name, got, c.want)
		}
	}
	if a, b := linkShow("-h"), linkShow("eth0"); a != " dev -h" || b != " eth0" {
		t.Errorf("%s, %s", a, b)
	}
}
