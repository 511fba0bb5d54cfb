package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// loadChecks are of floods: what is counted is what was sent, in memory that is bounded, and the kernel lives.
var loadChecks = []check{
	{name: "million-drops", at: []string{"load"}, run: func(c *subjectContext) error { return checkDropsFlood(c, "load0", "load1", 1_000_000) }},
	{name: "million-events", at: []string{"load"}, run: checkEventsFlood},
	{name: "drops-flood", at: []string{probes}, run: func(c *subjectContext) error { return checkDropsFlood(c, "veth0p", "bond0", 50_000) }},
}

const (
	// floodPeak is how much memory kinspect may have at most meanwhile, in KiB: some 50 MiB are what it takes for a start.
	floodPeak = 120 << 10
	floodTime = 10 * time.Minute
	// kernelAlive prints what the kernel complained of since the last time.
	kernelAlive = `dmesg -c | grep -E 'stall|lockup|BUG:|Oops|WARNING|Out of memory' || true`
)

// inFlood runs kinspect beside a flood of frames that are for another host, so that each is dropped in ip_rcv. rest is a script
// that prints of what kinspect wrote to /tmp/flood.out.
func inFlood(c *subjectContext, device string, frames int, args, ready, rest string) (r loadResult, out string, err error) {
	text, err := c.guest.runFor(floodTime, c.subject.(liveSubject).way()+fmt.Sprintf(`dmesg -c >/dev/null
guest flood -i %s -dst %s -count %d -ready %s -- kinspect %s
%s
rm -f /tmp/flood.out /tmp/flood.err
%s`, device, loadNowhere, frames, ready, args, rest, kernelAlive))
	if err != nil {
		return r, "", err
	}
	first, out, _ := strings.Cut(string(text), "\n")
	if err := json.Unmarshal([]byte(first), &r); err != nil {
		return r, out, fmt.Errorf("%q: %w", first, err)
	}
	if r.Peak > floodPeak {
		return r, out, fmt.Errorf("kinspect %s had %d KiB of memory, want at most %d", args, r.Peak, floodPeak)
	}
	return r, out, nil
}

// checkDropsFlood counts a flood of drops, without frames and with them.
func checkDropsFlood(c *subjectContext, from, at string, frames int) error {
	for _, args := range []string{"--json drops", "--json drops --frames 5 --pcap /tmp/flood.pcapng"} {
		r, out, err := inFlood(c, from, frames, args, "watching", "cat /tmp/flood.out; rm -f /tmp/flood.pcapng")
		if err != nil {
			return err
		}
		var seen uint64
		var end dropLine
		kept := 0
		for text := range strings.Lines(out) {
			var l dropLine
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				return fmt.Errorf("kinspect %s in a flood: %q", args, text)
			}
			switch {
			case l.Kind == "summary":
				end = l
			case l.Kind == "drop" && l.Device == at && l.Ethertype == "0x0800":
				seen += l.Count
			case l.Kind == "frame" && l.Device == at && l.Ethertype == "0x0800":
				kept++
			}
		}
		// Of frames that were sent while a drop was counted on the CPU, the kernel tells how many there were.
		if seen+end.LostRows+end.Nested < uint64(frames) || seen > uint64(frames) {
			return fmt.Errorf("kinspect %s: %d drops of %d, and %d and %d lost", args, seen, frames, end.LostRows, end.Nested)
		}
		if want := strings.Contains(args, "--frames"); want != (kept == 5) || kept > 5 {
			return fmt.Errorf("kinspect %s: %d frames", args, kept)
		}
		fmt.Fprintf(os.Stderr, "lab: %s: %d drops, kinspect %s: %.0f frames/s, %d KiB\n", c.kernel.series, seen, args, r.Rate, r.Peak)
	}
	return nil
}

// checkEventsFlood traces the function that drops a flood, each call with a value.
func checkEventsFlood(c *subjectContext) error {
	const frames = 1_000_000
	const args = "--json trace ip_rcv --if 'skb->dev->name == \"load1\"' --show 'skb->len'"
	r, out, err := inFlood(c, "load0", frames, args, "tracing", `grep -c '"kind":"event"' /tmp/flood.out || true; tail -n 1 /tmp/flood.out`)
	if err != nil {
		return err
	}
	first, last, _ := strings.Cut(out, "\n")
	var events uint64
	var end traceLine
	if _, err := fmt.Sscan(first, &events); err != nil {
		return fmt.Errorf("kinspect %s in a flood: %q", args, out)
	}
	if err := json.Unmarshal([]byte(last), &end); err != nil {
		return fmt.Errorf("kinspect %s in a flood: %q", args, last)
	}
	if end.Events != events || events+end.Lost != end.Matched || end.Matched+end.Nested < frames || end.Matched > frames || (r.Exit == 0) != (end.Lost == 0) {
		return fmt.Errorf("kinspect %s: exit %d, %d events and %d lost of %d that matched, %d nested, want %d", args, r.Exit, events, end.Lost, end.Matched, end.Nested, frames)
	}
	fmt.Fprintf(os.Stderr, "lab: %s: %d events, %d told to be lost: %.0f frames/s, %d KiB\n", c.kernel.series, events, end.Lost, r.Rate, r.Peak)
	return nil
}
