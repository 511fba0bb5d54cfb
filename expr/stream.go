package expr

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"kinspect/expr/value"
)

// WriteText writes what [Result.Text] returns, and an end of line. The elements of
// a sequence are written as they are made, so that a long one takes no memory, and
// are walked here: warned gets the warnings that arise on the way. part tells the
// first part of the result that could not be read, write what the writer said.
func (r Result) WriteText(w io.Writer, f value.Format, warned func(string)) (part, write error) {
	q, ok := r.Value.(*Sequence)
	if !ok {
		text, err := r.Text(f)
		_, werr := fmt.Fprintln(w, strings.TrimRight(text, "\n"))
		return err, werr
	}
	out := textStream{w: bufio.NewWriter(w), width: f.Width}
	err := r.eachElement(q, func(x any) error {
		text, err := briefText(x, f)
		if err != nil && part == nil {
			part = err
		}
		return out.item(value.Scrub(text), isLine(x))
	})
	out.end(err)
	if err != nil && out.err == nil {
		part = err
	}
	r.late(warned)
	if err := out.w.Flush(); out.err == nil {
		out.err = err
	}
	return part, out.err
}

// late passes on the warnings that a walk gave after the evaluation.
func (r Result) late(warned func(string)) {
	if r.frame == nil || warned == nil {
		return
	}
	for _, w := range r.session.warnings[min(len(r.Warnings), len(r.session.warnings)):] {
		warned(w)
	}
}

// eachElement walks a sequence that is a result.
func (r Result) eachElement(q *Sequence, visit func(any) error) error {
	return r.eachElem(q, func(e *elem) error { return visit(e.value()) })
}

func (r Result) eachElem(q *Sequence, visit func(*elem) error) error {
	var f *frame
	if r.frame != nil {
		f = r.frame
	}
	err := q.walk(func(e *elem) error {
		if f != nil {
			if err := f.check(); err != nil {
				return err
			}
		}
		return visit(e)
	})
	if err != nil && f != nil && f.now.ctx.Err() != nil {
		return stopError(f.now.ctx)
	}
	var at *Error
	if errors.As(err, &at) && !value.IsFault(err) {
		at.Src, at.Msg = r.src, value.Scrub(at.Msg)
		return at
	}
	return err
}

// textStream writes a list of unknown length as bracket does: on one line where it
// fits, else one element a line. Elements that are lines of text by themselves have no brackets.
type textStream struct {
	w     *bufio.Writer
	width int
	short []string // as long as all fit on a line
	used  int
	lines bool
	bare  bool  // the first element was a line by itself, and so are all
	err   error // of the writer

	flushed time.Time
}

// What was written is passed on after so many elements, and where they come slowly after
// that time.
const (
	flushEvery = 64
	flushAfter = 100 * time.Millisecond
)

func (t *textStream) item(text string, line bool) error {
	if line && !t.lines && len(t.short) == 0 {
		t.lines, t.bare = true, true
	}
	if !t.lines {
		t.short = append(t.short, text)
		t.used += len(text) + 2
		if 2+t.used <= t.width && !strings.Contains(text, "\n") {
			return nil
		}
		t.lines = true
		t.write("[\n")
		for _, s := range t.short {
			t.line(s)
		}
		t.short, t.used = nil, 0
		return t.err
	}
	t.line(text)
	if t.used++; t.err == nil && (t.used%flushEvery == 0 || time.Since(t.flushed) > flushAfter) {
		t.err = t.w.Flush()
		t.flushed = time.Now()
	}
	return t.err
}

func (t *textStream) line(s string) {
	if t.bare {
		t.write(s + "\n")
		return
	}
	t.write("\t" + strings.ReplaceAll(s, "\n", "\n\t") + ",\n")
}

func (t *textStream) write(s string) {
	if _, err := t.w.WriteString(s); err != nil && t.err == nil {
		t.err = err
	}
}

func (t *textStream) end(err error) {
	switch {
	case t.bare && err != nil:
		t.write("…\n")
	case t.bare:
	case t.lines && err != nil:
		t.write("\t…\n]\n")
	case t.lines:
		t.write("]\n")
	case err != nil:
		t.write("[" + strings.Join(append(t.short, "…"), ", ") + "]\n")
	default:
		t.write("[" + strings.Join(t.short, ", ") + "]\n")
	}
}

// WriteJSON writes what [Result.JSON] returns as one line, and the elements of a
// sequence as they are made; part and write are as in [Result.WriteText]. The line has part as its "error".
func (r Result) WriteJSON(w io.Writer) (part, write error) {
	q, ok := r.Value.(*Sequence)
	if !ok {
		object, err := r.JSON()
		text, write := appendJSON(nil, object)
		if write == nil {
			_, write = w.Write(endJSON(text[:len(text)-1], err))
		}
		return err, write
	}
	out := bufio.NewWriter(w)
	var text []byte
	_, write = out.WriteString(`{"value":[`)
	n := 0
	var j jsonWriter
	err := r.eachElem(q, func(e *elem) error {
		j.reset()
		text = j.appendElem(text[:0], e)
		if j.err != nil && part == nil {
			part = j.err
		}
		if n++; n > 1 {
			_ = out.WriteByte(',')
		}
		if n%flushEvery == 0 {
			if write = out.Flush(); write != nil {
				return write
			}
		}
		if write = j.form; write == nil {
			_, write = out.Write(text)
		}
		return write
	})
	if write == nil && err != nil {
		part = err
	}
	_ = out.WriteByte(']')
	if r.session != nil && len(r.session.warnings) > 0 {
		_, _ = out.WriteString(`,"warnings":`)
		text, _ = appendJSON(text[:0], r.session.warnings)
		_, _ = out.Write(text)
	}
	_, _ = out.Write(endJSON(text[:0], part))
	if err := out.Flush(); write == nil {
		write = err
	}
	return part, write
}

// endJSON ends an object that has members, and the line.
func endJSON(text []byte, part error) []byte {
	if part != nil {
		text, _ = appendJSON(append(text, `,"error":`...), part.Error())
	}
	return append(text, "}\n"...)
}
