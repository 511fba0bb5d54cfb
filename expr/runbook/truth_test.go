package runbook

import (
	"fmt"
	"strings"
	"testing"
)

// withFunctions is a built-in check's text with functions of it put in front, which stand for those of a kernel.
func withFunctions(t *testing.T, name, functions string) string {
	t.Helper()
	b, err := BuiltInBook(name)
	if err != nil || b == nil {
		t.Fatal(name, err)
	}
	return functions + b.Text
}

// TestWorst: what device-drops and slave-drops measure, with counters whose truth is known: all that came to the
// first was received and dropped, the second's drops are no part of what it received.
func TestWorst(t *testing.T) {
	for _, c := range []struct {
		dropped, missed, packets int
		want                     string // value, and the range that is told
	}{
		{1100, 0, 1100, "100 from 50 to 100 %"},
		{9895, 0, 105, "100 from 98.95 to 100 %"},
		{1000, 1000, 9000, "20 from 18.18 to 20 %"},
		{0, 1000, 0, "100 from 100 to 100 %"},
		{0, 5000, 5000, "50 from 50 to 50 %"},
		{500, 0, 10, "0"},
		{1500, 0, 1000000, "0.15"},
	} {
		counter := fmt.Sprintf("fn counted(d, n) = {rx_dropped: %d, rx_missed_errors: %d, rx_packets: %d}[n]\nfn causes(d) = 'why'\n", c.dropped, c.missed, c.packets)
		text := withFunctions(t, "device-drops", counter)
		text = strings.ReplaceAll(text, "netdev_counter(", "counted(")
		i := strings.Index(text, "    each ")
		j := strings.Index(text[i:], "\n")
		text = text[:i] + "    each [netdev('lo', 'init_net')]" + text[i+j:]
		r, err := run(t, text, Config{})
		if err != nil {
			t.Fatal(err)
		}
		o := r.Checks[0]
		if len(o.Rows) != 1 || o.Rows[0].Value == nil {
			t.Errorf("%+v: %s", c, o.Reason)
			continue
		}
		value, says, _ := strings.Cut(c.want, " ")
		if got := short(o.Rows[0].Value); got != value || !strings.Contains(o.Rows[0].Found, says) {
			t.Errorf("%+v: %s: %s", c, got, o.Rows[0].Found)
		}
	}
}

// TestTapsInnocent: taps names the sockets that it counts, and no others.
func TestTapsInnocent(t *testing.T) {
	text := withFunctions(t, "taps", `fn listed(kind, ns) = [
    {running: true, ethertype: '0x0003', device: 'p0', owner: [{comm: 'lldpd', pid: 1}]},
    {running: true, ethertype: '0x0003', device: nil, owner: [{comm: 'python3', pid: 2}]},
    {running: true, ethertype: '0x88cc', device: nil, owner: [{comm: 'other', pid: 3}]}
]
`)
	r, err := run(t, strings.ReplaceAll(text, "sockets(", "listed("), Config{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Checks[0].Rows) == 0 {
		t.Fatal(r.Checks[0].Reason)
	}
	row := r.Checks[0].Rows[0]
	if row.Value == nil || short(row.Value) != "1" || row.Found != "on all devices of python3 (PID 2)" {
		t.Errorf("%s: %q", outcome(r), row.Found)
	}
}
