// Command measure runs kinspect and its peers on one dump, checks that all give
// the same answer, and prints what each needed as a whole process: wall time,
// CPU time and peak memory. testdata/bench/run sets the peers up and starts it.
//
// Runs are taken in rounds, one of each row after the other, so that whatever
// else the machine does meets all of them alike.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
)

// A host is what the rows of a table have in common.
type host struct {
	peers, dump, vmlinux, kinspect string
}

// Paths inside the peers' root, where run mounts the files.
const (
	peerDump    = "/bench/dump.elf"
	peerVmlinux = "/bench/vmlinux"
	peerDrgn    = "/bench/drgn.py"
	peerCrash   = "/bench/crash.txt"
	peerDumps   = "/bench/dumps"
	peerReadAll = "/bench/readall"
	peerItems   = "/bench/items.py"
)

// The incident's own counter on bond0, and the total that a user's tools show.
const ownDrops = `48`

// Names of the rows that the ratios are taken from.
const (
	rowEval  = "kinspect eval"
	rowDrgn  = "drgn"
	rowCrash = "crash"
	rowTrue  = "(a process that does nothing)"
)

func (h host) programs() []program {
	kinspect := func(name string, code int, want string, args ...string) program {
		return program{name: name, path: h.kinspect, args: append([]string{"--core", h.dump}, args...), code: code, want: want}
	}
	return []program{
		kinspect(rowEval, 0, `^(\(u64\))?`+ownDrops+`\b`, "eval", "netdev('bond0').rx_dropped"),
		kinspect("kinspect explain bond0", 1, `\b`+ownDrops+`\b`, "explain", "bond0"),
		{
			name: rowDrgn, root: h.peers, path: "/usr/bin/drgn", want: `^` + ownDrops + `\n$`,
			args: []string{"-q", "-c", peerDump, "-s", peerVmlinux, peerDrgn},
		},
		{
			name: rowCrash, root: h.peers, path: "/usr/bin/crash", want: `^` + ownDrops + `\n$`, slow: true,
			args: []string{"-s", peerVmlinux, peerDump}, stdin: peerCrash,
		},
		// What the measuring itself costs; no row can come out below it.
		{name: rowTrue, root: h.peers, path: "/usr/bin/true", want: `^$`},
	}
}

// A report is what --json writes.
type report struct {
	Kernel   string            `json:"kernel"`
	Dump     int64             `json:"dump_bytes"`
	CPUs     int               `json:"cpus"`
	Versions map[string]string `json:"versions"`
	Warm     []row             `json:"warm"`
	Cold     []row             `json:"cold,omitempty"`
	Ratios   map[string]ratio  `json:"ratios"` // peer to kinspect eval, warm
}

func main() {
	var h host
	flag.StringVar(&h.peers, "peers", "", "root directory of the peers' Debian")
	flag.StringVar(&h.dump, "dump", "", "the dump")
	flag.StringVar(&h.vmlinux, "vmlinux", "", "debuginfo of its kernel")
	flag.StringVar(&h.kinspect, "kinspect", "", "kinspect's binary")
	kernel := flag.String("kernel", "", "release of the dump's kernel")
	runs := flag.Int("runs", 20, "runs of each row")
	slowRuns := flag.Int("slow-runs", 3, "at most that many runs of a slow peer")
	cold := flag.Bool("cold", false, "also with dump and debuginfo dropped from the page cache")
	jsonFile := flag.String("json", "", "write the numbers to this file too")
	dir := flag.String("formats", "", "instead, measure all dumps in this directory")
	items := flag.String("items", "", "instead, what single items cost in the dumps in this directory")
	only := flag.String("only", "", "of these, those whose name matches")
	flag.Parse()
	if *items != "" {
		if err := benchItems(h, *items, *kernel, counts{*runs, *slowRuns}, *only, *jsonFile); err != nil {
			fmt.Fprintln(os.Stderr, "measure:", err)
			os.Exit(1)
		}
		return
	}
	if *dir != "" {
		if err := benchFormats(h, *dir, *kernel, counts{*runs, *slowRuns}, *only, *jsonFile); err != nil {
			fmt.Fprintln(os.Stderr, "measure:", err)
			os.Exit(1)
		}
		return
	}
	if err := bench(h, *kernel, counts{*runs, *slowRuns}, *cold, *jsonFile); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func bench(h host, kernel string, n counts, cold bool, jsonFile string) error {
	dump, err := os.Stat(h.dump)
	if err != nil {
		return err
	}
	programs := h.programs()
	// One run of each, unmeasured: all must give the answer before their times
	// mean anything, and it fills the page cache.
	var wrong []error
	for _, p := range programs {
		_, err := p.run()
		wrong = append(wrong, err)
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	r := report{Kernel: kernel, Dump: dump.Size(), CPUs: runtime.NumCPU(), Versions: h.versions()}
	fmt.Printf("bond0's own rx_dropped (%s on every side) from a dump of %s, %d MiB, %d CPUs\n",
		ownDrops, kernel, dump.Size()>>20, r.CPUs)
	for _, p := range []string{rowDrgn, rowCrash} {
		fmt.Printf("%s %s\n", p, r.Versions[p])
	}
	if r.Warm, err = n.measure(programs, nil); err != nil {
		return err
	}
	fmt.Println("\npage cache warm")
	printTable(r.Warm)
	if cold {
		drop := func() error { return errors.Join(dropCache(h.dump), dropCache(h.vmlinux)) }
		if r.Cold, err = n.measure(programs, drop); err != nil {
			return err
		}
		fmt.Println("\ndump and debuginfo not in the page cache")
		printTable(r.Cold)
	}
	fmt.Println()
	r.Ratios = map[string]ratio{}
	for _, peer := range []string{rowDrgn, rowCrash} {
		q := compare(find(r.Warm, peer), find(r.Warm, rowEval))
		r.Ratios[peer] = q
		fmt.Printf("%s / %s, warm: wall %.1f (min), %.1f (median); CPU %.1f; peak memory %.1f\n",
			peer, rowEval, q.WallMin, q.WallMedian, q.CPU, q.RSS)
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
