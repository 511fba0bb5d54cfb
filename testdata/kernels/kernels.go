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

// Path is the file of a series' snapshot of the incident.
func Path(tb testing.TB, series string) string {
	tb.Helper()
	return path(tb, "incident-"+series)
}

func path(tb testing.TB, name string) string {
	tb.Helper()
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		tb.Fatal("no caller: cannot find the snapshots")
	}
	return filepath.Join(filepath.Dir(here), "..", "snapshots", name+".kdump")
}

// Open opens a series' snapshot of the incident until the test ends.
func Open(tb testing.TB, series string) *kmem.Image {
	tb.Helper()
	return open(tb, Path(tb, series))
}

// OpenScenarios opens the snapshot of 6.12 after all of the lab's scenarios, until
// the test ends.
func OpenScenarios(tb testing.TB) *kmem.Image {
	tb.Helper()
	return open(tb, path(tb, "scenarios-6.12"))
}

// OpenNet opens the snapshot of 6.12 after the lab's scene of sockets, with all that
// the helpers of the network read, until the test ends.
func OpenNet(tb testing.TB) *kmem.Image {
	tb.Helper()
	return open(tb, path(tb, "net-6.12"))
}

// OpenLosses opens the snapshot of 7.3's counters of protocols, of the lab's namespace of losses and of the first
// one, until the test ends.
func OpenLosses(tb testing.TB) *kmem.Image {
	tb.Helper()
	return open(tb, path(tb, "losses-7.3"))
}

func open(tb testing.TB, file string) *kmem.Image {
	tb.Helper()
	img, err := kmem.Open(file)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { img.Close() })
	return img
}
