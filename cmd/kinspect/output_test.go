package main

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestUTF8Locale(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"LANG": "C.UTF-8"}, true},
		{map[string]string{"LANG": "de_DE.utf8"}, true},
		{map[string]string{"LANG": "C"}, false},
		{map[string]string{"LANG": "C.UTF-8", "LC_ALL": "C"}, false},
		{map[string]string{"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, true},
		{map[string]string{"LC_CTYPE": "en_US.UTF-8", "LC_ALL": "POSIX"}, false},
	} {
		if got := utf8Locale(func(n string) string { return c.env[n] }); got != c.want {
			t.Errorf("%v: %v", c.env, got)
		}
	}
}

func TestPlainWriter(t *testing.T) {
	var b strings.Builder
	text := "  ├─ rx_handler → bond0\n  └─ …\n"
	n, err := plainWriter{&b}.Write([]byte(text))
	if n != len(text) || err != nil || b.String() != "  |- rx_handler -> bond0\n  `- ...\n" {
		t.Errorf("%d %v %q", n, err, b.String())
	}
}

func TestOutputFailure(t *testing.T) {
	f, err := os.Open(os.DevNull) // for reading
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := newOutput(f)
	if o.failure() != nil {
		t.Error("it failed before anything was written")
	}
	if _, err := o.Write([]byte("x")); err == nil {
		t.Fatal("writing to a file that is open for reading works")
	}
	if err := o.failure(); !errors.Is(err, syscall.EBADF) || !strings.HasPrefix(err.Error(), "the output could not be written: ") || strings.Contains(err.Error(), os.DevNull) {
		t.Error(err)
	}
}

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"kinspect", "--core", "z.elf", "explain", "bond0"}, "kinspect --core z.elf explain bond0"},
		{[]string{"eval", "netdev('bond0').mtu"}, `eval "netdev('bond0').mtu"`},
		{[]string{`'a' + "$b"`}, `''\''a'\'' + "$b"'`},
		{[]string{"a b", "", "x;y", "$HOME", "br-lan", "eth0.100"}, `'a b' '' 'x;y' '$HOME' br-lan eth0.100`},
	} {
		if got := commandLine(c.words); got != c.want {
			t.Errorf("%q: %s, want %s", c.words, got, c.want)
		}
	}
}
