// Package host gathers what the running host says of itself besides its memory:
// the totals that the kernel's own netlink answers with, names of network
// namespaces, and the caller's namespace. A snapshot carries these facts along,
// so that the same question gets the same answer later; a dump has none.
//
// Everything here reads; nothing changes the host.
package host

import "errors"

// ErrUnknown says that the fact cannot be had: the image is a dump, or the
// snapshot did not record it.
var ErrUnknown = errors.New("not known from a dump")

// EthtoolStat is a counter that a driver has under a name of its own.
type EthtoolStat struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

// Facts is what a host, or a snapshot of one, knows besides memory.
type Facts interface {
	// LinkStats asks for the totals of a device in the network namespace with
	// that inode number.
	LinkStats(netns uint64, ifindex int) (LinkStats, error)
	// EthtoolStats asks the driver of a device for the counters that `ethtool -S`
	// shows; none where it has none.
	EthtoolStats(netns uint64, device string) ([]EthtoolStat, error)
	// SelfNetNS is the inode number of the caller's network namespace.
	SelfNetNS() (uint64, error)
	// NamedNetNS maps names, as `ip netns` lists them, to inode numbers.
	NamedNetNS() (map[string]uint64, error)
	// PIDNetNS is the inode number of a process's network namespace.
	PIDNetNS(pid int) (uint64, error)
}

// None is the facts of a dump: all unknown.
type None struct{}

func (None) LinkStats(uint64, int) (LinkStats, error) { return nil, ErrUnknown }
func (None) EthtoolStats(uint64, string) ([]EthtoolStat, error) {
	return nil, ErrUnknown
}
func (None) SelfNetNS() (uint64, error)             { return 0, ErrUnknown }
func (None) NamedNetNS() (map[string]uint64, error) { return nil, ErrUnknown }
func (None) PIDNetNS(int) (uint64, error)           { return 0, ErrUnknown }
