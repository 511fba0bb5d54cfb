package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
)

// itemDumps are the dumps that the workloads meet: the same memory, in three files.
var itemDumps = []struct{ file, what string }{
	{"virtual.elf", "ELF with virtual addresses, as /proc/vmcore is"},
	{"physical.elf", "ELF with physical addresses, as QEMU writes it"},
	{"zlib.kdump", "kdump-compressed, zlib"},
}

// A workload goes through many items. Each program does it so many times in a process as
// its passes say, once and more often: what the later passes add is the items' own, without
// what it takes to start, to open the dump and to read the types and symbols.
type workload struct {
	name   string
	what   string
	items  int // 0: as many as the answer has
	expr   string
	json   bool   // the answer is one
	passes [2]int // of kinspect and of drgn
	// same compares the answers.
	same func(ours, theirs []byte) (items int, err error)
}

const nodes = "list_for_each(netdev('%s')->uc.list, struct netdev_hw_addr, list)"

var workloads = []workload{
	{
		name: "devices", what: "name, ifindex and mtu of all devices", json: true, passes: [2]int{301, 41},
		expr: "netdevs() | map([.name, .ifindex, .mtu])", same: sameRows,
	},
	{
		name: "tasks", what: "comm and state of all tasks", json: true, passes: [2]int{301, 31},
		expr: "tasks('all') | map([.comm, task_state(#)])", same: sameRows,
	},
	{
		name: "sum", what: "sum over a list of a million", json: true, items: 1_000_000, passes: [2]int{4, 2},
		expr: fmt.Sprintf(nodes, "d1") + " | sum(.refcount)", same: sameNumber,
	},
	{
		name: "scattered", what: "sum over 100,000 of a scattered list", json: true, items: 100_000, passes: [2]int{11, 4},
		expr: fmt.Sprintf(nodes, "d2") + " | take(100000) | sum(.refcount)", same: sameNumber,
	},
	{
		name: "format", what: "a whole net_device as text, 100 of them", items: 100, passes: [2]int{11, 3},
		expr: "netdevs() | take(100) | map(*#)", same: sameMembers,
	},
}

// An itemRow is what one workload took in one dump.
type itemRow struct {
	Dump     string   `json:"dump"`
	Workload string   `json:"workload"`
	Items    int      `json:"items"`
	Kinspect itemCost `json:"kinspect"`
	Drgn     itemCost `json:"drgn"`
}

// An itemCost is what a program took: the process that does the workload once, and what an item adds.
type itemCost struct {
	Wall    float64 `json:"process_wall_s"`
	CPU     float64 `json:"process_cpu_s"`
	RSS     int64   `json:"process_max_rss_bytes"`
	PerWall float64 `json:"item_wall_s"`
	PerCPU  float64 `json:"item_cpu_s"`
}

// An itemReport is what --json writes.
type itemReport struct {
	Kernel string    `json:"kernel"`
	CPUs   int       `json:"cpus"`
	Drgn   string    `json:"drgn"`
	Rows   []itemRow `json:"rows"`
}

// benchItems measures each workload in each dump.
func benchItems(h host, dir, kernel string, n counts, only, jsonFile string) error {
	pick, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(dir, "sums"))
	if err != nil {
		return err
	}
	r := itemReport{Kernel: kernel, CPUs: runtime.NumCPU(), Drgn: h.versions()[rowDrgn]}
	fmt.Printf("dumps of %s, %d CPUs; drgn %s\n", kernel, r.CPUs, r.Drgn)
	for _, d := range itemDumps {
		fmt.Printf("\n%s: %s\n", d.file, d.what)
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(w, "\tprocess\tCPU\tpeak memory\tan item\tCPU\t")
		for _, l := range workloads {
			if !pick.MatchString(d.file + " " + l.name) {
				continue
			}
			row, err := h.items(filepath.Join(dir, d.file), d.file, l, n, strings.TrimSpace(string(sum)))
			if err != nil {
				w.Flush()
				return fmt.Errorf("%s, %s: %w", d.file, l.name, err)
			}
			row.print(w, l.what)
			r.Rows = append(r.Rows, row)
		}
		w.Flush()
	}
	if jsonFile == "" {
		return nil
	}
	out, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(jsonFile, append(out, '\n'), 0o644)
}

// print prints the two programs' lines, and the quotients.
func (r itemRow) print(w *tabwriter.Writer, what string) {
	line := func(name string, c itemCost) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.0f MiB\t%s\t%s\t\n", name, seconds(c.Wall), seconds(c.CPU), float64(c.RSS)/(1<<20), tiny(c.PerWall), tiny(c.PerCPU))
	}
	fmt.Fprintf(w, "%s (%d)\t\t\t\t\t\t\n", what, r.Items)
	line("kinspect", r.Kinspect)
	line("drgn", r.Drgn)
	k, d := r.Kinspect, r.Drgn
	fmt.Fprintf(w, "drgn / kinspect\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", d.Wall/k.Wall, d.CPU/k.CPU,
		float64(d.RSS)/float64(k.RSS), d.PerWall/k.PerWall, d.PerCPU/k.PerCPU)
}

// tiny is a time that may be a microsecond.
func tiny(s float64) string {
	switch {
	case s < 1e-5:
		return fmt.Sprintf("%.2f µs", 1e6*s)
	case s < 1e-3:
		return fmt.Sprintf("%.1f µs", 1e6*s)
	}
	return fmt.Sprintf("%.2f ms", 1e3*s)
}

