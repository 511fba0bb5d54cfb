package probe

import (
	"strings"
	"testing"
)

// TestArgsAtReturn: at a kprobe's return the arguments are those that the entry kept, and those that it could not see
// are missing at both ends.
func TestArgsAtReturn(t *testing.T) {
	s := session(t, "6.12")
	target, err := FindTarget(s.Kernel(), "tcp_sendmsg")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int16{"sk": 0, "msg": 8, "size": 16, "ret": savedResult}
	for _, a := range target.Args(Site{Exit: true, Registers: true}) {
		if off, ok := want[a.Name]; ok && (a.Offset != off || a.Missing != "") {
			t.Errorf("%s is at %d (%q), want %d", a.Name, a.Offset, a.Missing, off)
		}
		delete(want, a.Name)
	}
	if len(want) > 0 {
		t.Errorf("no %v", want)
	}
	target.Proto = nil // as where no types tell
	args := target.Args(Site{Exit: true, Registers: true})
	if len(args) != keptArg+1 || args[5].Name != "arg5" || args[5].Offset != 40 || args[6].Name != "ret" || args[6].Offset != savedResult {
		t.Errorf("%+v", args)
	}
}

// TestTraceSummary says what was missed, or that nobody knows.
func TestTraceSummary(t *testing.T) {
	for _, c := range []struct {
		counts TraceCounts
		want   []string
		not    string
	}{
		{TraceCounts{Calls: 3, Known: true}, []string{"f: 3 calls in 1.0 s; 2 events\n"}, "missed"},
		{TraceCounts{Calls: 3}, []string{"this kernel does not tell how many"}, "was not seen"},
		{TraceCounts{Calls: 3, Known: true, Nested: 4, Unreturned: 2}, []string{"4 times the call was not seen", "2 times a call had not returned by the end, or the kernel did not tell of its return"}, "how many"},
	} {
		s := NewTraceSummary(&Target{Name: "f"}, c.counts, 2, 1e9)
		text := s.Text(TraceOptions{})
		for _, w := range c.want {
			if !strings.Contains(text, w) {
				t.Errorf("%+v: %s", c.counts, text)
			}
		}
		if strings.Contains(text, c.not) || (s.Nested != nil) != c.counts.Known {
			t.Errorf("%+v: %s", c.counts, text)
		}
	}
}
