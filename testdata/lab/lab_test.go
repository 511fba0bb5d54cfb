package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kinspect/testdata/lab/wire"
)

func TestWireRoundTrip(t *testing.T) {
	var buf bytes.Buffer
	sent := wire.Response{Exit: 3, Stdout: []byte("a\nb"), Stderr: []byte{0, 1}}
	if err := wire.WriteResponse(&buf, sent); err != nil {
		t.Fatal(err)
	}
	got, err := wire.ReadResponse(bufio.NewReader(&buf))
	if err != nil {
		t.Fatal(err)
	}
	if got.Exit != 3 || string(got.Stdout) != "a\nb" || !bytes.Equal(got.Stderr, []byte{0, 1}) {
		t.Errorf("got %+v", got)
	}
	for _, bad := range []string{"", "{}", "nonsense\n", `{"stdout_len":-1}` + "\n", `{"stdout_len":5}` + "\nabc"} {
		if _, err := wire.ReadResponse(bufio.NewReader(strings.NewReader(bad))); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestCpioIsReadByOthers(t *testing.T) {
	tool, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("no busybox to read the archive with")
	}
	w := &cpioWriter{seen: map[string]bool{}}
	w.file("a/b/three", 0o644, []byte("333"))
	w.file("a/four", 0o755, []byte("4444"))
	w.file("a/four", 0o755, []byte("twice"))
	archive := filepath.Join(t.TempDir(), "a.cpio")
	if err := w.writeTo(archive); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "sh", "-c", "cd "+t.TempDir()+" && "+tool+" cpio -i < "+archive+" 2>/dev/null && cat a/b/three a/four").Output()
	if err != nil || string(out) != "3334444" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestLoadOrder(t *testing.T) {
	set := map[string]module{
		"bridge": {name: "bridge", depends: []string{"stp", "llc"}},
		"stp":    {name: "stp", depends: []string{"llc"}},
		"llc":    {name: "llc"},
	}
	if got := loadOrder(set, []string{"bridge", "built-in"}); !slices.Equal(got, []string{"llc", "stp", "bridge"}) {
		t.Error(got)
	}
}

func TestDifferences(t *testing.T) {
	a := map[string]any{"source": "x", "n": 1.0, "list": []any{1.0, map[string]any{"k": "v"}}}
	b := map[string]any{"source": "y", "n": 2.0, "list": []any{1.0, map[string]any{"k": "w"}}}
	want := []string{".list[1].k: v, w", ".n: 1, 2"}
	if got := differences("", a, b); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := differences("", a, a); got != nil {
		t.Errorf("%q", got)
	}
}

func TestQuoteAll(t *testing.T) {
	args := []string{"a", "", "it's", "netdev('x') | $y", "ä*"}
	out, err := exec.Command("sh", "-c", "printf '%s\\n' "+quoteAll(args)).Output()
	if err != nil || string(out) != strings.Join(args, "\n")+"\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestPtypeLine(t *testing.T) {
	for line, want := range map[string][4]string{
		"0800          ip_rcv":           {"0800", "", "ip_rcv", ""},
		"ALL  tapped0  packet_rcv":       {"ALL", "tapped0", "packet_rcv", ""},
		"0004          llc_rcv [llc]":    {"0004", "", "llc_rcv", "llc"},
		"88cc eth0     packet_rcv [x_y]": {"88cc", "eth0", "packet_rcv", "x_y"},
	} {
		m := ptypeLine.FindStringSubmatch(line)
		if m == nil || !slices.Equal(m[1:], want[:]) {
			t.Errorf("%q: %q", line, m)
		}
	}
}

// TestLateAnswer has an answer come after its time: the next script must not get it.
func TestLateAnswer(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	g := &guest{qemu: &qemu{agent: ours, done: make(chan struct{})}, in: bufio.NewReader(ours)}
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	if _, err := g.try(-30*time.Second+50*time.Millisecond, "slow"); err == nil {
		t.Fatal("no error")
	}
	go func() { _ = wire.WriteResponse(theirs, wire.Response{Stdout: []byte("of slow")}) }()
	if resp, err := g.try(time.Second, "next"); err == nil || !strings.Contains(err.Error(), `"slow"`) {
		t.Errorf("got %q, %v", resp.Stdout, err)
	}
}
