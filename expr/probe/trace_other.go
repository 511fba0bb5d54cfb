//go:build !linux

package probe

import (
	"time"

	"kinspect/expr"
)

// Trace is not there: probes need Linux.
type Trace struct {
	Target   *Target
	Warnings []string
	Kprobe   string
}

// StartTrace needs Linux.
func StartTrace(*expr.Session, *Target, TraceOptions) (*Trace, error) { return nil, ErrNotLive }

// Next has nothing.
func (*Trace) Next(time.Time) (TraceEvent, bool, error) { return TraceEvent{}, false, ErrNotLive }

// Counts has nothing.
func (*Trace) Counts() (TraceCounts, error) { return TraceCounts{}, ErrNotLive }

// Histogram has nothing.
func (*Trace) Histogram() ([]Bucket, error) { return nil, ErrNotLive }

// Detach does nothing.
func (*Trace) Detach() error { return nil }

// Close does nothing.
func (*Trace) Close() {}
