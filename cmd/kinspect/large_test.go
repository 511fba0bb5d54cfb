package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// A dump of a machine with 1 TiB of memory, a few MB on disk, and of one with 256 MiB.
const (
	largePages = 1 << 40 >> 12
	smallPages = 256 << 20 >> 12
)

// largeDumps writes the memory of an incident at the end of a machine's memory, in some formats.
func largeDumps(tb testing.TB, pages uint64) map[string]string {
	tb.Helper()
	m := kernels.NewMachine(tb, "6.12", pages)
	dir := tb.TempDir()
	files := make(map[string]string)
	kdump := m.Kdump(tb)
	for name, s := range map[string]*kernels.Sparse{"elf": m.ELF(), "kdump": kdump, "flattened": kdump.Flattened()} {
		files[name] = filepath.Join(dir, name)
		if err := s.WriteFile(files[name]); err != nil {
			tb.Skipf("this file system has no files of %d bytes with holes: %v", s.Size, err)
		}
	}
	return files
}

// child runs the program in a process of its own, which leaves its status in a file, if one is named.
func child(tb testing.TB, status string, args ...string) (stdout string, cmd *exec.Cmd) {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd = exec.Command(self, args...)
	cmd.Env = append(os.Environ(), childEnv+"=1", statusEnv+"="+status)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != exitFinding {
		tb.Fatalf("%q: %v: %s%s", args, err, out.String(), errs.String())
	}
	return out.String(), cmd
}

// peakMemory is the most memory that a process had, in bytes, by its status; 0 where that is not known.
func peakMemory(tb testing.TB, status string) int64 {
	tb.Helper()
	text, err := os.ReadFile(status)
	if err != nil {
		tb.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`).FindSubmatch(text)
	if found == nil {
		if runtime.GOOS == "linux" {
			tb.Fatalf("no VmHWM in %q", text)
		}
		return 0
	}
	n, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return n << 10
}

// TestLargeDump opens dumps of 1 TiB. What it takes to answer grows with the pages that the
// answer needs.
func TestLargeDump(t *testing.T) {
	skipToPlain(t)
	if runtime.GOOS == "windows" {
		t.Skip("files have no holes there unless they are asked for")
	}
	const limit = 64 << 20
	for format, file := range largeDumps(t, largePages) {
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"eval", "netdev('bond0').rx_dropped"}, "(u64)48 "},
			{[]string{"explain", "bond0"}, "\nrx_dropped 53 = 48 of its own (core) + 5 from its slaves"},
		} {
			status := filepath.Join(t.TempDir(), "status")
			out, cmd := child(t, status, append([]string{"--core", file}, c.args...)...)
			if !strings.Contains(out, c.want) {
				t.Errorf("%s: %q: %s", format, c.args, out)
			}
			if n := peakMemory(t, status); n > limit && !raceDetector {
				t.Errorf("%s: %q takes %d bytes of memory", format, c.args, n)
			} else {
				t.Logf("%s: %q: %d KiB, %v", format, c.args, n>>10, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
			}
		}
	}
}

// countingReader counts the bytes that are read.
type countingReader struct {
	io.ReaderAt
	n atomic.Int64
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.n.Add(int64(n))
	return n, err
}

// TestLargeDumpReads counts what is read of a dump of 1 TiB: to open it, its bitmaps, and of those
// the second not where the first is empty; then what a symbol takes.
func TestLargeDumpReads(t *testing.T) {
	const bitmap, little, symbol = largePages / 8, 1 << 20, 4 << 20
	m := kernels.NewMachine(t, "6.12", largePages)
	kdump := m.Kdump(t)
	for name, c := range map[string]struct {
		file *kernels.Sparse
		open int64
	}{
		"elf": {m.ELF(), little}, "kdump": {kdump, bitmap + little}, "flattened": {kdump.Flattened(), bitmap + little},
	} {
		r := &countingReader{ReaderAt: c.file}
		img, err := kmem.OpenReaderAt(r, c.file.Size, name)
		if err != nil {
			t.Fatal(err)
		}
		opened := r.n.Load()
		if opened > c.open {
			t.Errorf("%s: opening reads %d bytes, at most %d are wanted", name, opened, c.open)
		}
		syms, err := img.Symbols()
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := syms.Lookup("init_net"); !ok {
			t.Error(name, "has no init_net")
		} else if _, err := kmem.ReadUint64(img, s.Addr); err != nil {
			t.Error(name, err)
		}
		if n := r.n.Load() - opened; n > symbol {
			t.Errorf("%s: a symbol takes %d bytes", name, n)
		}
	}
}

// BenchmarkLargeDump is whole processes that answer from a dump of 256 MiB and of 1 TiB.
func BenchmarkLargeDump(b *testing.B) {
	for size, pages := range map[string]uint64{"256MiB": smallPages, "1TiB": largePages} {
		files := largeDumps(b, pages)
		for _, format := range []string{"elf", "kdump", "flattened"} {
			b.Run(format+"/"+size, func(b *testing.B) {
				for b.Loop() {
					child(b, "", "--core", files[format], "eval", "netdev('bond0').rx_dropped")
				}
			})
		}
	}
}
