package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gopacket/gopacket/pcapgo"
)

// probeChecks are those of the boot "probes": what live probes see of what the lab sends.
var probeChecks = []check{
	{name: "drops", at: []string{probes}, run: checkDrops},
	{name: "drops-device", at: []string{probes}, run: checkDropsDevice},
	{name: "drops-moved", at: []string{probes}, run: checkDropsMoved},
	{name: "drops-frames", at: []string{probes}, run: checkDropsFrames},
	{name: "explain-live", at: []string{probes}, run: checkExplainLive},
	{name: "probe-killed", at: []string{probes}, run: checkKilled},
}

// probe runs a live probe in the guest, and a script once it watches, behind which SIGINT ends it.
func probe(c *subjectContext, args, ready, script string) (answer, error) {
	a, err := c.subject.(liveSubject).shell(fmt.Sprintf(`set +e
rm -f /tmp/probe.out /tmp/probe.err
kinspect %s >/tmp/probe.out 2>/tmp/probe.err &
probe=$!
for i in $(seq 600); do
	grep -q '%s' /tmp/probe.err && break
	kill -0 $probe 2>/dev/null || break
	sleep 0.1
done
(
:
%s
) >/dev/null
kill -INT $probe
wait $probe
status=$?
cat /tmp/probe.out
cat /tmp/probe.err >&2
exit $status`, args, ready, script))
	a.command = "kinspect " + args
	return a, err
}

// bounded runs kinspect in the guest where it should end by itself. Were it to hang, SIGQUIT has it print where.
const bounded = "timeout -s QUIT 60 kinspect "

// dropLine is a line of `kinspect drops --json`.
type dropLine struct {
	Kind      string   `json:"kind"`
	Count     uint64   `json:"count"`
	Reason    string   `json:"reason"`
	Function  string   `json:"function"`
	Device    string   `json:"device"`
	NetNS     string   `json:"netns"`
	Ethertype string   `json:"ethertype"`
	Loss      string   `json:"loss"`
	Drops     uint64   `json:"drops"`
	LostRows  uint64   `json:"lost_rows"`
	Nested    uint64   `json:"nested"`
	Frame     string   `json:"frame"`
	Location  string   `json:"location"`
	Begins    string   `json:"begins"`
	Direction string   `json:"direction"`
	Notes     []string `json:"notes"`
	Frames    int      `json:"frames"`
	Length    int      `json:"length"`
	NoDevice  uint64   `json:"no_device"`
	Ties      []struct {
		Device  string  `json:"device"`
		Counter string  `json:"counter"`
		Moved   uint64  `json:"moved"`
		Own     *uint64 `json:"own"`
		Seen    uint64  `json:"seen"`
		Agree   bool    `json:"agree"`
		Text    string  `json:"text"`
	} `json:"ties"`
}

// watchingDrops is what drops says once it watches.
const watchingDrops = "watching"

func drops(c *subjectContext, args, script string) ([]dropLine, answer, error) {
	a, err := probe(c, "--json drops "+args, watchingDrops, script)
	if err != nil {
		return nil, a, err
	}
	var lines []dropLine
	for text := range strings.Lines(a.stdout) {
		var l dropLine
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			return nil, a, a.fail("stdout is not lines of JSON: %v", err)
		}
		lines = append(lines, l)
	}
	if len(lines) == 0 || lines[len(lines)-1].Kind != "summary" {
		return nil, a, a.fail("there is no summary")
	}
	return lines, a, a.sane()
}

// dropsOf sums the rows of a device and an ethertype at a function.
func dropsOf(lines []dropLine, device, ethertype, function string) (n uint64, reason string) {
	for _, l := range lines {
		name, _, _ := strings.Cut(l.Function, ".")
		if l.Kind == "drop" && l.Device == device && l.Ethertype == ethertype && name == function {
			n += l.Count
			reason = l.Reason
		}
	}
	return n, reason
}

// stpFrames are what the incident's switch sends.
func stpFrames(via string, count int) string {
	return fmt.Sprintf("guest frames -i %s -dst %s -type 802.2 -llc %s -count %d", via, stpGroup, stpLLC, count)
}

