package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kinspect/expr/check"
	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// watchEnv makes the test's binary a watch of bond0 in the snapshot that it names, in whose memory a counter rises by 2
// with every sample from the second on.
const watchEnv = "KINSPECT_TEST_WATCH"

// risingMemory has a number that is more than what is there.
type risingMemory struct {
	kmem.Reader
	at kmem.Addr
	by uint64
}

// ReadMem implements [kmem.Reader].
func (m *risingMemory) ReadMem(addr kmem.Addr, buf []byte) error {
	if err := m.Reader.ReadMem(addr, buf); err != nil {
		return err
	}
	if addr == m.at && len(buf) == 8 {
		binary.LittleEndian.PutUint64(buf, binary.LittleEndian.Uint64(buf)+m.by)
	}
	return nil
}

// playWatch is what the test's binary does where watchEnv is set.
func playWatch(args []string) int {
	a := &app{stdin: os.Stdin, stdout: newOutput(os.Stdout), stderr: os.Stderr}
	code, err := func() (int, error) {
		if _, err := a.options.parse(args); err != nil {
			return exitFailed, err
		}
		interval, count, err := a.options.watchTimes()
		if err != nil {
			return exitFailed, err
		}
		img, err := kmem.Open(os.Getenv(watchEnv))
		if err != nil {
			return exitFailed, err
		}
		defer img.Close()
		m := &risingMemory{Reader: img}
		s := knet.New(value.New(img, m), host.None{})
		ns, err := s.InitNS()
		if err != nil {
			return exitFailed, err
		}
		d, err := s.Device("bond0", ns)
		if err != nil {
			return exitFailed, err
		}
		stats, err := d.Value.Path("core_stats")
		if err != nil {
			return exitFailed, err
		}
		err = s.K.EachCPU(stats, func(_ int, v value.Value) error {
			n, err := v.Path("rx_dropped")
			m.at, _ = n.Addr()
			return err
		})
		if err != nil {
			return exitFailed, err
		}
		w := check.NewWatch(s, &d, nil)
		samples := 0
		sample := func(at time.Time) (sampled, error) {
			if samples++; samples > 2 {
				m.by += 2
			}
			return w.Sample(at)
		}
		ctx, stop := watchSignals()
		defer stop()
		return a.watchLoop(ctx, realClock{}, interval, count, sample)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	return code
}

// stepClock is a clock that is where it is waited for.
type stepClock struct {
	at     time.Time
	waited []time.Duration
	late   time.Duration // added to each wait
	before func(n int)
}

func (c *stepClock) now() time.Time { return c.at }

func (c *stepClock) until(_ context.Context, at time.Time) {
	c.waited = append(c.waited, at.Sub(c.at))
	if c.before != nil {
		c.before(len(c.waited))
	}
	c.at = at.Add(c.late)
}

// fakeSample is a sample without a kernel.
type fakeSample struct {
	N              int  `json:"n"`
	Final          bool `json:"final"`
	moved, partial bool
}

func (s *fakeSample) Text() string  { return fmt.Sprintf("sample %d\n", s.N) }
func (s *fakeSample) Drops() bool   { return s.moved }
func (s *fakeSample) Partial() bool { return s.partial }
func (s *fakeSample) End()          { s.Final = true }

// TestWatchLoop: when samples are taken, what is printed, and how it ends.
func TestWatchLoop(t *testing.T) {
	const interval = 2 * time.Second
	for _, c := range []struct {
		name           string
		count          int
		moved, partial bool
		stopAt         int // at which wait somebody presses Ctrl-C
		late           time.Duration
		failAt         int
		during         int // at which sample somebody presses Ctrl-C
		lines, code    int
		elapsed        time.Duration
	}{
		{name: "nothing moved", count: 3, lines: 4, code: exitFine, elapsed: 6 * time.Second},
		{name: "something moved", count: 1, moved: true, lines: 2, code: exitFinding, elapsed: 2 * time.Second},
		{name: "not all is known", count: 1, moved: true, partial: true, lines: 2, code: exitFailed, elapsed: 2 * time.Second},
		{name: "Ctrl-C", stopAt: 5, moved: true, lines: 6, code: exitFinding, elapsed: 10 * time.Second},
		{name: "Ctrl-C at once", stopAt: 1, lines: 2, code: exitFine, elapsed: 2 * time.Second},
		{name: "Ctrl-C while a sample is taken", during: 2, lines: 3, code: exitFine, elapsed: 4 * time.Second},
		{name: "samples that cannot be kept up with are left out", count: 3, late: 5 * time.Second, lines: 4, code: exitFine, elapsed: 19 * time.Second},
		{name: "an error", count: 9, failAt: 2, lines: 2, code: exitFailed, elapsed: 4 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "out")
			f, err := os.Create(file)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
			k := &stepClock{at: start, late: c.late, before: func(n int) {
				if n == c.stopAt {
					cancel()
				}
			}}
			a := &app{stdout: newOutput(f)}
			n := 0
			failure := errors.New("no more")
			code, err := a.watchLoop(ctx, k, interval, c.count, func(time.Time) (sampled, error) {
				if n++; c.failAt > 0 && n > c.failAt {
					return nil, failure
				}
				if n == c.during {
					cancel()
				}
				return &fakeSample{N: n - 1, moved: c.moved, partial: c.partial}, nil
			})
			if (err != nil) != (c.failAt > 0) || code != c.code || k.at.Sub(start) != c.elapsed {
				t.Errorf("exit %d after %v, %v; want %d after %v", code, k.at.Sub(start), err, c.code, c.elapsed)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			lines := 0
			for text := range strings.Lines(string(data)) {
				var s fakeSample
				if err := json.Unmarshal([]byte(text), &s); err != nil || s.N != lines || s.Final != (lines == c.lines-1 && c.failAt == 0) {
					t.Errorf("line %d: %v: %s", lines, err, text)
				}
				lines++
			}
			if lines != c.lines {
				t.Errorf("%d lines, want %d", lines, c.lines)
			}
		})
	}
}

