package expr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kinspect/expr/value"
)

// ArgKind says what a string argument of a function names, for completion and for
// errors about forgotten quotes.
type ArgKind uint8

// The kinds of arguments.
const (
	AnyArg       ArgKind = iota // no name
	DeviceArg                   // a network device
	NetNSArg                    // a network namespace
	TypeArg                     // a C type
	SymbolArg                   // a symbol of the kernel
	MemberArg                   // a member of the struct that the argument before names
	WordArg                     // another word
	OwnMemberArg                // a member of the struct that the argument before is, or points to
)

// Function is a function of the language.
type Function struct {
	Name      string
	Signature string // "netdev(NAME[, NETNS])"
	Doc       string // one line
	Topic     string // help lists functions by it
	Examples  []string

	MinArgs, MaxArgs int // MaxArgs -1 is any number
	Args             []ArgKind
	// Words lists what an argument that is a WordArg may be, for completion; it is quick.
	Words func(s *Session) []Candidate

	// Call computes the result: a Go value of the kinds that [Result] lists. It is
	// nil for what takes a predicate, which the compiler knows.
	Call func(c *Call) (any, error)
	// onStruct makes the same for the plainest of arguments, for one place that calls it; or it is nil.
	onStruct func() structCall
	// Slow keeps completion from evaluating the function.
	Slow bool
}

func (f *Function) argKind(i int) ArgKind {
	if i < len(f.Args) {
		return f.Args[i]
	}
	return AnyArg
}

// Call is one call of a function. It is valid until the function returns.
type Call struct {
	Context context.Context
	Session *Session
	Args    []any

	frame *frame
}

// A structCall is what a function of one argument does with a value that has not been made a pointer: an
// element of a walk. ok is false where that is not of the struct that the function takes, in memory.
type structCall func(v *value.Value) (result any, ok bool, err error)

// Arg is an argument, or nil where it was left out.
func (c *Call) Arg(i int) any { return optional(c.Args, i) }

// String is an argument that is a string, a char array or a char pointer.
func (c *Call) String(i int, what string) (string, error) {
	s, ok, err := text(c.Arg(i))
	if err == nil && !ok {
		err = fmt.Errorf("%s has to be a string, not %s", what, describe(c.Arg(i)))
	}
	return s, err
}

// Int is an argument that is an integer.
func (c *Call) Int(i int, what string) (int64, error) { return integer(c.Arg(i), what) }

// Value is an argument that is a value of the kernel.
func (c *Call) Value(i int, what string) (value.Value, error) {
	v, ok := c.Arg(i).(value.Value)
	if !ok {
		return v, fmt.Errorf("%s has to be a value of the kernel, not %s", what, describe(c.Arg(i)))
	}
	return v, nil
}

// List is an argument that is a list, or an array.
func (c *Call) List(i int) ([]any, error) { return c.Session.list(c.Arg(i)) }

// Grow has to be called before n elements are added to a list: it bounds what one
// evaluation holds, and ends it where it was cancelled.
func (c *Call) Grow(n int) error { return c.Session.grow(n) }

// Warn tells the user something beside the result.
func (c *Call) Warn(format string, args ...any) { c.Session.warn(format, args...) }

// Functions lists the functions that every session has, by name.
func Functions() []Function {
	all := slices.Concat(netFunctions, kernelFunctions, hasFunctions, memoryFunctions, typeFunctions, numberFunctions,
		listFunctions, linkedFunctions, predicateFunctions, textFunctions, codeFunctions, sourceFunctions, layoutFunctions, wordFunctions,
		structFunctions, entryFunctions, taskFunctions, systemFunctions,
		addressFunctions, socketFunctions, snmpFunctions, qdiscFunctions, linkFunctions, netfilterFunctions, ssFunctions,
		chainFunctions, tableFunctions, symbolFunctions, faultFunctions, formatFunctions, searchFunctions, processFunctions, healthFunctions)
	slices.SortFunc(all, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	return all
}

var errNoStack = errors.New("no kernel is open, so there are no network devices")
