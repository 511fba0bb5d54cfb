package check

import (
	"errors"
	"strings"
	"testing"
	"time"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

// TestWatchRows: numbers that rise, wrap, go up and down, go back, and come into being.
func TestWatchRows(t *testing.T) {
	img := kernels.Open(t, "6.12")
	var now []numberRow
	var failure error
	w := &Rows{stack: knet.New(value.New(img, img), host.None{}), read: func(_ *knet.Stack, r *RowsReport) ([]numberRow, error) {
		r.Watch, r.Device, r.NetNS = "counters", "bond0", "init_net"
		return now, failure
	}}
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	sample := func(rows ...numberRow) *RowsReport {
		t.Helper()
		now = rows
		r, err := w.Sample(at)
		if err != nil {
			t.Fatal(err)
		}
		at = at.Add(2 * time.Second)
		return r
	}
	find := func(r *RowsReport, name string) MovedRow {
		for _, row := range r.Rows {
			if row.Name == name {
				return row
			}
		}
		return MovedRow{}
	}
	const lots = 1<<32 - 3
	row := func(name string, n uint64) numberRow {
		return numberRow{
			name: name, n: n, gauge: name == "gauge" || name == "signed", signed: name == "signed",
			narrow: name == "narrow", level: map[string]string{"loss": snmpDrop, "trouble": snmpTrouble}[name],
		}
	}
	r := sample(row("packets", 100), row("loss", 7), row("narrow", lots), row("driver's", lots), row("gauge", 5), row("signed", 2))
	if len(r.Rows) != 0 || r.Still != 6 || r.Moved || r.Sample != 0 {
		t.Errorf("the start: %+v", r)
	}
	r = sample(row("packets", 110), row("loss", 7), row("narrow", 4), row("driver's", 4), row("gauge", 3), row("signed", ^uint64(0)))
	for name, want := range map[string]struct {
		value, moved string
		rate         float64
	}{
		"packets": {"110", "10", 5}, "narrow": {"4", "7", 3.5}, "driver's": {"4", "7", 3.5}, "gauge": {"3", "-2", -1}, "signed": {"-1", "-3", -1.5},
	} {
		got := find(r, name)
		if string(got.Value) != want.value || string(got.Moved) != want.moved || got.Rate == nil || *got.Rate != want.rate {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if r.Moved || r.Still != 1 || r.Elapsed != 2 {
		t.Errorf("no loss moved: %+v", r)
	}
	r = sample(row("packets", 110), row("loss", 9), row("new", 4))
	if got := find(r, "loss"); !r.Moved || got.Moved != "2" || *got.Rate != 1 {
		t.Errorf("a loss: %+v", r)
	}
	if text := r.Text(); !strings.Contains(text, "\n         now  moved  a second\nloss       9     +2       1.0  drop\npackets") {
		t.Errorf("losses do not come first:\n%s", text)
	}
	if r.Rows[0].Name != "packets" {
		t.Errorf("JSON is not in the order of the command: %+v", r.Rows)
	}
	if got := find(r, "packets"); got.Moved != "10" || *got.Rate != 0 {
		t.Errorf("it moved before: %+v", got)
	}
	if got := find(r, "new"); got.Moved != "4" {
		t.Errorf("it was not there: %+v", got)
	}
	// The driver is reset: what it lost before is not forgotten.
	r = sample(row("packets", 1), row("loss", 0))
	if !r.Moved || len(r.Rows) != 0 || len(r.Changes) != 2 || !strings.Contains(r.Text(), "4.0 s: bond0: loss: it went back from 7 to 0") && !strings.Contains(r.Text(), "6.0 s: bond0: loss: it went back from 7 to 0") {
		t.Errorf("reset: %+v\n%s", r, r.Text())
	}
	r = sample(row("packets", 4), row("loss", 0), row("trouble", 0))
	if got := find(r, "packets"); got.Moved != "3" {
		t.Errorf("after it: %+v", got)
	}
	w.all = true
	if r = sample(row("packets", 4), row("loss", 0)); len(r.Rows) != 2 || r.Still != 1 || !strings.Contains(r.Text(), "1 number moved, 1 stand still") {
		t.Errorf("all: %+v\n%s", r, r.Text())
	}
	failure = errors.New("gone")
	if _, err := w.Sample(at); !errors.Is(err, failure) {
		t.Errorf("an error: %v", err)
	}
}

// TestWatchSNMP watches the counters of a snapshot, which stand still, by their names.
func TestWatchSNMP(t *testing.T) {
	img := kernels.OpenLosses(t)
	s := knet.New(value.New(img, img), host.None{})
	ns, err := s.InitNS()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		files []string
		o     SNMPOptions
		rows  bool
		err   string
	}{
		{nil, SNMPOptions{}, false, ""},
		{nil, SNMPOptions{Names: []string{"Udp*"}, All: true}, true, ""},
		{[]string{knet.SNMP6File}, SNMPOptions{All: true}, true, ""},
		{nil, SNMPOptions{Names: []string{"zzz"}}, false, "no counter"},
	} {
		w := WatchSNMP(s, ns, "snmp", c.files, c.o)
		for range 2 {
			r, err := w.Sample(at)
			at = at.Add(time.Second)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%+v: %v", c.o, err)
				}
				continue
			}
			if err != nil || r.Moved || r.Still == 0 || (len(r.Rows) > 0) != c.rows || r.Partial() {
				t.Errorf("%+v: %v, %+v", c.o, err, r)
				continue
			}
			for _, row := range r.Rows {
				if len(c.o.Names) > 0 && !strings.HasPrefix(row.Name, "Udp") || c.files != nil && !strings.HasPrefix(row.Name, "Ip6") && !strings.HasPrefix(row.Name, "Icmp6") && !strings.HasPrefix(row.Name, "Udp6") && !strings.HasPrefix(row.Name, "UdpLite6") {
					t.Errorf("%+v: %s is among them", c, row.Name)
				}
			}
		}
	}
}