func TestWatchTimes(t *testing.T) {
	for _, c := range []struct {
		watch, count string
		interval     time.Duration
		n            int
		ok           bool
	}{
		{"2s", "", 2 * time.Second, 0, true},
		{"2", "", 2 * time.Second, 0, true},
		{"0.5", "", 500 * time.Millisecond, 0, true},
		{"100ms", "1", 100 * time.Millisecond, 1, true},
		{"1m", "10", time.Minute, 10, true},
		{"24h", "", 24 * time.Hour, 0, true},
		{"99ms", "", 0, 0, false},
		{"25h", "", 0, 0, false},
		{"-2s", "", 0, 0, false},
		{"NaN", "", 0, 0, false},
		{"1e300", "", 0, 0, false},
		{"bond0", "", 0, 0, false},
		{"2s", "0", 0, 0, false},
		{"2s", "-1", 0, 0, false},
		{"2s", "many", 0, 0, false},
	} {
		o := options{watch: c.watch, count: c.count}
		interval, n, err := o.watchTimes()
		if (err == nil) != c.ok || interval != c.interval || n != c.n {
			t.Errorf("--watch %s --count %s: %v, %d, %v", c.watch, c.count, interval, n, err)
		}
	}
}

// TestScreen: what is written to a terminal.
func TestScreen(t *testing.T) {
	var out strings.Builder
	columns, rows := 20, 5
	s := &screen{out: &out, size: func() (int, int) { return columns, rows }}
	show := func(final bool, lines ...string) string {
		out.Reset()
		if err := s.show(textSample(strings.Join(lines, "\n")+"\n"), final); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	long := strings.Repeat("x", 30)
	for _, c := range []struct {
		name string
		got  string
		want string
	}{
		{"what was there is scrolled away first", show(false, "a", "b"), "\n\n\n\n\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J"},
		{"then it is written over", show(false, "c"), "\x1b[Hc\x1b[K\n\x1b[J"},
		{"lines are wrapped", show(false, "  7: lost - nobody took it (proved)", "x"), "\x1b[H  7: lost - nobody\x1b[K\n    took it\x1b[K\n    (proved)\x1b[K\nx\x1b[K\n\x1b[J"},
		{"words, too", show(false, long), "\x1b[H" + long[:19] + "\x1b[K\n  " + long[:11] + "\x1b[K\n\x1b[J"},
		{"and lists", show(false, "1", "2", "3", "4", "5"), "\x1b[H1\x1b[K\n2\x1b[K\n3\x1b[K\n… 2 lines more, wh…\x1b[K\n\x1b[J"},
		{"a head does not take all", show(false, "t", "", long, long, "r"), "\x1b[Ht\x1b[K\n" + long[:18] + "…\x1b[K\n" + long[:18] + "…\x1b[K\nr\x1b[K\n\x1b[J"},
		{"escapes of a kernel's strings are not", show(false, "a\x1b[2Jb"), "\x1b[Ha\\x1b[2Jb\x1b[K\n\x1b[J"},
		{"the last text is whole", show(true, "1", "2", "3", "4", "5", long), "\x1b[H\x1b[J1\n2\n3\n4\n5\n" + long + "\n"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
	s = &screen{out: &out, plain: true}
	if got := show(false, "a"); got != "a\n\n" {
		t.Errorf("on a terminal that knows no more: %q", got)
	}
}

// TestFold: nothing of a line is lost, however narrow the terminal is, and no line is too long.
func TestFold(t *testing.T) {
	for _, line := range []string{
		"", "a", strings.Repeat(" ", 50), "rx_dropped                   9931        +12       6.1  bleeding",
		"    12: unhandled-protocol - no protocol handler takes the frame's ethertype (only path left, as set up now)",
		strings.Repeat(" ", 30) + "deep", strings.Repeat("é", 99), "a " + strings.Repeat("b", 99) + " c",
	} {
		for columns := range 100 {
			got := fold(line, columns)
			for _, l := range got {
				if n := len([]rune(l)); n > max(columns, narrowest) {
					t.Errorf("%d columns: %q has %d", columns, l, n)
				}
			}
			words := func(s string) string { return strings.Join(strings.Fields(s), "") }
			if words(strings.Join(got, " ")) != words(line) {
				t.Errorf("%d columns: %q of %q", columns, got, line)
			}
		}
	}
}

type textSample string

func (s textSample) Text() string  { return string(s) }
func (s textSample) Drops() bool   { return false }
func (s textSample) Partial() bool { return false }
func (s textSample) End()          {}

// TestWatchPipe: in a pipe a watch is lines of JSON, and ends with a signal or its reader.
func TestWatchPipe(t *testing.T) {
	// A signal that is caught here is a program's own to take, even where the tests run under nohup.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	start := func(args ...string) (*exec.Cmd, *bufio.Scanner) {
		t.Helper()
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(exe, args...)
		cmd.Env = append(os.Environ(), watchEnv+"="+kernels.Path(t, "6.12"))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		return cmd, lines
	}
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		cmd, lines := start("--watch", "100ms")
		n := 0
		var last check.WatchReport
		for lines.Scan() {
			if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
				t.Fatalf("%v: %v: %s", sig, err, lines.Text())
			}
			if n++; n == 4 {
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
			}
		}
		err := cmd.Wait()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitFinding || n < 5 || !last.Final || !last.Moved {
			t.Errorf("%v: %d lines, %v, the last one %+v", sig, n, err, last)
			continue
		}
		if c := last.Devices[0].Counters[0]; c.State != check.Bleeding || *c.Moved != 2*uint64(last.Sample-1) || *c.Value != 53+*c.Moved {
			t.Errorf("%v: %+v", sig, c)
		}
	}

	cmd, lines := start("--watch", "100ms", "--count", "1")
	n := 0
	for ; lines.Scan(); n++ {
	}
	if err := cmd.Wait(); err != nil || n != 2 {
		t.Errorf("nothing moved: %d lines, %v", n, err)
	}
}
