package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// formats are the dumps of a kernel that the lab can make, under its directory. What
// lies beside them in the same directories is measured too.
var formats = []struct{ file, what string }{
	{"incident.elf", "QEMU: elf"},
	{"formats/paging.elf", "QEMU: elf with paging"},
	{"formats/zlib.kdump", "QEMU: kdump-zlib, flattened"},
	{"formats/lzo.kdump", "QEMU: kdump-lzo, flattened"},
	{"formats/snappy.kdump", "QEMU: kdump-snappy, flattened"},
	{"formats/zlib.raw", "QEMU: kdump-raw-zlib"},
	{"formats/lzo.raw", "QEMU: kdump-raw-lzo"},
	{"formats/snappy.raw", "QEMU: kdump-raw-snappy"},
	{"vmcore.elf", "kexec's /proc/vmcore"},
	{"vmcore-formats/elf31", "makedumpfile -E -d 31"},
	{"vmcore-formats/elf31.flat", "makedumpfile -E -d 31 -F"},
	{"vmcore-formats/zlib0", "makedumpfile -c -d 0"},
	{"vmcore-formats/zlib1", "makedumpfile -c -d 1"},
	{"vmcore-formats/zlib1.flat", "makedumpfile -c -d 1 -F"},
	{"vmcore-formats/zlib31", "makedumpfile -c -d 31"},
	{"vmcore-formats/zlib31.flat", "makedumpfile -c -d 31 -F"},
	{"vmcore-formats/lzo0", "makedumpfile -l -d 0"},
	{"vmcore-formats/lzo1", "makedumpfile -l -d 1"},
	{"vmcore-formats/lzo31", "makedumpfile -l -d 31"},
	{"vmcore-formats/snappy1", "makedumpfile -p -d 1"},
	{"vmcore-formats/snappy31", "makedumpfile -p -d 31"},
	{"vmcore-formats/zstd1", "makedumpfile -z -d 1"},
	{"vmcore-formats/zstd31", "makedumpfile -z -d 31"},
	{"vmcore-formats/raw31", "makedumpfile -d 31"},
	{"vmcore-formats/split31", "makedumpfile -l -d 31 --split, 3 files"},
	{"vmcore-formats/incomplete31", "makedumpfile -c -d 31, out of space"},
}

// Names of the rows of a scan.
const (
	rowScan1   = "kinspect search, 1 core"
	rowScan2   = "kinspect search, 2 cores"
	rowReadAll = "libkdumpfile, 1 core"
	// noPattern is a number that no memory of the lab's guests holds.
	noPattern = "0x5a17c0ffee0ddba1"
)

// A formatRow is what one dump took.
type formatRow struct {
	File    string            `json:"file"`
	What    string            `json:"what"`
	Bytes   int64             `json:"bytes"` // of the files
	First   []row             `json:"first_answer,omitempty"`
	Scan    []scanRow         `json:"scan,omitempty"`
	Refused map[string]string `json:"no_answer,omitempty"` // by program: the essence of what it said
	Missing bool              `json:"missing,omitempty"`   // the lab has not made it
}

// A scanRow is a scan of all memory.
type scanRow struct {
	row
	Memory   int64   `json:"memory_bytes"`
	PerWall  float64 `json:"mb_per_s"`     // of the shortest run
	PerCPU   float64 `json:"mb_per_cpu_s"` // of the least CPU time of a run
	leastCPU float64
}

// A formatReport is what --json writes.
type formatReport struct {
	Kernel   string            `json:"kernel"`
	CPUs     int               `json:"cpus"`
	Versions map[string]string `json:"versions"`
	Formats  []formatRow       `json:"formats"`
}

