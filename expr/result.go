package expr

import (
	"fmt"
	"regexp"
	"strings"

	"kinspect/btf"
	"kinspect/expr/value"
)

// Result is what an expression evaluates to. Its Value is one of
//
//   - a [value.Value], typed content of the kernel;
//   - a plain number: int, int64, uint32 and uint64 stand for C's int, long,
//     unsigned int and unsigned long; float64; bool;
//   - string, whose bytes may be the kernel's own: escape them for a terminal;
//   - []any, map[string]any, and nil;
//   - a [*Sequence], which is walked when it is printed;
//   - a [Fault], in a list, a map or a sequence;
//   - a [Printer], from a registered function.
type Result struct {
	Value    any
	Warnings []string // what the user should know beside the result

	src     string // the expression
	session *Session
	frame   *frame // to walk a sequence with
}

// Printer is a result that knows how to print itself. Its text must be safe for
// a terminal.
type Printer interface {
	Text(f value.Format) (string, error)
	JSON() (any, error)
}

// Note says how the result was found where its type does not tell.
func (r Result) Note() string {
	if v, ok := r.Value.(value.Value); ok {
		return v.Note()
	}
	return ""
}

// Text prints the result for people, safe for a terminal: values as drgn prints
// them, with the note as a comment behind, lists and maps in brackets, strings in
// quotes. Where a part of it could not be read, the text says so in its place,
// and the error tells the first such part.
func (r Result) Text(f value.Format) (string, error) {
	v, ok := r.Value.(value.Value)
	if _, seq := r.Value.(*Sequence); seq {
		var b strings.Builder
		part, _ := r.WriteText(&b, f, nil)
		return strings.TrimRight(b.String(), "\n"), part
	}
	if !ok {
		if err := (&measure{print: true}).any(r.Value, 0); err != nil {
			return "", fmt.Errorf("%w: too large to print", err)
		}
		if list, ok := r.Value.([]any); ok {
			if out, ok, err := recordLines(list, f); ok {
				return value.Scrub(out), err
			}
		}
		out, err := briefText(r.Value, f)
		return value.Scrub(out), err
	}
	print := v.Text
	if _, err := follow(v); err != nil {
		// What cannot be followed is shown as the pointer that it is.
		print = func(f value.Format) (string, error) { return briefValue(v, f) }
	}
	out, err := print(f)
	if v.IsPerCPU() {
		out = strings.Replace(out, anyPerCPU, r.onePerCPU(), 1)
	}
	if n := v.Note(); n != "" {
		out += "  /* " + n + " */"
	}
	return value.Scrub(out), err
}

// anyPerCPU is how the text of a per-CPU variable, which does not know its name,
// calls one CPU's copy.
const anyPerCPU = "per_cpu(…, CPU)"

// perCPUPath is a variable's name, and what of it is asked for.
var perCPUPath = regexp.MustCompile(`^\s*([A-Za-z_]\w*)((?:\.|->|\[)[\w.\[\]>-]*)?\s*$`)

// onePerCPU is the expression to write instead of the result's own.
func (r Result) onePerCPU() string {
	if m := perCPUPath.FindStringSubmatch(r.src); m != nil {
		return "per_cpu(" + m[1] + ", 0)" + m[2]
	}
	return anyPerCPU
}

// briefText prints a part of a result.
func briefText(x any, f value.Format) (string, error) {
	switch x := x.(type) {
	case nil:
		return "nil", nil
	case string:
		return value.Quote(x), nil
	case int, int64, uint32, uint64:
		if f.Hex {
			return fmt.Sprintf("%#x", x), nil
		}
	case float64:
		return floatText(x), nil
	case value.Value:
		return briefValue(x, f)
	case Printer:
		return x.Text(f)
	case *Sequence:
		l, err := listOfSequence(x)
		if err != nil {
			l = append(l, Fault{err}) // where the walk ended
		}
		return briefText(l, f)
	case []any:
		var first error
		items := make([]string, len(x))
		for i, e := range x {
			t, err := briefText(e, f)
			if err != nil && first == nil {
				first = err
			}
			items[i] = t
		}
		return bracket("[", "]", items, f.Width), first
	case map[string]any:
		var first error
		items := make([]string, 0, len(x))
		for _, k := range sortedKeys(x) {
			t, err := briefText(x[k], f)
			if err != nil && first == nil {
				first = err
			}
			items = append(items, value.Quote(k)+": "+t)
		}
		return bracket("{", "}", items, f.Width), first
	}
	return value.Printable(fmt.Sprint(x)), nil
}

// briefValue prints a value within a list: a pointer to a struct as the pointer
// that it is, a scalar and a string without its type.
func briefValue(v value.Value, f value.Format) (string, error) {
	switch btf.Underlying(v.Type()).(type) {
	case *btf.Int, *btf.Enum:
		return v.Bare(f)
	case *btf.Array:
		if _, _, ok := isText(v); ok {
			return v.Bare(f)
		}
	case *btf.Pointer:
		t, err := v.Bare(f)
		return "(" + v.Type().String() + ")" + t, err
	}
	return v.Text(f)
}

// bracket puts items between brackets: on one line if they fit, else one a line.
func bracket(open, closed string, items []string, width int) string {
	n, multi := 2, false
	for _, s := range items {
		n += len(s) + 2
		multi = multi || strings.Contains(s, "\n")
	}
	if !multi && n <= width || len(items) == 0 {
		return open + strings.Join(items, ", ") + closed
	}
	var b strings.Builder
	b.WriteString(open + "\n")
	for _, s := range items {
		b.WriteString("\t" + strings.ReplaceAll(s, "\n", "\n\t") + ",\n")
	}
	b.WriteString(closed)
	return b.String()
}