// TestRise: counters that a driver keeps in 32 bits wrap; others that are less than before were reset.
func TestRise(t *testing.T) {
	for _, c := range []struct {
		now, then, want uint64
		ok              bool
	}{
		{5, 5, 0, true},
		{7, 5, 2, true},
		{1, 1<<32 - 1, 2, true},
		{100, 1<<31 + 101, 1<<31 - 1, true},
		{5, 7, 0, false},
		{0, 1 << 20, 0, false},
		{1, 1 << 33, 0, false},
		{1 << 40, 1, 1<<40 - 1, true},
	} {
		got, err := rise(c.now, c.then)
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("from %d to %d: %d, %v", c.then, c.now, got, err)
		}
	}
}

// TestHold: what a path's judge says holds for the whole watch, or less does.
func TestHold(t *testing.T) {
	out, outNow, max := ruledOut("never"), outNow("not now"), atMost(3, "at most 3")
	free := open("who knows")
	for _, c := range []struct {
		name string
		f    []finding
		want weakness
	}{
		{"the same again", []finding{outNow, outNow}, outAsSetUp},
		{"ruled out, then bounded", []finding{outNow, max}, bounded},
		{"bounded, then ruled out by the set-up alone", []finding{max, outNow}, unbounded},
		{"bounded by 0, then ruled out", []finding{max, out}, outAnyhow},
		{"open, then ruled out by the set-up", []finding{free, outNow}, unbounded},
		{"open, then ruled out", []finding{outNow, free, out}, unbounded},
		{"open, then bounded", []finding{free, max}, unbounded},
		{"the set-up alone, then for certain", []finding{outNow, out}, outAnyhow},
	} {
		w := &watched{held: map[string]held{}}
		var f finding
		for i := range c.f {
			w.elapsed = "1.0 s"
			f = w.hold("path", c.f[i])
		}
		if f.weakness() != c.want {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}