// benchFormats measures each dump of a kernel's directory.
func benchFormats(h host, dir, kernel string, n counts, only, jsonFile string) error {
	pick, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	r := formatReport{Kernel: kernel, CPUs: runtime.NumCPU(), Versions: h.versions()}
	r.Versions["libkdumpfile"] = h.version("libkdumpfile12")
	fmt.Printf("dumps of %s, %d CPUs; drgn %s, crash %s, libkdumpfile %s\n", kernel, r.CPUs,
		r.Versions[rowDrgn], r.Versions[rowCrash], r.Versions["libkdumpfile"])
	list, err := listFormats(dir)
	if err != nil {
		return err
	}
	var wrong []error
	for _, f := range list {
		if !pick.MatchString(f.File) {
			continue
		}
		fmt.Printf("\n%s: %s\n", f.File, f.What)
		if f.Missing {
			fmt.Println("  the lab has not made it")
			r.Formats = append(r.Formats, f)
			continue
		}
		f.Refused = map[string]string{}
		if err := f.measure(h, dir, n); err != nil {
			fmt.Println("  ", err)
			wrong = append(wrong, fmt.Errorf("%s: %w", f.File, err))
		}
		r.Formats = append(r.Formats, f)
	}
	r.print()
	if jsonFile != "" {
		out, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		wrong = append(wrong, os.WriteFile(jsonFile, append(out, '\n'), 0o644))
	}
	return errors.Join(wrong...)
}

// listFormats are the known dumps, and the others that there are.
func listFormats(dir string) ([]formatRow, error) {
	var list []formatRow
	for _, f := range formats {
		row := formatRow{File: f.file, What: f.what}
		if row.Bytes = total(row.files(dir)); row.Bytes == 0 {
			row.Missing = true
		}
		list = append(list, row)
	}
	for _, pattern := range []string{"formats/*", "vmcore-formats/*", "noinfo/*", "packed/*"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			name, err := filepath.Rel(dir, file)
			if err != nil {
				return nil, err
			}
			name, _, _ = strings.Cut(name, ".part")
			if !slices.ContainsFunc(list, func(f formatRow) bool { return f.File == name }) {
				row := formatRow{File: name, What: "of the lab"}
				row.Bytes = total(row.files(dir))
				list = append(list, row)
			}
		}
	}
	return list, nil
}

// files are the files of a dump: one, or the parts of a split one.
func (f *formatRow) files(dir string) []string {
	file := filepath.Join(dir, f.File)
	if _, err := os.Stat(file); err == nil {
		return []string{file}
	}
	parts, _ := filepath.Glob(file + ".part*")
	return parts
}

func total(files []string) (size int64) {
	for _, file := range files {
		if st, err := os.Stat(file); err == nil {
			size += st.Size()
		}
	}
	return size
}

// measure takes both measures of a dump. An error is kinspect's failure: a peer's is noted.
func (f *formatRow) measure(h host, dir string, n counts) error {
	files := f.files(dir)
	var inPeers []string
	for _, file := range files {
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		inPeers = append(inPeers, filepath.Join(peerDumps, name))
	}
	// What stops in the middle may lack the answer.
	partial := strings.Contains(f.File, "incomplete")
	var err error
	if f.First, err = f.run(h.firstAnswers(files, inPeers), n, partial); err != nil {
		return err
	}
	if partial {
		return nil
	}
	rows, err := f.run(h.scans(files, inPeers), n, false)
	for _, r := range rows {
		s := scanRow{row: r, Memory: r.memory, leastCPU: r.leastCPU}
		s.PerWall = float64(s.Memory) / 1e6 / r.Wall.Min
		s.PerCPU = float64(s.Memory) / 1e6 / r.leastCPU
		f.Scan = append(f.Scan, s)
	}
	return err
}

// run measures those programs that give the answer. The run that shows it is the first, and the
// only one, of a slow program that is to run once.
func (f *formatRow) run(programs []program, n counts, partial bool) ([]row, error) {
	var able []program
	var slow []row
	for _, p := range programs {
		s, err := p.run()
		switch {
		case err == nil && p.slow && n.slow <= 1:
			slow = append(slow, summarize(p.name, []sample{s}))
		case err == nil:
			able = append(able, p)
		case !p.peer && !partial:
			return nil, err
		default:
			f.Refused[p.name] = essence(err)
		}
	}
	if len(able) == 0 {
		return slow, nil
	}
	rows, err := n.measure(able, nil)
	return append(rows, slow...), err
}

// firstAnswers asks each for bond0's own rx_dropped.
func (h host) firstAnswers(files, inPeers []string) []program {
	args := coreArgs(files)
	return []program{
		{name: rowEval, path: h.kinspect, args: append(args, "eval", "netdev('bond0').rx_dropped"), want: `^(\(u64\))?` + ownDrops + `\b`},
		{
			name: rowDrgn, root: h.peers, path: "/usr/bin/drgn", want: `^` + ownDrops + `\n$`, peer: true,
			args: []string{"-q", "-c", inPeers[0], "-s", peerVmlinux, peerDrgn},
		},
		{
			name: rowCrash, root: h.peers, path: "/usr/bin/crash", want: `^` + ownDrops + `\n$`, slow: true, peer: true,
			args: append([]string{"-s", peerVmlinux}, inPeers...), stdin: peerCrash,
		},
	}
}

