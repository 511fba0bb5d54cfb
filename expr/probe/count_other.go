//go:build !linux

package probe

import "kinspect/expr"

// Count is not there: probes need Linux.
type Count struct {
	Plan     *CountPlan
	Warnings []string
	By       string
}

// StartCount needs Linux.
func StartCount(*expr.Session, *CountPlan, string) (*Count, error) { return nil, ErrNotLive }

// Read has nothing.
func (*Count) Read() (CountResult, error) { return CountResult{}, ErrNotLive }

// Detach does nothing.
func (*Count) Detach() error { return nil }

// Close does nothing.
func (*Count) Close() {}