// checkDrops plays the incident again while all devices are watched: each frame is seen once, where it was dropped, and
// tied to the counter that it moved.
func checkDrops(c *subjectContext) error {
	lines, a, err := drops(c, "", strings.Join([]string{
		stpFrames("veth0p", 37), stpFrames("veth1p", 5),
		fmt.Sprintf("guest frames -i veth0p -dst %s -type 0x88cc -count 11", lldpGroup),
	}, "\n"))
	if err != nil {
		return err
	}
	if a.exit != 1 {
		return a.fail("exit %d, want 1", a.exit)
	}
	reasons := c.kernel.series != bareModules
	for _, want := range []struct {
		device, ethertype string
		count             uint64
	}{{"bond0", "0x0004", 37}, {"bond0", "0x88cc", 11}, {"veth1", "0x0004", 5}} {
		n, reason := dropsOf(lines, want.device, want.ethertype, "__netif_receive_skb_core")
		if n != want.count {
			return a.fail("%d of %s on %s at __netif_receive_skb_core, want %d", n, want.ethertype, want.device, want.count)
		}
		if reasons && reason != "UNHANDLED_PROTO" || !reasons && reason != "" {
			return a.fail("the reason is %q", reason)
		}
	}
	end := lines[len(lines)-1]
	if end.LostRows != 0 || end.Nested != 0 {
		return a.fail("%d and %d drops were lost", end.LostRows, end.Nested)
	}
	for _, want := range []struct {
		device string
		own    uint64
	}{{"bond0", 48}, {"veth1", 5}} {
		found := false
		for _, t := range end.Ties {
			if t.Device != want.device || t.Counter != "rx_dropped" {
				continue
			}
			found = true
			if t.Own != nil && *t.Own != want.own || t.Seen != want.own || !t.Agree && t.Own != nil {
				return a.fail("%s: %+v, want %d", want.device, t, want.own)
			}
		}
		if !found {
			return a.fail("nothing is said of %s", want.device)
		}
	}
	for _, t := range end.Ties { // what veth1 counted there is no drop of bond0's
		if t.Device == "bond0" && t.Counter == "rx_nohandler" && (t.Seen != 0 || !t.Agree || !strings.HasSuffix(t.Text, "rose by 5, all of it its slaves'")) {
			return a.fail("%+v", t)
		}
	}
	return nil
}

// checkDropsDevice watches one device: what others drop is not there.
func checkDropsDevice(c *subjectContext) error {
	lines, a, err := drops(c, "bond0", stpFrames("veth0p", 7)+"\n"+stpFrames("veth1p", 3))
	if err != nil {
		return err
	}
	if n, _ := dropsOf(lines, "bond0", "0x0004", "__netif_receive_skb_core"); n != 7 || a.exit != 1 {
		return a.fail("exit %d, %d drops on bond0, want 7", a.exit, n)
	}
	for _, l := range lines {
		if l.Kind == "drop" && l.Device != "bond0" {
			return a.fail("%s was not asked for", l.Device)
		}
	}
	return nil
}