// scans read all memory: kinspect looks for what is not there, so it unpacks each page;
// readall unpacks each with libkdumpfile, and looks at none.
func (h host) scans(files, inPeers []string) []program {
	search := append(coreArgs(files), "--json", "search", "--u64", noPattern)
	kinspect := func(name, cpus string) program {
		return program{
			name: name, path: "/usr/bin/taskset", args: append([]string{"-c", cpus, h.kinspect}, search...),
			want: `"hits":\[\],"more":false,"searched_bytes":(\d+),"unread":\[\]`,
		}
	}
	list := []program{kinspect(rowScan1, "0")}
	if runtime.NumCPU() > 1 {
		list = append(list, kinspect(rowScan2, "0,1"))
	}
	return append(list, program{
		name: rowReadAll, root: h.peers, path: "/usr/bin/taskset", args: append([]string{"-c", "0", peerReadAll}, inPeers...),
		want: `pages (\d+) bytes 0 failed`, peer: true,
	})
}

func coreArgs(files []string) []string {
	var args []string
	for _, file := range files {
		args = append(args, "--core", file)
	}
	return args
}

// print prints both tables.
func (r *formatReport) print() {
	fmt.Printf("\nfirst answer: wall (shortest run), peak memory\n")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "dump\tkinspect\tdrgn\tcrash\tdrgn / kinspect\t")
	for _, f := range r.Formats {
		fmt.Fprintf(w, "%s", f.What)
		if f.Missing {
			fmt.Fprintln(w, "\tnot made\t\t\t\t")
			continue
		}
		for _, name := range []string{rowEval, rowDrgn, rowCrash} {
			if i := slices.IndexFunc(f.First, func(r row) bool { return r.Name == name }); i >= 0 {
				fmt.Fprintf(w, "\t%s %.0f MiB", seconds(f.First[i].Wall.Min), float64(f.First[i].RSS)/(1<<20))
			} else {
				fmt.Fprintf(w, "\t%s", cut(f.Refused[name], 60))
			}
		}
		ours := slices.IndexFunc(f.First, func(r row) bool { return r.Name == rowEval })
		theirs := slices.IndexFunc(f.First, func(r row) bool { return r.Name == rowDrgn })
		if ours >= 0 && theirs >= 0 {
			q := compare(f.First[theirs], f.First[ours])
			fmt.Fprintf(w, "\twall %.0f, memory %.1f", q.WallMin, q.RSS)
		} else {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprintln(w, "\t")
	}
	w.Flush()
	fmt.Printf("\nall memory: MB/s of the shortest run, and in brackets for a second of CPU time\n")
	fmt.Fprintf(w, "dump\tmemory\t%s\t%s\t%s\t1 core / libkdumpfile\t2 cores / 1\t\n", rowScan1, rowScan2, rowReadAll)
	for _, f := range r.Formats {
		if len(f.Scan) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s\t%d MiB", f.What, f.Scan[0].Memory>>20)
		by := map[string]scanRow{}
		for _, s := range f.Scan {
			by[s.Name] = s
		}
		for _, name := range []string{rowScan1, rowScan2, rowReadAll} {
			if s, ok := by[name]; ok {
				fmt.Fprintf(w, "\t%.0f (%.0f)", s.PerWall, s.PerCPU)
			} else {
				fmt.Fprintf(w, "\t%s", cut(f.Refused[name], 60))
			}
		}
		quotient := func(a, b string) string {
			if by[a].PerWall == 0 || by[b].PerWall == 0 {
				return ""
			}
			return strconv.FormatFloat(by[a].PerWall/by[b].PerWall, 'f', 1, 64)
		}
		fmt.Fprintf(w, "\t%s\t%s\t\n", quotient(rowScan1, rowReadAll), quotient(rowScan2, rowScan1))
	}
	w.Flush()
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

func seconds(s float64) string {
	if s < 1 {
		return ms(s)
	}
	return fmt.Sprintf("%.1f s", s)
}
