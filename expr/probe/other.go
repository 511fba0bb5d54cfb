//go:build !linux

package probe

import (
	"errors"
	"time"

	"kinspect/expr/value"
)

// ErrNotLive is of a probe where there is no running Linux kernel.
var ErrNotLive = errors.New("nothing happens in a dump any more: a live probe needs the running kernel of a Linux host")

// Drops is not there: probes need Linux.
type Drops struct{}

// StartDrops needs Linux.
func StartDrops(*value.Kernel, DropsOptions) (*Drops, error) { return nil, ErrNotLive }

// Close does nothing.
func (*Drops) Close() {}

// Detach does nothing.
func (*Drops) Detach() error { return nil }

// Read has nothing.
func (*Drops) Read() ([]Drop, Missed, error) { return nil, Missed{}, ErrNotLive }

// Next has nothing.
func (*Drops) Next(time.Time) (Sample, bool, error) { return Sample{}, false, ErrNotLive }

// Wall is now.
func Wall(time.Duration) time.Time { return time.Now() }