// checkDropsMoved follows devices that are called otherwise, go elsewhere or go, whether one is asked for or all.
func checkDropsMoved(c *subjectContext) error {
	const end = "set +e; ip link del moved0p 2>/dev/null; ip netns del moved; true" // the device may have gone
	if _, err := c.guest.run("ip netns add moved; ip link add moved0 type veth peer name moved0p; ip link set moved0 up; ip link set moved0p up"); err != nil {
		return err
	}
	defer func() { _, _ = c.guest.run(end) }()
	for _, args := range []string{"moved0", ""} {
		moves := strings.Join([]string{
			"frames() { guest frames -i moved0p -dst " + lldpGroup + " -type 0x88cc -count $1; }",
			"frames 5", "ip link set moved0 down; ip link set moved0 name moved1; ip link set moved1 up", "frames 4",
		}, "\n")
		lines, a, err := drops(c, args, moves)
		if err != nil {
			return err
		}
		if err := followed(lines, a, 9, "moved0: it is called moved1 now"); err != nil {
			return err
		}
		lines, a, err = drops(c, strings.ReplaceAll(args, "0", "1"), "frames() { guest frames -i moved0p -dst "+lldpGroup+" -type 0x88cc -count $1; }\nframes 3\nip link set moved1 netns moved\nip -n moved link set moved1 up\nframes 6")
		if err != nil {
			return err
		}
		if err := followed(lines, a, 9, "moved1: it is in moved now"); err != nil {
			return err
		}
		if _, err := c.guest.run("ip -n moved link set moved1 netns 1; ip link set moved1 name moved0; ip link set moved0 up"); err != nil {
			return err
		}
	}
	// One that goes, and another one of its name.
	again := "ip link del moved0\nip link add moved0 type veth peer name moved0p\nip link set moved0 up\nip link set moved0p up\n"
	lines, a, err := drops(c, "moved0", "guest frames -i moved0p -dst "+lldpGroup+" -type 0x88cc -count 5\n"+again)
	if err != nil {
		return err
	}
	notes := strings.Join(lines[len(lines)-1].Notes, "\n")
	if n := ofLLDP(lines); n != 5 || !strings.Contains(notes, "another device of that name") || !strings.Contains(notes, "are those of the one before") {
		return a.fail("%d frames, %q", n, notes)
	}
	a, err = probe(c, "explain moved0 --live 1h", watchingDrops, "guest frames -i moved0p -dst "+lldpGroup+" -type 0x88cc -count 5\nip link del moved0")
	if err != nil {
		return err
	}
	return a.check(1, []string{"5 drops, and what the device's counters moved by is not known", "moved0: it has gone; drops until then are compared with no counter"}, nil)
}

// ofLLDP sums the rows of LLDP frames, of every device.
func ofLLDP(lines []dropLine) (n uint64) {
	for _, l := range lines {
		if l.Kind == "drop" && l.Ethertype == "0x88cc" {
			n += l.Count
		}
	}
	return n
}

// followed checks that all LLDP frames were seen, tied to the counter, and what became of the device told.
func followed(lines []dropLine, a answer, count uint64, note string) error {
	end := lines[len(lines)-1]
	if n := ofLLDP(lines); n != count || !slices.Contains(end.Notes, note) {
		return a.fail("%d frames, want %d; notes %q", n, count, end.Notes)
	}
	for _, t := range end.Ties {
		if strings.HasPrefix(t.Device, "moved") && t.Counter == "rx_dropped" {
			if !t.Agree || t.Seen < count {
				return a.fail("%+v", t)
			}
			return nil
		}
	}
	return a.fail("no word of rx_dropped")
}

// checkExplainLive explains bond0 while the switch sends: the drops that are seen prove what memory says.
func checkExplainLive(c *subjectContext) error {
	a, err := probe(c, "--json explain bond0 --live 1h", watchingDrops, stpFrames("veth0p", 9)+"\n"+stpFrames("veth1p", 2))
	if err != nil {
		return err
	}
	var report struct {
		Live struct {
			Drops    uint64 `json:"drops"`
			Agree    *bool  `json:"agree"`
			Counters []struct {
				Counter string `json:"counter"`
				Seen    uint64 `json:"seen"`
				Paths   []struct {
					Path   string `json:"path"`
					Seen   uint64 `json:"seen"`
					Memory string `json:"memory"`
					Agree  bool   `json:"agree"`
				} `json:"paths"`
			} `json:"counters"`
		} `json:"live"`
	}
	if err := json.Unmarshal([]byte(a.stdout), &report); err != nil {
		return a.fail("stdout is not JSON: %v", err)
	}
	l := report.Live
	if a.exit != 1 || l.Drops != 9 || len(l.Counters) == 0 || l.Counters[0].Counter != "rx_dropped" || l.Counters[0].Seen != 9 {
		return a.fail("exit %d, %+v; want 9 drops in rx_dropped", a.exit, l)
	}
	for _, other := range l.Counters[1:] { // the inactive slave's
		if other.Counter != "rx_nohandler" || other.Seen != 0 || len(other.Paths) != 0 {
			return a.fail("%+v", other)
		}
	}
	if l.Agree == nil || !*l.Agree {
		return a.fail("they are not said to agree: %+v", l)
	}
	for _, p := range l.Counters[0].Paths {
		if p.Path != "unhandled-protocol" || p.Seen != 9 {
			return a.fail("%s: %d", p.Path, p.Seen)
		}
	}
	return a.sane()
}

