//go:build !linux

package host

import "errors"

// Live is the facts of the running host, which only Linux has.
type Live struct{ None }

// NewLive returns facts that are all unknown.
func NewLive() *Live { return &Live{} }

// Close does nothing.
func (*Live) Close() {}

// Capability is known on Linux alone.
func Capability(int) (bool, error) { return false, errors.New("this system is not Linux") }
