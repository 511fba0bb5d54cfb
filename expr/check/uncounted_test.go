package check

import (
	"strings"
	"testing"
)

// TestThrownAway: the counters tell apart what one place in ip_rcv_core throws away.
func TestThrownAway(t *testing.T) {
	for _, tt := range []struct {
		header, sums, short, discards uint64
		want, never                   string
	}{
		{},
		// The promiscuous capture host: 21,934,887 of both.
		{header: 21934887, sums: 21934887, want: "21934887 with a bad header, all of them wrong checksums", never: "cut short"},
		{header: 9, sums: 4, want: "9 with a bad header (IpInHdrErrors), 4 of them wrong checksums", never: "all of them"},
		{header: 9, want: "9 with a bad header, none of them a wrong checksum", never: "all of them"},
		{short: 3, want: "init_net: 3 cut short (IpExtInTruncatedPkts).", never: "header,"},
		{header: 2, sums: 2, short: 3, discards: 1, want: "3 cut short (IpExtInTruncatedPkts), 1 for want of memory (IpInDiscards)."},
	} {
		got := thrownAwayText("init_net", tt.header, tt.sums, tt.short, tt.discards)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) || tt.never != "" && strings.Contains(got, tt.never) {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

// TestSure: nothing that the present set-up alone tells is called proved, or the only path left without a word.
func TestSure(t *testing.T) {
	for _, tt := range []struct {
		level Level
		now   bool
		want  string
	}{
		{Proved, false, "proved"},
		{Proved, true, "as set up now"},
		{OnlyPathLeft, false, "only path left"},
		{OnlyPathLeft, true, "only path left, as set up now"},
		{CannotTell, false, "cannot tell"},
	} {
		p := PathResult{Level: tt.level, Now: tt.now}
		if got := p.sure(); got != tt.want {
			t.Errorf("%s, now %v: %q, want %q", tt.level, tt.now, got, tt.want)
		}
	}
}
