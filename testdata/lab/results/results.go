// Package results finds what the lab left: dumps of real kernels, what these said of themselves, and debug information,
// for the tests that read them (TestLab...). These are skipped where there is nothing to read. It opens no dump
// itself, so that the tests of every package can use it.
package results

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Dir is the directory of the lab's results, which testdata/lab/README.md describes.
func Dir(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("KINSPECT_LAB_RESULTS")
	if dir == "" {
		tb.Skip("KINSPECT_LAB_RESULTS is not set: the lab runs this on its dumps")
	}
	return dir
}

// Find lists the files SERIES/PATTERN of all kernels, by the order of the patterns. That there are none is an error.
func Find(tb testing.TB, patterns ...string) []string {
	tb.Helper()
	dir := Dir(tb)
	var files []string
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(dir, "*", p))
		if err != nil {
			tb.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		tb.Fatalf("nothing of %q in %s", patterns, dir)
	}
	return files
}

// Series is the kernel's of a file SERIES/NAME: "6.12".
func Series(file string) string { return filepath.Base(filepath.Dir(file)) }

// Each runs a test on each kernel's dump of the incident.
func Each(t *testing.T, test func(t *testing.T, dump string)) {
	t.Helper()
	for _, dump := range Find(t, "incident.elf") {
		t.Run(Series(dump), func(t *testing.T) { test(t, dump) })
	}
}

// Dump is a kernel's dump of the incident. The test is skipped where that kernel was not tested.
func Dump(tb testing.TB, series string) string {
	tb.Helper()
	dump := filepath.Join(Dir(tb), series, "incident.elf")
	if _, err := os.Stat(dump); err != nil {
		tb.Skip(err)
	}
	return dump
}

// Debug is the directory with the debug information of 6.12: its vmlinux, and in modules the files of its modules.
// testdata/bench/debuginfo fetches them.
func Debug(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("KINSPECT_LAB_RESULTS")
	if dir == "" {
		cache, _ := os.UserCacheDir()
		dir = filepath.Join(cache, "kinspect-lab")
	}
	found, _ := filepath.Glob(filepath.Join(dir, "bench/debug/6.12*/vmlinux"))
	if len(found) == 0 {
		tb.Skip("no vmlinux with debug information: testdata/bench/run fetches one")
	}
	return filepath.Dir(slices.Max(found))
}

// Modules is the directory with the files of 6.12's modules.
func Modules(tb testing.TB) string {
	tb.Helper()
	dir := filepath.Join(Debug(tb), "modules")
	if _, err := os.Stat(dir); err != nil {
		tb.Skip("no debug information of modules: testdata/bench/run fetches it")
	}
	return dir
}
