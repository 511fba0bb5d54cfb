package value

import (
	"errors"
	"fmt"

	"kinspect/kmem"
)

// FaultError is what is wrong with what a kernel's memory holds, beside memory that cannot
// be read at all, which is a [kmem.Fault]: a NULL pointer on the way, a list that runs in
// a circle, a stack that leads nowhere.
type FaultError struct{ msg string }

// Error is the message.
func (e *FaultError) Error() string { return e.msg }

// Faultf makes a [FaultError].
func Faultf(format string, args ...any) error { return &FaultError{fmt.Sprintf(format, args...)} }

// IsFault reports whether an error is of what a kernel's memory holds, or lacks, and not of
// the question: of other structs the same question may have an answer.
func IsFault(err error) bool {
	var damage *FaultError
	return err != nil && (kmem.AsFault(err) != nil || errors.As(err, &damage))
}

// FaultText is what stands in the place of what could not be read.
func FaultText(err error) string {
	if f := kmem.AsFault(err); f != nil {
		return fmt.Sprintf("<%s at %#x>", f.Reason, f.Addr)
	}
	return "<" + Printable(err.Error()) + ">"
}

// Faults gathers the faults of a walk that goes on behind them.
type Faults struct {
	first error
	more  int
}

// Keep notes an error that is a fault, and returns any other.
func (f *Faults) Keep(err error) error {
	switch {
	case !IsFault(err):
		return err
	case f.first == nil:
		f.first = err
	default:
		f.more++
	}
	return nil
}

// Err is the first fault, and says how many there are beside it; nil without one.
func (f *Faults) Err() error {
	if f.more == 0 {
		return f.first
	}
	return fmt.Errorf("%w (and %d more such faults)", f.first, f.more)
}