// items measures a workload in a dump.
func (h host) items(dump, file string, l workload, n counts, sum string) (itemRow, error) {
	row := itemRow{Dump: file, Workload: l.name, Items: l.items}
	// The answers first: each run after it has to give them again, once for each pass.
	var answers [2][]byte
	ours, theirs := h.kinspectItems(dump, l, 1), h.drgnItems(file, l, 1)
	ours.keep, theirs.keep = &answers[0], &answers[1]
	for _, p := range []program{ours, theirs} {
		if _, err := p.run(); err != nil {
			return row, err
		}
	}
	items, err := l.same(answers[0], answers[1])
	if err != nil {
		return row, err
	}
	if l.name == "sum" && strings.TrimSpace(string(answers[1])) != sum {
		return row, fmt.Errorf("both say %s, and the sum is %s", clip(string(answers[1])), sum)
	}
	if row.Items == 0 {
		row.Items = items
	}
	var programs []program
	for i, make := range []func(passes int) program{
		func(n int) program { return h.kinspectItems(dump, l, n) },
		func(n int) program { return h.drgnItems(file, l, n) },
	} {
		for _, passes := range []int{1, l.passes[i]} {
			p := make(passes)
			p.repeats, p.passes = answers[i], passes
			programs = append(programs, p)
		}
	}
	rows, err := n.measure(programs, nil)
	if err != nil {
		return row, err
	}
	cost := func(one, many struct{ wall, cpu float64 }, rss int64, passes int) itemCost {
		per := float64((passes - 1) * row.Items)
		return itemCost{Wall: one.wall, CPU: one.cpu, RSS: rss, PerWall: (many.wall - one.wall) / per, PerCPU: (many.cpu - one.cpu) / per}
	}
	least := func(i int) struct{ wall, cpu float64 } {
		return struct{ wall, cpu float64 }{rows[i].Wall.Min, rows[i].leastCPU}
	}
	row.Kinspect = cost(least(0), least(1), rows[0].RSS, l.passes[0])
	row.Drgn = cost(least(2), least(3), rows[2].RSS, l.passes[1])
	return row, nil
}

func (h host) kinspectItems(dump string, l workload, passes int) program {
	args := []string{"--core", dump}
	if l.json {
		args = append(args, "--json")
	}
	args = append(args, "eval")
	for range passes {
		args = append(args, l.expr)
	}
	return program{name: "kinspect", path: h.kinspect, args: args}
}

func (h host) drgnItems(file string, l workload, passes int) program {
	return program{
		name: "drgn", root: h.peers, path: "/usr/bin/drgn",
		args: []string{"-q", "-c", filepath.Join(peerDumps, file), "-s", peerVmlinux, peerItems, l.name, strconv.Itoa(passes)},
	}
}

// kinspectValue is the value in what kinspect says in JSON.
func kinspectValue(out []byte, to any) error {
	var result struct {
		Value    json.RawMessage `json:"value"`
		Warnings []string        `json:"warnings"`
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return err
	}
	if len(result.Warnings) > 0 {
		return errors.New(result.Warnings[0])
	}
	return json.Unmarshal(result.Value, to)
}

// sameRows compares lists of rows, whose order may differ: tasks come by number, or as they were
// made.
func sameRows(ours, theirs []byte) (int, error) {
	var a, b []json.RawMessage
	if err := kinspectValue(ours, &a); err != nil {
		return 0, err
	}
	if err := json.Unmarshal(theirs, &b); err != nil {
		return 0, err
	}
	count := map[string]int{}
	add := func(rows []json.RawMessage, n int) error {
		for _, row := range rows {
			var b bytes.Buffer
			if err := json.Compact(&b, row); err != nil {
				return err
			}
			count[b.String()] += n
		}
		return nil
	}
	if err := errors.Join(add(a, 1), add(b, -1)); err != nil {
		return 0, err
	}
	for row, n := range count {
		if n != 0 {
			return 0, fmt.Errorf("kinspect has %d rows, drgn %d: %s differs", len(a), len(b), row)
		}
	}
	if len(a) < 1000 {
		return 0, fmt.Errorf("%d rows are too few to measure", len(a))
	}
	return len(a), nil
}

func sameNumber(ours, theirs []byte) (int, error) {
	var n json.Number
	if err := kinspectValue(ours, &n); err != nil {
		return 0, err
	}
	if want := strings.TrimSpace(string(theirs)); n.String() != want {
		return 0, fmt.Errorf("kinspect says %s, drgn %s", n, want)
	}
	return 0, nil
}

// integerMember is a member that is an integer, in C's form as both write it. kinspect adds names of flags
// to some, and cuts arrays at another length than drgn, which leaves zeros out of them.
var integerMember = regexp.MustCompile(`\.(\w+) = \((?:unsigned |signed )?(?:int|long|short|u8|u16|u32|u64|s16|s32|netdev_features_t)\)(-?\d+)`)

// sameMembers compares the integers of whole structs, by the members' names. Those that are as
// often in both texts have to have the same values: it is most.
func sameMembers(ours, theirs []byte) (int, error) {
	collect := func(text []byte) map[string][]string {
		all := map[string][]string{}
		for _, m := range integerMember.FindAllSubmatch(text, -1) {
			name := string(m[1])
			all[name] = append(all[name], string(m[2]))
		}
		return all
	}
	a, b := collect(ours), collect(theirs)
	same, values := 0, 0
	for name, list := range a {
		if len(list) != len(b[name]) {
			continue
		}
		same++
		values += len(list)
		for i := range list {
			if list[i] != b[name][i] {
				return 0, fmt.Errorf("kinspect has %s = %s where drgn has %s", name, list[i], b[name][i])
			}
		}
	}
	if same < 50 || values < 50*100 {
		return 0, fmt.Errorf("of %d and %d members that are integers only %d can be compared", len(a), len(b), same)
	}
	return 0, nil
}
