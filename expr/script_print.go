package expr

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"kinspect/btf"
	"kinspect/expr/value"
)

// show is print, and an expression as a statement, which shows nothing where its
// value is nil: that of a function which is called for what it does.
func (p *Script) show(f *frame, exprs []*expression, isPrint bool) error {
	if len(exprs) == 1 {
		v, err := exprs[0].value(f)
		if err != nil || v == nil && !isPrint {
			return err
		}
		if q, ok := v.(*Sequence); ok {
			return p.stream(f, q, exprs[0].from)
		}
		return p.put([]any{v}, exprs[0].from)
	}
	values, err := p.values(f, exprs)
	if err != nil {
		return err
	}
	return p.put(values, exprs[0].from)
}

func (p *Script) values(f *frame, exprs []*expression) ([]any, error) {
	out := make([]any, len(exprs))
	for i, e := range exprs {
		v, err := e.value(f)
		if err != nil {
			return nil, err
		}
		if q, ok := v.(*Sequence); ok {
			if v, err = p.s.collect(q); err != nil {
				return nil, p.moved(err, e.from)
			}
		}
		out[i] = v
	}
	return out, nil
}

// put prints values on one line.
func (p *Script) put(values []any, at int) error {
	if p.config.JSON {
		j := jsonWriter{}
		var v any
		if len(values) == 1 {
			v = j.any(values[0])
		} else {
			v = j.any(values)
		}
		if err := NewJSONEncoder(p.config.Out).Encode(v); err != nil {
			return &writeError{err}
		}
		return p.part(j.err, at)
	}
	line, err := p.words(values)
	if _, werr := fmt.Fprintln(p.config.Out, line); werr != nil {
		return &writeError{werr}
	}
	return p.part(err, at)
}

// part is the error of a value of which a part could not be read, and which has
// been printed.
func (p *Script) part(err error, at int) error {
	if err == nil {
		return nil
	}
	return p.moved(fmt.Errorf("only a part could be read: %w", err), at)
}

// words is values as print shows them, with blanks between them.
func (p *Script) words(values []any) (string, error) {
	var first error
	out := make([]string, len(values))
	for i, v := range values {
		t, err := plainText(v, p.config.Format)
		if err != nil && first == nil {
			first = err
		}
		out[i] = strings.TrimRight(t, "\n")
	}
	return strings.Join(out, " "), first
}

// plainText is a value as print shows it: a string without quotes, a number and a
// struct without their type.
func plainText(x any, f value.Format) (string, error) {
	f.NoTypes = true
	if s, ok := x.(string); ok {
		return value.Scrub(s), nil
	}
	v, ok := x.(value.Value)
	if !ok {
		return Result{Value: x}.Text(f)
	}
	if _, _, ok := isText(v); ok && !v.IsPerCPU() {
		s, ok, err := text(v)
		if ok && err == nil {
			return value.Printable(s), nil
		}
	}
	if _, ok := btf.Underlying(v.Type()).(*btf.Pointer); ok {
		out, err := v.Bare(f)
		return value.Scrub(out), err
	}
	out, err := v.Text(f)
	return value.Scrub(out), err
}

// stream prints the elements of a sequence as they are made.
func (p *Script) stream(f *frame, q *Sequence, at int) error {
	var part, write error
	if p.config.JSON {
		part, write = streamJSON(p.s, f, q, p.config.Out)
	} else {
		format := p.config.Format
		format.NoTypes = true
		part, write = Result{Value: q, session: p.s, frame: f}.WriteText(p.config.Out, format, nil)
	}
	p.tell(at)
	switch {
	case write != nil:
		return &writeError{write}
	case part != nil:
		return p.moved(part, at)
	}
	return nil
}

// streamJSON writes the elements of a sequence as an array on one line.
func streamJSON(s *Session, f *frame, q *Sequence, w io.Writer) (part, write error) {
	out := bufio.NewWriter(w)
	var text []byte
	_ = out.WriteByte('[')
	n := 0
	var j jsonWriter
	walk := s.iterate(f, q, func(e *elem) error {
		j.reset()
		text = j.appendElem(text[:0], e)
		if part == nil {
			part = j.err
		}
		if n++; n > 1 {
			_ = out.WriteByte(',')
		}
		if write = j.form; write == nil {
			_, write = out.Write(text)
		}
		if write == nil && n%flushEvery == 0 {
			write = out.Flush()
		}
		return write
	})
	_, _ = out.WriteString("]\n")
	if err := out.Flush(); write == nil {
		write = err
	}
	if walk != nil && write == nil {
		part = walk
	}
	return part, write
}

// failed tells of an assertion that does not hold.
func (p *Script) failed(f *frame, at int, cond string, message []*expression) error {
	p.result.Failed++
	values, err := p.values(f, message)
	if err != nil {
		return err
	}
	said, part := p.words(values)
	if len(message) == 0 {
		said = value.Scrub(strings.Join(strings.Fields(cond), " "))
	}
	if err := p.report(at, "assert", "assertion failed: ", said); err != nil {
		return err
	}
	return p.part(part, at)
}

// warnUser is warn.
func (p *Script) warnUser(f *frame, at int, exprs []*expression) error {
	values, err := p.values(f, exprs)
	if err != nil {
		return err
	}
	said, part := p.words(values)
	if err := p.report(at, "warn", "warning: ", said); err != nil {
		return err
	}
	return p.part(part, at)
}

// report says something of a line of the script: for people beside what the script
// prints, and among it as JSON.
func (p *Script) report(at int, key, label, text string) error {
	line := p.line(at)
	p.say(line, label+text)
	if !p.config.JSON {
		return nil
	}
	err := NewJSONEncoder(p.config.Out).Encode(map[string]any{key: jsonText(text), "file": jsonText(p.name), "line": line})
	if err != nil {
		return &writeError{err}
	}
	return nil
}

func (p *Script) say(line int, text string) {
	switch {
	case p.config.Err == nil:
	case p.outer != nil:
		fmt.Fprintln(p.config.Err, value.Scrub(text))
	default:
		fmt.Fprintf(p.config.Err, "kinspect: %s:%d: %s\n", value.Printable(p.name), line, value.Scrub(text))
	}
}

// maxWarnings bounds those of the language about a script's expressions. Each is
// told once.
const maxWarnings = 100

// tell passes on what the language warned of while an expression was evaluated.
func (p *Script) tell(at int) {
	for _, w := range p.s.warnings {
		p.tellWarning(scriptWarning{at, w})
	}
	p.s.warnings = p.s.warnings[:0]
}

func (p *Script) tellWarning(w scriptWarning) {
	if len(p.warned) < maxWarnings && !p.warned[w] {
		p.warned[w] = true
		p.say(p.line(w.at), "warning: "+w.text)
	}
}
