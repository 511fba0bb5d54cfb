// Package kernels opens the snapshots of real kernels for tests.
package kernels

import (
	"path/filepath"
	"runtime"
	"testing"

	"kinspect/kmem"
)

// Series are the kernels that there is a snapshot of.
var Series = []string{"6.1", "6.12", "7.3"}

// Path is the file of a series' snapshot.
func Path(tb testing.TB, series string) string {
	tb.Helper()
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		tb.Fatal("no caller: cannot find the snapshots")
	}
	return filepath.Join(filepath.Dir(here), "..", "snapshots", "incident-"+series+".elf.zst")
}

// Open opens a series' snapshot until the test ends.
func Open(tb testing.TB, series string) *kmem.Image {
	tb.Helper()
	img, err := kmem.Open(Path(tb, series))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { img.Close() })
	return img
}