// checkKilled: SIGKILL ends all that kinspect has put into the kernel.
func checkKilled(c *subjectContext) error {
	for _, args := range killedProbes {
		a, err := c.subject.(liveSubject).shell(fmt.Sprintf(`set +e
test -e /sys/kernel/tracing/kprobe_events || mount -t tracefs tracing /sys/kernel/tracing
left() { bpftool prog show | grep kinspect; bpftool map show | grep kinspect; bpftool link show | grep kinspect; bpftool perf show | grep kinspect; cat /sys/kernel/tracing/kprobe_events /sys/kernel/tracing/enabled_functions /sys/kernel/tracing/set_ftrace_filter 2>/dev/null | grep -v 'all functions enabled'; true; }
for i in $(seq 50); do
	left >/tmp/before
	test -s /tmp/before || break # the kernel frees later what the check before had
	sleep 0.1
done
rm -f /tmp/probe.err
kinspect %s >/tmp/probe.out 2>/tmp/probe.err &
probe=$!
for i in $(seq 600); do
	grep -q '%s' /tmp/probe.err && break
	kill -0 $probe 2>/dev/null || break
	sleep 0.1
done
left >/tmp/meanwhile
kill -KILL $probe
wait $probe 2>/dev/null
for i in $(seq 50); do
	left >/tmp/after
	cmp -s /tmp/before /tmp/after && break
	sleep 0.1
done
grep -q kinspect /tmp/meanwhile || echo "nothing of kinspect was there meanwhile: $(cat /tmp/probe.err)"
diff /tmp/before /tmp/after
cat /tmp/before
true`, args, watchingDrops))
		if err != nil {
			return err
		}
		if a.exit != 0 || a.stdout != "" {
			return fmt.Errorf("kinspect %s, killed, leaves:\n%s", args, a.text())
		}
	}
	return nil
}

// killedProbes are the probes that checkKilled kills.
var killedProbes = []string{"drops", "explain bond0 --live 1h", "count icmp_rcv tcp_sendmsg", "count icmp_rcv --by 'skb->len'", "count --preset tcp"}

// checkDropsFrames keeps frames: each is the one that the lab sent, and the file holds them too.
func checkDropsFrames(c *subjectContext) error {
	lines, a, err := drops(c, "bond0 --frames 2 --pcap /tmp/lost.pcapng", stpFrames("veth0p", 7)+
		fmt.Sprintf("\nguest frames -i veth0p -dst %s -type 0x88cc -count 1", lldpGroup))
	if err != nil {
		return err
	}
	stp, lldp := 0, 0
	for _, l := range lines {
		switch {
		case l.Kind != "frame":
		case l.Ethertype == "0x0004" && strings.Contains(l.Frame, "STP") && strings.Contains(l.Frame, stpGroup) && l.Device == "bond0":
			stp++
		case l.Ethertype == "0x88cc" && strings.Contains(l.Frame, "LLDP"):
			lldp++
		default:
			return a.fail("unexpected: %+v", l)
		}
	}
	if stp != 2 || lldp != 1 || lines[len(lines)-1].Frames != 3 {
		return a.fail("%d STP frames and %d of LLDP, want 2 and 1", stp, lldp)
	}
	file := filepath.Join(c.host.dir, "lost.part")
	defer os.Remove(file)
	if err := c.guest.fetchFile("/tmp/lost.pcapng", file); err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	// The structure by another reader.
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		return a.fail("its file: %v", err)
	}
	for n := 0; ; n++ {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) && n == 3 {
			return nil
		}
		if err != nil {
			return a.fail("packet %d of its file: %v", n, err)
		}
		if device, err := r.Interface(info.InterfaceIndex); err != nil || device.Name != "bond0" || len(data) < 14 || data[0] != 0x01 {
			return a.fail("packet %d of its file: %x of %q, %v", n, data, device.Name, err)
		}
	}
}
