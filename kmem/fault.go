package kmem

import "kinspect/kmem/dump"

// Fault is the error of every read that could not be served. Errors of readers
// wrap it: use [errors.As], or [AsFault].
type Fault = dump.Fault

// Reason says why memory could not be read.
type Reason = dump.Reason

// The reasons of a [Fault].
const (
	Unmapped  = dump.Unmapped
	Filtered  = dump.Filtered
	Truncated = dump.Truncated
	Refused   = dump.Refused
	Failed    = dump.Failed
	Unwritten = dump.Unwritten
	NotGiven  = dump.NotGiven
	Redacted  = dump.Redacted
)

// AsFault returns the fault that err wraps, or nil.
func AsFault(err error) *Fault { return dump.AsFault(err) }

// FormatError tells why a file is no kernel dump that this package can read.
type FormatError = dump.FormatError
