package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

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

// child runs the program in a process of its own.
func child(tb testing.TB, args ...string) (stdout string, cmd *exec.Cmd) {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd = exec.Command(self, args...)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != exitFinding {
		tb.Fatalf("%q: %v: %s%s", args, err, out.String(), errs.String())
	}
	return out.String(), cmd
}

// TestLargeDump opens dumps of 1 TiB. What it takes to answer grows with the pages that the
// answer needs.
func TestLargeDump(t *testing.T) {
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
			out, cmd := child(t, append([]string{"--core", file}, c.args...)...)
			if !strings.Contains(out, c.want) {
				t.Errorf("%s: %q: %s", format, c.args, out)
			}
			if n := maxRSS(cmd.ProcessState); n > limit {
				t.Errorf("%s: %q takes %d bytes of memory", format, c.args, n)
			} else {
				t.Logf("%s: %q: %d KiB, %v", format, c.args, n>>10, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
			}
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
					child(b, "--core", files[format], "eval", "netdev('bond0').rx_dropped")
				}
			})
		}
	}
}
