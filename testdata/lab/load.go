package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// What the boot "load" takes: bpftrace brings a compiler, and the events of a round are kept in memory.
const (
	loadMemory = 2048
	loadRounds = 3
	loadTime   = 6 * time.Minute // for one row
)

// loadModules are what the scene needs, and what dropwatch listens to.
var loadModules = []string{"drop_monitor", "dummy", "veth"}

// A loadRow is a program that watches a flood, or none.
type loadRow struct {
	name   string
	peer   string // whose bundle it needs, "" for none
	args   string // the program and its arguments
	ready  string // what it says when it watches
	module string // or which module it uses then
	input  string // what it reads
	settle string // how long it writes nothing before it is ended
	count  string // a shell command that prints how many events it told, and how many it says that it lost, - where it does not say
}

// A loadTable is rows that see the same flood.
type loadTable struct {
	name, title string
	dst         string // destination of the frames
	frames      int
	rows        []loadRow
}

const (
	loadTo      = "02:00:00:00:00:77" // veth's other end
	loadNowhere = "02:00:00:00:00:78" // nobody: ip_rcv drops what is for another host
)

// What rows count with. Counts that kinspect tells are those of its --json.
const (
	countSummary = `sed -n 's/.*"kind":"summary".*/&/p' /tmp/flood.out | sed 's/.*"%s":\([0-9]*\).*/\1/' | head -n 1`
	countAt      = `sed -n 's/^@[a-z]*: \([0-9]*\)$/\1/p' /tmp/flood.out; echo -`
)

func summaryField(name string) string { return fmt.Sprintf(countSummary, name) }

var bare = loadRow{name: "bare"}

// loadTables are what is measured.
var loadTables = []loadTable{
	{
		name: "drops", title: "every frame is dropped", dst: loadNowhere, frames: 30_000,
		rows: []loadRow{
			bare,
			{
				name: "kinspect drops", args: "kinspect --json drops", ready: "watching",
				count: summaryField("drops") + "; " + summaryField("lost_rows"),
			},
			{
				name: "dropwatch", peer: "dropwatch", args: "dropwatch -l kas", module: "drop_monitor", input: `start\n`, settle: "2500ms",
				count: `sed -n 's/^\([0-9]*\) drops at .*/\1/p' /tmp/flood.out | awk '{n+=$1} END {print n+0}'; echo -`,
			},
			{
				name: "bpftrace, a tracepoint", peer: "bpftrace", args: `bpftrace -e 'tracepoint:skb:kfree_skb { @n = count(); }'`, ready: "Attached",
				count: countAt,
			},
			{
				name: "bpftrace, the raw tracepoint", peer: "bpftrace", args: `bpftrace -e 'rawtracepoint:kfree_skb { @n = count(); }'`, ready: "Attached",
				count: countAt,
			},
		},
	},
	{
		name: "events", title: "every frame passes, each is told", dst: loadTo, frames: 30_000,
		rows: []loadRow{
			bare,
			{
				name: "kinspect trace", args: "kinspect trace ip_rcv --show 'skb->len, skb->dev->name'", ready: "tracing",
				count: `grep -c '> ip_rcv' /tmp/flood.out; sed -n 's/ times the event was lost.*//p' /tmp/flood.out | grep . || echo 0`,
			},
			{
				name: "bpftrace, fentry", peer: "bpftrace", ready: "Attached",
				args:  `bpftrace -e 'fentry:ip_rcv { printf("%llu CPU %d %s:%d > ip_rcv %d %s\n", nsecs, cpu, comm, tid, args.skb->len, args.skb->dev->name); }'`,
				count: `grep -c '> ip_rcv' /tmp/flood.out; cat /tmp/flood.out /tmp/flood.err | sed -n 's/.*[Ll]ost \([0-9]*\) events.*/\1/p' | awk '{n+=$1} END {print n+0}'`,
			},
			{
				name: "pwru", peer: "pwru", args: "pwru --filter-func '^ip_rcv$'", ready: "Listening",
				count: `grep -c 'ip_rcv' /tmp/flood.out; echo -`,
			},
		},
	},
	{
		name: "filter", title: "every frame passes, and none is asked for", dst: loadTo, frames: 30_000,
		rows: []loadRow{
			bare,
			{
				name: "kinspect trace --if", args: "kinspect --json trace ip_rcv --if 'skb->len == 7'", ready: "tracing",
				count: summaryField("matched") + "; " + summaryField("lost"),
			},
			{
				name: "bpftrace, fentry and a predicate", peer: "bpftrace", ready: "Attached",
				args:  `bpftrace -e 'fentry:ip_rcv /args.skb->len == 7/ { printf("%d\n", args.skb->len); }'`,
				count: `grep -c '^7' /tmp/flood.out; echo -`,
			},
			{
				name: "pwru and an expression", peer: "pwru", args: "pwru --filter-func '^ip_rcv$' --filter-skb-expr 'skb->len == 7'", ready: "Listening",
				count: `grep -c 'ip_rcv' /tmp/flood.out; echo -`,
			},
		},
	},
	{
		name: "counts", title: "every frame passes, and is counted", dst: loadTo, frames: 30_000,
		rows: []loadRow{
			bare,
			{
				name: "kinspect count", args: "kinspect --json count ip_rcv", ready: "watching",
				count: summaryField("calls") + "; " + summaryField("nested"),
			},
			{
				name: "kinspect trace --hist", args: "kinspect --json trace ip_rcv --hist 'skb->len'", ready: "tracing",
				count: summaryField("matched") + "; " + summaryField("nested"),
			},
			{
				name: "bpftrace, fentry and count", peer: "bpftrace", args: `bpftrace -e 'fentry:ip_rcv { @n = count(); }'`, ready: "Attached",
				count: countAt,
			},
			{
				name: "bpftrace, fentry and hist", peer: "bpftrace", args: `bpftrace -e 'fentry:ip_rcv { @n = hist(args.skb->len); }'`, ready: "Attached",
				count: `sed -n 's/^\[[^|]* \([0-9]*\) |.*/\1/p' /tmp/flood.out | awk '{n+=$1} END {print n+0}'; echo -`,
			},
		},
	},
}

