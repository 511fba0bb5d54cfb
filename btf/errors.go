package btf

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrNotFound is wrapped where no type, member or enumerator has the name.
	ErrNotFound = errors.New("not found")
	// ErrNoSize is wrapped where a type has no size: void, a function, or a
	// struct that is only declared.
	ErrNoSize = errors.New("type has no size")
	// ErrTooDeep is wrapped where types refer to each other without end, or
	// deeper than any C program does.
	ErrTooDeep = errors.New("types nest too deep")
)

// FormatError says that the blob itself is bad.
type FormatError struct {
	Offset int    // in bytes from the start of the blob
	What   string // what is wrong there
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("bad BTF at offset %#x: %s", e.Offset, e.What)
}

// NameError says that nothing has the name that was asked for. It wraps
// [ErrNotFound]. Near names are looked for only when the text of the error is
// wanted: asking for a name to learn whether a kernel has it stays cheap.
type NameError struct {
	Kinds Kinds
	Name  string

	spec *Spec
}

func (e *NameError) Error() string {
	s := fmt.Sprintf("no %s %q in the BTF of %s", e.Kinds, e.Name, e.spec.name)
	if e.Kinds&(Structs|Unions) != 0 && len(e.spec.find(Forwards, e.Name, 1)) > 0 {
		s += " (only a forward declaration)"
	}
	for b := e.spec; b != nil; b = b.base {
		if b.incomplete != nil {
			s += fmt.Sprintf(" (%v)", b.incomplete)
		}
	}
	return s + suggestion(e.Near())
}

// Near returns names of the same kinds that look like the one asked for.
func (e *NameError) Near() []string { return e.spec.NearNames(e.Kinds, e.Name) }

func (e *NameError) Unwrap() error { return ErrNotFound }

// MemberError says that a struct or union has no such member. It wraps
// [ErrNotFound].
type MemberError struct {
	In   *Struct
	Name string
}

func (e *MemberError) Error() string {
	return fmt.Sprintf("%s has no member %q", e.In, e.Name) + suggestion(e.Near())
}

// Near returns names of members that look like the one asked for.
func (e *MemberError) Near() []string {
	var names []string
	for f := range e.In.AllMembers() {
		names = append(names, f.Path)
	}
	return Near(e.Name, names)
}

func (e *MemberError) Unwrap() error { return ErrNotFound }

func suggestion(near []string) string {
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(near, ", ") + "?"
}
