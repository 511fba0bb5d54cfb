package probe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kinspect/btf"
	"kinspect/expr"
	"kinspect/expr/probe/compile"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// A TracePrinter prints events as the language prints values. What an event has read of the kernel's memory is
// what they are printed of, and not what is there by then.
type TracePrinter struct {
	target *Target
	format value.Format
	k      *value.Kernel
	seen   *seenMemory
	texts  map[printed]string // of values that say the same each time
	second int64              // of the time that was printed last, and what was printed
	clock  string
	line   []byte
}

// printed is a value by what decides its text.
type printed struct {
	expr  *compile.Expr
	json  bool
	fixed string
}

// maxPrinted bounds the texts that are kept.
const maxPrinted = 4096

// once is the text of a value, which is made once of what decides it.
func (p *TracePrinter) once(v *TraceValue, asJSON bool, makeIt func() string) string {
	if v.fixed == nil {
		return makeIt()
	}
	// A string made of bytes for the look-up alone is not copied.
	if text, ok := p.texts[printed{v.expr, asJSON, string(v.fixed)}]; ok {
		return text
	}
	if p.texts == nil || len(p.texts) >= maxPrinted {
		p.texts = make(map[printed]string)
	}
	text := makeIt()
	p.texts[printed{v.expr, asJSON, string(v.fixed)}] = text
	return text
}

// NewTracePrinter makes one; the kernel's memory is read through it from then on.
func NewTracePrinter(k *value.Kernel, t *Target, f value.Format) *TracePrinter {
	seen := &seenMemory{Reader: k.Reader}
	k.Reader = seen
	return &TracePrinter{target: t, format: f, k: k, seen: seen}
}

// seenMemory is memory with what an event saw of it over it.
type seenMemory struct {
	kmem.Reader
	piece compile.Piece
}

// ReadMem implements [kmem.Reader].
func (m *seenMemory) ReadMem(a kmem.Addr, buf []byte) error {
	p := m.piece
	if len(p.Data) == 0 || a >= p.Addr+kmem.Addr(len(p.Data)) || a+kmem.Addr(len(buf)) <= p.Addr {
		return m.Reader.ReadMem(a, buf)
	}
	if a >= p.Addr && uint64(a-p.Addr)+uint64(len(buf)) <= uint64(len(p.Data)) {
		copy(buf, p.Data[a-p.Addr:])
		return nil
	}
	// The end of a string, which is read in pieces: its NUL is among what was seen.
	if err := m.Reader.ReadMem(a, buf); err != nil {
		if a < p.Addr {
			return err
		}
		clear(buf)
	}
	if a >= p.Addr {
		copy(buf, p.Data[a-p.Addr:])
	} else {
		copy(buf[p.Addr-a:], p.Data)
	}
	return nil
}

// valueText is a value as `kinspect eval` prints it. A pointer to a struct is not followed: what it points to
// was not read then.
func (p *TracePrinter) valueText(v *TraceValue) string {
	if v.Err != nil {
		return value.FaultText(v.Err)
	}
	x, memory := v.read(p.k)
	p.seen.piece = memory
	defer func() { p.seen.piece = compile.Piece{} }()
	var out string
	if pointer, ok := x.(value.Value); ok && structPointer(pointer) {
		out, _ = pointer.Bare(p.format)
		if !p.format.NoTypes {
			out = "(" + pointer.Type().String() + ")" + out
		}
		out = value.Scrub(out)
	} else {
		out, _ = expr.Result{Value: x}.Text(p.format)
	}
	return out
}

func structPointer(v value.Value) bool {
	t, ok := btf.Underlying(v.Type()).(*btf.Pointer)
	if !ok {
		return false
	}
	_, ok = btf.Underlying(t.Target()).(*btf.Struct)
	return ok
}

// where is a word for the kind of an event.
func (p *TracePrinter) where(ev *TraceEvent) (word, mark string) {
	switch {
	case p.target.Tracepoint:
		return "tracepoint", "*"
	case ev.Exit:
		return "exit", "<"
	}
	return "entry", ">"
}

// Text is an event: a line, and more of them for what does not fit into one.
func (p *TracePrinter) Text(ev TraceEvent) string { return string(p.text(&ev)) }

// WriteText writes that, as it may be written to a terminal.
func (p *TracePrinter) WriteText(to *bytes.Buffer, ev TraceEvent) {
	line := p.text(&ev)
	for _, c := range line {
		if c < ' ' && c != '\n' && c != '\t' || c >= 0x7f {
			to.WriteString(value.Scrub(string(line)))
			return
		}
	}
	to.Write(line)
}

