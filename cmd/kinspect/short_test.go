package main

import (
	"path/filepath"
	"slices"
	"testing"
)

// plainAlone reports whether a test is to be left to the run without the detector of races: where that one is whole, and this one
// short (-race -short). It is for tests that start programs and look at what these print. The detector makes each
// of them ten times slower, and what they run at once is what the short ones and the packages' own tests run at once.
func plainAlone() bool { return raceDetector && testing.Short() }

// skipToPlain skips such a test.
func skipToPlain(t *testing.T) {
	t.Helper()
	if plainAlone() {
		t.Skip("the run without the detector of races has it")
	}
}

// longScripts are the scripts that take longest, as they start the program dozens of times, or walk much memory in one
// goroutine.
var longScripts = []string{"check", "files", "full", "run", "set", "snapshot", "sym"}

// scripts are the files for [TestScripts] to run.
func scripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	if !plainAlone() {
		return files
	}
	short := slices.DeleteFunc(slices.Clone(files), func(file string) bool {
		name := filepath.Base(file)
		return slices.Contains(longScripts, name[:len(name)-len(".txtar")])
	})
	if len(short) != len(files)-len(longScripts) {
		t.Fatalf("of %d scripts %d are short, and %d are named", len(files), len(short), len(longScripts))
	}
	return short
}