// loadResult is one run of a row, as the guest tells it, with what the program told.
type loadResult struct {
	Rate float64 `json:"rate"`
	Exit int     `json:"exit"`
	CPU  float64 `json:"cpu"`
	Peak uint64  `json:"peak"`
	told string
	lost string
}

// load measures what live probes cost, and what their peers do, beside a flood. Under emulation the figures are worth their
// ratio alone. Nothing fails for a time; what is lost or counted wrong does.
func (r *runner) load(ctx context.Context) error {
	peers := filepath.Join(filepath.Dir(r.dir), "bench", "load")
	have, plain, err := loadPeers(peers)
	if err != nil {
		return err
	}
	g, err := r.bootWith(ctx, "load", machine{memory: loadMemory, icount: r.icount}, initramfsSpec{plain: plain})
	if err != nil {
		return err
	}
	defer g.kill()
	if err := playAll(g, &truth{}, []func(*guest, *truth) error{loadScene}); err != nil {
		return err
	}
	if err := r.askGuest(g, "load"); err != nil {
		return err
	}
	fmt.Printf("%s, in the guest, under emulation: %d rounds\n", r.kernel.series, loadRounds)
	if r.icount {
		fmt.Println("A second of the guest is a billion instructions, of both CPUs together.")
	}
	for _, peer := range slices.Sorted(maps.Keys(have)) {
		fmt.Printf("%s: %s\n", peer, have[peer])
	}
	for _, t := range loadTables {
		if err := r.loadTable(g, t, have); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	if !r.icount {
		r.compare(ctx, "load", &truth{}, g)
	}
	return nil
}

// loadPeers are the programs beside which kinspect is measured, with their versions, and their files in the guest.
func loadPeers(dir string) (have map[string]string, plain map[string]string, err error) {
	have, plain = map[string]string{}, map[string]string{}
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	for _, peer := range list {
		version, err := os.ReadFile(filepath.Join(dir, peer.Name(), "version"))
		if err != nil {
			continue // half made
		}
		have[peer.Name()] = strings.TrimSpace(string(version))
		err = filepath.WalkDir(filepath.Join(dir, peer.Name()), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				name, _ := filepath.Rel(dir, path)
				plain["/peers/"+name] = path
			}
			return err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return have, plain, nil
}

// loadScene is a veth pair whose other end takes frames for itself, to be forwarded to a device that eats them. Programs that
// have libraries of their own are started by their own loaders.
func loadScene(g *guest, _ *truth) error {
	if err := g.load(loadModules...); err != nil {
		return err
	}
	_, err := g.run(fmt.Sprintf(`mkdir -p /sys/kernel/debug /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug || true
mount -t tracefs tracefs /sys/kernel/tracing || true
ln -sf /proc/self/fd /dev/fd
for p in $(ls /peers 2>/dev/null); do
	run="/peers/$p/bin/$p"
	test -d /peers/$p/lib && run="/peers/$p/lib/%s --library-path /peers/$p/lib $run"
	printf '#!/bin/sh\nexec %%s "$@"\n' "$run" >/usr/bin/$p
	chmod +x /usr/bin/$p
done
ip link add load0 type veth peer name load1 address %s
ip link add eater type dummy
for d in load0 load1 eater; do
	ip link set $d up
	echo 0 > /proc/sys/net/ipv4/conf/$d/rp_filter
done
echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter
echo 1 > /proc/sys/net/ipv4/ip_forward
ip addr add 198.18.0.2/24 dev load1
ip route add 198.18.1.0/24 dev eater`, loader, loadTo))
	return err
}

// loadTable runs the rows of a table in turns, so that other load meets all of them alike, and prints it.
func (r *runner) loadTable(g *guest, t loadTable, have map[string]string) error {
	rows := slices.DeleteFunc(slices.Clone(t.rows), func(row loadRow) bool { return row.peer != "" && have[row.peer] == "" })
	results := make([][]loadResult, len(rows))
	for range loadRounds {
		for i, row := range rows {
			one, err := row.run(g, t.dst, t.frames)
			if err != nil {
				return fmt.Errorf("%s: %w", row.name, err)
			}
			results[i] = append(results[i], one)
		}
	}
	fmt.Printf("\n%s: %d frames\n\n| | frames/s: best / median | of bare | told | lost, it says | not told | CPU, s | memory, MiB |\n|---|---|---|---|---|---|---|---|\n", t.title, t.frames)
	first := 0.0
	for i, row := range rows {
		list := results[i]
		slices.SortFunc(list, func(a, b loadResult) int { return int(a.Rate - b.Rate) })
		// Other load on the machine makes a run slower, and none faster.
		best := list[len(list)-1].Rate
		if i == 0 {
			first = best
		}
		fmt.Printf("| %s | %.0f / %.0f | %.0f %% |", row.name, best, list[len(list)/2].Rate, 100*best/first)
		if row.args == "" {
			fmt.Println(" | | | | |")
			continue
		}
		var told, lost, cpu, peak []float64
		for _, one := range list {
			var n, l float64
			_, _ = fmt.Sscan(one.told, &n)
			_, _ = fmt.Sscan(one.lost, &l)
			told, lost, cpu, peak = append(told, n), append(lost, l), append(cpu, one.CPU), append(peak, float64(one.Peak)/1024)
		}
		said := "-"
		if list[0].lost != "-" {
			said = fmt.Sprintf("%.0f", median(lost))
		}
		fmt.Printf(" %.0f | %s | %.0f | %.2f | %.0f |\n", median(told), said, float64(t.frames)-median(told), median(cpu), median(peak))
	}
	return nil
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// run floods the guest once with a row's program beside.
func (row loadRow) run(g *guest, dst string, frames int) (out loadResult, err error) {
	script := fmt.Sprintf("guest flood -i load0 -dst %s -count %d", dst, frames)
	if row.args != "" {
		script += " -ready '" + row.ready + "'"
		if row.module != "" {
			script += " -module " + row.module
		}
		if row.input != "" {
			script += " -input '" + row.input + "'"
		}
		if row.settle != "" {
			script += " -settle " + row.settle
		}
		script += " -- " + row.args + "\nset +e\n" + row.count + "\nrm -f /tmp/flood.out /tmp/flood.err"
	}
	text, err := g.runFor(loadTime, script)
	if err != nil {
		return out, err
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	if err := json.Unmarshal([]byte(first), &out); err != nil {
		return out, fmt.Errorf("%q: %w", first, err)
	}
	if f := strings.Fields(rest); len(f) == 2 {
		out.told, out.lost = f[0], f[1]
	} else if row.args != "" {
		return out, fmt.Errorf("%s: want two counts, got %q", row.name, rest)
	}
	return out, nil
}