// text is that in memory that the next event takes.
func (p *TracePrinter) text(ev *TraceEvent) []byte {
	b := p.line[:0]
	_, mark := p.where(ev)
	if s := ev.Time.Unix(); s != p.second || p.clock == "" {
		p.second, p.clock = s, ev.Time.Format("15:04:05")
	}
	b = append(append(b, p.clock...), '.')
	micro := ev.Time.Nanosecond() / 1000
	for unit := 100_000; unit > 0; unit /= 10 {
		b = append(b, byte('0'+micro/unit%10))
	}
	b = strconv.AppendInt(append(b, " CPU "...), int64(ev.CPU), 10)
	b = append(append(append(b, ' '), value.Printable(ev.Task)...), ':')
	b = append(append(strconv.AppendInt(b, int64(ev.TID), 10), ' '), mark...)
	b = append(append(b, ' '), p.target.Name...)
	if ev.Timed {
		b = append(append(b, ' '), took(ev.Took)...)
	}
	for i := range ev.Values {
		v := &ev.Values[i]
		sep := "  "
		if i > 0 {
			sep = ", "
		}
		b = append(append(b, sep...), p.once(v, false, func() string {
			return v.label() + " = " + strings.ReplaceAll(p.valueText(v), "\n", "\n\t")
		})...)
	}
	b = append(b, '\n')
	if ev.StackErr != nil {
		b = fmt.Appendf(b, "\t%s\n", ev.StackErr)
	}
	for _, a := range p.frames(ev.Stack) {
		b = fmt.Appendf(b, "\t%s\n", p.k.Symbolize(a))
	}
	p.line = b
	return b
}

// label is an expression on one line.
func (v TraceValue) label() string { return value.Scrub(strings.Join(strings.Fields(v.Src), " ")) }

// took is a time with three digits or so.
func took(d time.Duration) string {
	switch {
	case d < 10*time.Microsecond:
	case d < 10*time.Millisecond:
		d = d.Round(10 * time.Nanosecond)
	default:
		d = d.Round(10 * time.Microsecond)
	}
	return d.String()
}

// frames leaves out the frames of the programs themselves, which have no symbols of the kernel's.
func (p *TracePrinter) frames(stack []kmem.Addr) []kmem.Addr {
	for i, a := range stack {
		if s, _, ok := p.k.SymbolAt(a); ok && !strings.HasPrefix(s.Name, "bpf_") {
			return stack[i:]
		}
	}
	return stack
}

// valueJSON is a value as an object, as eval has them.
func (p *TracePrinter) valueJSON(v *TraceValue) map[string]any {
	row := map[string]any{}
	if f := kmem.AsFault(v.Err); f != nil {
		row["error"] = fmt.Sprintf("%s at %#x", f.Reason, f.Addr)
	} else if v.Err != nil {
		row["error"] = v.Err.Error()
	} else {
		x, memory := v.read(p.k)
		p.seen.piece = memory
		j, err := expr.Result{Value: x}.JSON()
		if m, ok := j.(map[string]any); ok {
			row = m
		}
		if err != nil {
			row["error"] = err.Error()
		}
		p.seen.piece = compile.Piece{}
	}
	row["expr"] = v.Src
	return row
}

// eventJSON is an event as an object.
type eventJSON struct {
	Kind       string            `json:"kind"` // "event"
	Time       string            `json:"time"`
	CPU        int               `json:"cpu"`
	Task       string            `json:"task"`
	PID        int               `json:"pid"`
	TID        int               `json:"tid"`
	Name       string            `json:"name"`
	Module     string            `json:"module"` // "" is vmlinux
	At         string            `json:"at"`
	Took       *int64            `json:"took_ns"` // null but at an exit
	Values     []json.RawMessage `json:"values"`
	Stack      []string          `json:"stack"` // null without --stack
	StackError string            `json:"stack_error"`
}

// JSON is an event as an object.
func (p *TracePrinter) JSON(ev TraceEvent) any {
	at, _ := p.where(&ev)
	out := &eventJSON{
		At: at, CPU: ev.CPU, Kind: "event", Module: p.target.Module, Name: p.target.Name, PID: ev.PID,
		Task: value.Printable(ev.Task), TID: ev.TID, Time: ev.Time.Format(time.RFC3339Nano), Values: make([]json.RawMessage, 0, len(ev.Values)),
	}
	for i := range ev.Values {
		v := &ev.Values[i]
		out.Values = append(out.Values, json.RawMessage(p.once(v, true, func() string {
			text, err := json.Marshal(p.valueJSON(v))
			if err != nil { // a number that JSON has none of
				text, _ = json.Marshal(map[string]any{"expr": v.Src, "error": err.Error()})
			}
			return string(text)
		})))
	}
	if ev.Timed {
		took := ev.Took.Nanoseconds()
		out.Took = &took
	}
	if ev.StackErr != nil {
		out.StackError = ev.StackErr.Error()
	}
	for _, a := range p.frames(ev.Stack) {
		out.Stack = append(out.Stack, p.k.Symbolize(a))
	}
	return out
}

