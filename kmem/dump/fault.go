package dump

import (
	"errors"
	"fmt"
)

// Reason says why memory could not be read.
type Reason uint8

// The reasons of a [Fault].
const (
	// Unmapped: no page table entry, or no segment of the image, covers the address.
	Unmapped Reason = iota
	// Filtered: the address is mapped, but whoever wrote the dump left its page out.
	Filtered
	// Truncated: the dump should hold the page, but the file ends before it.
	Truncated
	// Refused: the kernel refused the read (permission, lockdown, or the page may not be shown).
	Refused
	// Failed: the read failed in another way (an I/O error), told by Detail.
	Failed
	// Unwritten: whoever wrote the dump stopped before the page.
	Unwritten
	// NotGiven: the page is in a file of the dump that was not given.
	NotGiven
	// Redacted: the snapshot was made without the bytes.
	Redacted

	// Reasons is the number of them.
	Reasons = iota
)

// String names the reason in the words that messages use.
func (r Reason) String() string {
	switch r {
	case Unmapped:
		return "not mapped"
	case Filtered:
		return "not in the dump (filtered out or never saved)"
	case Truncated:
		return "beyond the end of the file (truncated dump)"
	case Refused:
		return "refused by the kernel"
	case Unwritten:
		return "not in the dump (its writer stopped before it)"
	case NotGiven:
		return "in a part of the dump that was not given"
	case Redacted:
		return "redacted"
	default:
		return "read failed"
	}
}

// Fault is the error of every read that could not be served. Errors of readers
// wrap it: use [errors.As], or [AsFault].
type Fault struct {
	Addr     uint64 `json:"addr"`               // the first byte that could not be read
	Physical bool   `json:"physical,omitempty"` // Addr is physical, not virtual
	Len      uint64 `json:"len"`                // bytes that were asked for from Addr on
	Reason   Reason `json:"reason"`             // a number in JSON: snapshots hold it
	Detail   string `json:"detail,omitempty"`   // what else is known, may be empty
}

// Error tells address, length and reason in one line.
func (f *Fault) Error() string {
	kind := "address"
	if f.Physical {
		kind = "physical address"
	}
	s := fmt.Sprintf("cannot read %d bytes at %s %#x: %s", f.Len, kind, f.Addr, f.Reason)
	if f.Detail != "" {
		s += ": " + f.Detail
	}
	return s
}

// AsFault returns the fault that err wraps, or nil.
func AsFault(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}
