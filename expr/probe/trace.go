package probe

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"kinspect/expr"
	"kinspect/expr/probe/compile"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// TraceOptions are what is asked of [StartTrace].
type TraceOptions struct {
	If    string   // an expression: calls that it does not hold for are not told
	Show  []string // expressions: their values are
	Ret   bool     // tell when a function returns, too
	Stack bool     // and how it was called
	Hist  string   // an expression: its values are counted instead
}

// A TraceEvent is a call of the function, its return, or a tracepoint that was passed. It is valid until the next one
// is taken.
type TraceEvent struct {
	At       time.Duration // CLOCK_MONOTONIC
	Time     time.Time     // the same
	CPU      int
	Exit     bool
	PID, TID int
	Task     string
	// Took is how long the call lasted, at its exit; ok where its entry was seen.
	Took   time.Duration
	Timed  bool
	Values []TraceValue
	Stack  []kmem.Addr
	// StackErr says why there is none.
	StackErr error
}

// A TraceValue is what an expression was.
type TraceValue struct {
	Src   string
	Value any // as of [expr.Result]
	Err   error
	// memory is what was read of the kernel's.
	memory compile.Piece

	// Of an event, the value is made of its record when it is printed: a flood has many of the same.
	expr   *compile.Expr
	record []byte
	fixed  []byte // what of the record decides the text, nil where more does
}

// read is the value and what memory it is of.
func (v *TraceValue) read(k *value.Kernel) (any, compile.Piece) {
	if v.expr != nil {
		return v.expr.Value(k, v.record)
	}
	return v.Value, v.memory
}

// TraceCounts are of a whole run.
type TraceCounts struct {
	Calls   uint64 // entries, or passes of a tracepoint; returns where only they are told
	Matched uint64 // those that --if holds for
	Unknown uint64 // those that it could not be computed for
	Faults  uint64 // values of --hist that could not be computed
	Lost    uint64 // events that found no room in the ring
	Nested  uint64 // calls while the program ran on the same CPU already, which it does not see
	Known   bool   // whether the kernel tells Nested
	// Unreturned are calls whose return was not seen: they had not returned by the end, or the kernel missed it.
	Unreturned uint64
}

// A Bucket of a histogram holds the numbers from From to To, both counted in.
type Bucket struct {
	From, To int64 // of an unsigned expression uint64
	Unsigned bool
	Count    uint64
}

// Text is the bounds of a bucket.
func (b Bucket) Text() string {
	n := func(i int64) string {
		if b.Unsigned {
			return fmt.Sprint(uint64(i))
		}
		return fmt.Sprint(i)
	}
	if b.From == b.To {
		return n(b.From)
	}
	return n(b.From) + " to " + n(b.To)
}

// JSON is a bucket as an object.
func (b Bucket) JSON() map[string]any {
	if b.Unsigned {
		return map[string]any{"kind": "bucket", "from": uint64(b.From), "to": uint64(b.To), "count": b.Count}
	}
	return map[string]any{"kind": "bucket", "from": b.From, "to": b.To, "count": b.Count}
}

// The buckets of a histogram: 0 of 0, n of what has n bits, and behind these those of what is below zero.
const (
	bucketsUp = 65
	buckets   = bucketsUp + 64
)

// bucketBounds are those of a bucket by its number.
func bucketBounds(n int, unsigned bool) Bucket {
	b := Bucket{Unsigned: unsigned}
	switch {
	case n == 0:
	case n < bucketsUp:
		b.From, b.To = int64(uint64(1)<<(n-1)), int64(uint64(1)<<n-1)
	default: // -1 has one bit, as 1 has
		n -= bucketsUp
		b.From, b.To = -int64(uint64(1)<<(n+1)-1), -int64(uint64(1)<<n)
		if n == 63 {
			b.From, b.To = -1<<63, -1<<63
		}
	}
	return b
}