// TraceSummary is what a run ends with.
type TraceSummary struct {
	Kind    string  `json:"kind"` // "summary"
	Name    string  `json:"name"`
	Module  string  `json:"module"`
	Seconds float64 `json:"seconds"`
	Events  uint64  `json:"events"`  // that were told
	Calls   uint64  `json:"calls"`   // of the function, or passes of the tracepoint
	Matched uint64  `json:"matched"` // calls that --if holds for, all without it
	Unknown uint64  `json:"unknown"` // calls that it could not be computed for
	Faults  uint64  `json:"faults"`  // calls that the number of --hist could not be computed for
	Lost    uint64  `json:"lost"`    // events that there was no room for
	Nested  *uint64 `json:"nested"`  // calls and returns that were not seen, since the program ran on the CPU already; null where the kernel does not tell
	// Unreturned are calls whose return was not seen: they had not returned, or the kernel did not tell of it.
	Unreturned uint64 `json:"unreturned"`
	Stopped    bool   `json:"left"` // --count ended it: there may have been more
}

// NewTraceSummary makes one.
func NewTraceSummary(t *Target, c TraceCounts, events uint64, length time.Duration) TraceSummary {
	var nested *uint64
	if c.Known {
		nested = &c.Nested
	}
	return TraceSummary{
		Kind: "summary", Name: t.Name, Module: t.Module, Seconds: length.Seconds(), Events: events,
		Calls: c.Calls, Matched: c.Matched, Unknown: c.Unknown, Faults: c.Faults, Lost: c.Lost, Nested: nested, Unreturned: c.Unreturned,
	}
}

// Text is one line, and one for each thing that is not whole.
func (s TraceSummary) Text(o TraceOptions) string {
	var b strings.Builder
	name := s.Name
	if s.Module != "" {
		name += " [" + s.Module + "]"
	}
	fmt.Fprintf(&b, "%s: %s in %.1f s", name, plural(s.Calls, "call"), s.Seconds)
	if o.If != "" {
		fmt.Fprintf(&b, ", of which %d matched", s.Matched)
	}
	if o.Hist == "" {
		fmt.Fprintf(&b, "; %s", plural(s.Events, "event"))
	}
	b.WriteByte('\n')
	for _, l := range []struct {
		n    uint64
		text string
	}{
		{s.Unknown, "the condition could not be computed: memory was not there, or a pointer NULL"},
		{s.Faults, "the number of the histogram could not be computed"},
		{s.Lost, "the event was lost: there was no room, as they came faster than they were written; --if leaves fewer"},
		{s.nested(), "the call was not seen, as the program ran on that CPU already"},
		{s.Unreturned, "a call had not returned by the end, or the kernel did not tell of its return"},
	} {
		if l.n > 0 {
			fmt.Fprintf(&b, "%d times %s\n", l.n, l.text)
		}
	}
	if s.Nested == nil {
		b.WriteString("a call in an interrupt that came just while another one was told is missed: this kernel does not tell how many\n")
	}
	return b.String()
}

func (s TraceSummary) nested() uint64 {
	if s.Nested == nil {
		return 0
	}
	return *s.Nested
}

func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// HistogramText draws a histogram.
func HistogramText(src string, list []Bucket) string {
	if len(list) == 0 {
		return ""
	}
	const columns = 40
	widest, width, most := uint64(0), len(src), uint64(1)
	for _, b := range list {
		most, widest = max(most, b.Count), max(widest, b.Count)
		width = max(width, len(b.Text()))
	}
	digits := max(len(fmt.Sprint(widest)), len("count"))
	var out strings.Builder
	fmt.Fprintf(&out, "%*s  %*s\n", width, src, digits, "count")
	for _, b := range list {
		bar := int((b.Count*columns + most - 1) / most)
		fmt.Fprintf(&out, "%*s  %*d  %s\n", width, b.Text(), digits, b.Count, strings.Repeat("#", bar))
	}
	return out.String()
}