// SplitExpressions splits what --show was given at the commas between expressions.
func SplitExpressions(text string) []string {
	src := []rune(text)
	var out []string
	from, depth := 0, 0
	for i := 0; i < len(src); {
		switch src[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case '\'', '"', '`':
			end, _ := syntax.SkipString(src, i)
			i = max(end, i+1)
			continue
		case ',':
			if depth == 0 {
				out = append(out, strings.TrimSpace(string(src[from:i])))
				from = i + 1
			}
		}
		i++
	}
	return append(out, strings.TrimSpace(string(src[from:])))
}

// traced is what a program at a site computes.
type traced struct {
	site   Site
	cond   *compile.Expr // nil for all
	show   []*compile.Expr
	hist   *compile.Expr
	paired int // a call's entry and exit belong together
	only   bool
	places []int16 // of the values in a record
	fixed  []span  // of each, what of it decides its text
	size   int16   // of a record
}

// span is a part of a value in a record; it is empty where there is none.
type span struct{ from, to int }

// What a site has to do with the other one of a call.
const (
	pairNone  = iota
	pairNoted // an entry that is told notes it
	pairKept  // an entry that is not told keeps what the exit needs
	pairFound // the exit looks for what the entry left
)

// The head of a record. Numbers are in the machine's byte order.
const (
	eventTime   = 0  // u64: ns of CLOCK_MONOTONIC
	eventCPU    = 8  // u32
	eventSite   = 12 // u32: 1 at an exit
	eventTask   = 16 // u64: process and thread
	eventName   = 24 // the thread's name
	eventTook   = 40 // u64: ns since the entry
	eventTimed  = 48 // u64: 1 where the entry was seen
	eventFrames = 56 // s64: bytes of stack, or an error
	eventValues = 64

	// A value has its state before it: 0, or what it ended with, and the address of a read that failed.
	valueState = 0
	valueFault = 8
	valueHead  = 16

	maxFrames = 64
	maxRecord = 16 << 10
)

// traceFault is what an expression ended with in the kernel, as the language tells it.
func traceFault(state int64, addr uint64) error {
	switch state {
	case compile.FaultDivide:
		return value.ErrDivide
	case compile.FaultShift:
		return value.Faultf("shift by more bits than there are")
	case compile.FaultIndex:
		return value.Faultf("an index outside its array")
	case compile.FaultRange:
		return value.Faultf("a number that does not fit")
	case compile.FaultNull:
		return value.Faultf("NULL pointer")
	}
	if addr < 4096 {
		return value.Faultf("NULL pointer: nothing at %#x", addr)
	}
	return &kmem.Fault{Addr: addr, Reason: kmem.Unmapped}
}

// compileTrace compiles the expressions for the sites of a trace: the entry, or the exit, or both.
func compileTrace(s *expr.Session, t *Target, o TraceOptions, registers bool) (list []*traced, warnings []string, err error) {
	entry := &traced{site: Site{Registers: registers}}
	exit := &traced{site: Site{Exit: true, Registers: registers}}
	warn := func(e *compile.Expr) *compile.Expr { warnings = append(warnings, e.Warnings...); return e }
	// Whether an expression is about the exit is known when it is compiled for that.
	atExit := false
	one := func(compileIt func(compile.Scope, string) (*compile.Expr, error), src, what string, to func(at *traced, e *compile.Expr)) error {
		x, xerr := compileIt(t.Scope(s, exit.site), src)
		usesRet := xerr == nil && (x.Uses("ret") || x.Uses("retval"))
		if t.Tracepoint || !o.Ret || !usesRet {
			e, err := compileIt(t.Scope(s, entry.site), src)
			if err != nil {
				return err
			}
			to(entry, warn(e))
			if t.Tracepoint || !o.Ret {
				return nil
			}
		}
		if xerr != nil {
			return xerr
		}
		to(exit, x)
		atExit = atExit || usesRet && what == "--if"
		if usesRet {
			warn(x)
		}
		return nil
	}
	if o.If != "" {
		if err := one(compile.Condition, o.If, "--if", func(at *traced, e *compile.Expr) { at.cond = e }); err != nil {
			return nil, nil, err
		}
	}
	for _, src := range o.Show {
		if err := one(compile.Compile, src, "--show", func(at *traced, e *compile.Expr) { at.show = append(at.show, e) }); err != nil {
			return nil, nil, err
		}
	}
	if o.Hist != "" {
		if err := one(compile.Number, o.Hist, "--hist", func(at *traced, e *compile.Expr) { at.hist = e }); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case !o.Ret || t.Tracepoint:
		list = []*traced{entry}
	case atExit, o.Hist != "":
		exit.only = true
		list = []*traced{exit}
		if registers { // the arguments are gone by then
			keeper := &traced{site: entry.site, paired: pairKept}
			exit.paired = pairFound
			list = []*traced{keeper, exit}
		}
	default:
		entry.paired, exit.paired = pairNoted, pairFound
		if entry.cond != nil { // it is decided at the entry, for both
			exit.cond = nil
		}
		list = []*traced{entry, exit}
	}
	for _, at := range list {
		if err := at.place(o.Stack); err != nil {
			return nil, nil, err
		}
	}
	return list, warnings, nil
}

// place gives the values their places in a record.
func (at *traced) place(stack bool) error {
	size := eventValues
	if stack {
		size += 8 * maxFrames
	}
	for _, e := range at.show {
		at.places = append(at.places, int16(min(size, maxRecord)))
		from, to, _ := e.Fixed()
		at.fixed = append(at.fixed, span{from, to})
		if size += valueHead + e.Size(); size > maxRecord {
			return &expr.Error{Src: e.Src, Column: -1, Msg: fmt.Sprintf("the shown values have more than %d bytes in all: show members of what is large", maxRecord)}
		}
	}
	at.size = int16(size)
	return nil
}

// parse is a record as an event; ok is false where it is none.
func (at *traced) parse(raw []byte, stack bool) (ev TraceEvent, ok bool) {
	if len(raw) < int(at.size) {
		return ev, false
	}
	ne := binary.NativeEndian
	task := ne.Uint64(raw[eventTask:])
	ev = TraceEvent{
		At: time.Duration(ne.Uint64(raw[eventTime:])), CPU: int(ne.Uint32(raw[eventCPU:])), Exit: ne.Uint32(raw[eventSite:]) != 0,
		PID: int(task >> 32), TID: int(uint32(task)), Task: cString(raw[eventName:eventTook]),
		Timed: ne.Uint64(raw[eventTimed:]) != 0,
	}
	if ev.Timed {
		ev.Took = time.Duration(ne.Uint64(raw[eventTook:]))
	}
	if stack {
		n := int64(ne.Uint64(raw[eventFrames:]))
		if n < 0 {
			ev.StackErr = fmt.Errorf("the kernel gives no stack here (error %d)", -n)
		}
		for i := int64(0); i+8 <= min(n, 8*maxFrames); i += 8 {
			ev.Stack = append(ev.Stack, kmem.Addr(ne.Uint64(raw[eventValues+i:])))
		}
	}
	if len(at.show) > 0 {
		ev.Values = make([]TraceValue, 0, len(at.show))
	}
	for i, e := range at.show {
		v := TraceValue{Src: e.Src, expr: e}
		from := raw[at.places[i]:]
		if state := int64(ne.Uint64(from[valueState:])); state != 0 {
			v.Err = traceFault(state, ne.Uint64(from[valueFault:]))
		} else {
			v.record = from[valueHead : valueHead+e.Size()]
			if s := at.fixed[i]; s.to > s.from {
				v.fixed = v.record[s.from:s.to]
			}
		}
		ev.Values = append(ev.Values, v)
	}
	return ev, true
}
