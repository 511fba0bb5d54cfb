package runbook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"kinspect/btf"
	"kinspect/expr"
	"kinspect/expr/value"
)

// Limits of a run.
const (
	maxRows      = 10_000 // of a check
	maxLabelText = 256    // bytes of a label's value
	maxSaid      = 2_000  // bytes of what found and next say of a row
	// DefaultTimeout is how long a check may take.
	DefaultTimeout = time.Minute
)

// Setting is --set CHECK.NAME=TEXT: another bound, or another value of a let.
type Setting struct{ Check, Name, Text string }

// ParseSetting reads one.
func ParseSetting(s string) (Setting, error) {
	left, text, ok := strings.Cut(s, "=")
	check, name, dotted := strings.Cut(strings.TrimSpace(left), ".")
	if !ok || !dotted || check == "" || name == "" || strings.TrimSpace(text) == "" {
		return Setting{}, fmt.Errorf("%s: a check's setting is CHECK.NAME=VALUE, as in bond-drops.max=100", value.Quote(s))
	}
	return Setting{check, name, strings.TrimSpace(text)}, nil
}

// Config says how checks are run.
type Config struct {
	Only     []string // names of the book's checks; nil is all of them
	Settings []Setting
	Timeout  time.Duration // of a check; 0 is [DefaultTimeout]
}

// names are what a setting can change in a check.
func (c *Check) names() []string {
	var out []string
	if c.value != nil {
		out = append(out, "max", "min")
	}
	for _, l := range c.lets {
		out = append(out, l.name)
	}
	return out
}

// Takes reports whether a setting is for one of the book's checks; where it is for one, but has nothing to set
// there, the error tells.
func (b *Book) Takes(s Setting) (bool, error) {
	c := b.Find(s.Check)
	if c == nil {
		return false, nil
	}
	names := c.names()
	switch {
	case slices.Contains(names, s.Name):
		return true, nil
	case len(names) == 0:
		return false, fmt.Errorf("the check %s has nothing to set", c.Name)
	}
	if near := btf.Near(s.Name, names); len(near) > 0 {
		return false, fmt.Errorf("the check %s has no %s: did you mean %s?", c.Name, value.Quote(s.Name), near[0])
	}
	return false, fmt.Errorf("the check %s has no %s: there are %s", c.Name, value.Quote(s.Name), strings.Join(names, ", "))
}

// runner runs the checks of a book, one after the other.
type runner struct {
	b       *Book
	s       *expr.Session
	c       Config
	timeout time.Duration
	broken  error // what keeps all checks from being answered: the lines above them
}

// Run runs the book's checks on the session's kernel. The session is the book's from then on. The error is of
// the book, of a setting, or of a context that was done: what the kernel did not tell is in the outcomes.
func (b *Book) Run(ctx context.Context, s *expr.Session, c Config) ([]*Outcome, error) {
	r := &runner{b: b, s: s, c: c, timeout: c.Timeout}
	if r.timeout <= 0 {
		r.timeout = DefaultTimeout
	}
	if err := r.prelude(ctx); err != nil {
		return nil, err
	}
	for _, k := range b.Checks {
		if err := r.grammar(k); err != nil {
			return nil, err
		}
	}
	for _, k := range b.Checks {
		if c.Only != nil && !slices.Contains(c.Only, k.Name) {
			continue
		}
		if err := r.contrary(ctx, k); err != nil {
			return nil, err
		}
	}
	var out []*Outcome
	for _, k := range b.Checks {
		if c.Only != nil && !slices.Contains(c.Only, k.Name) {
			continue
		}
		o := r.check(ctx, k)
		if ctx.Err() != nil {
			return nil, errors.New("stopped")
		}
		out = append(out, o)
	}
	return out, nil
}

// prelude evaluates what stands above the checks.
func (r *runner) prelude(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	for i := range r.b.prelude {
		c := &r.b.prelude[i]
		if c.word == "let" {
			if err := r.parses(c.texts[0], false); err != nil {
				return err
			}
			if r.broken == nil {
				r.broken = r.let(ctx, c.name, c.texts[0], nil)
			}
			continue
		}
		if r.broken != nil {
			continue
		}
		at := c.texts[0].from
		block, err := r.s.Block(string(r.b.runes[at:c.texts[0].to]))
		if err == nil {
			_, err = block.RunBlock(ctx, expr.ScriptConfig{})
		}
		r.broken = r.b.place(at, err)
	}
	return nil
}

// place gives an error of an expression its place in the book.
func (b *Book) place(from int, err error) error {
	var at *expr.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &at):
		return b.failIn(from, at)
	}
	return err
}

// parses checks an expression's grammar.
func (r *runner) parses(t span, element bool) error {
	return r.b.place(t.from, r.s.Grammar(r.b.text(t), element))
}

// text is a piece of the book without its comments.
func (b *Book) text(t span) string { return string(b.runes[t.from:t.to]) }

// grammar checks that of all of a check's lines, and of its settings.
func (r *runner) grammar(k *Check) error {
	element := k.each != nil
	type asked struct {
		c       *clause
		element bool
	}
	all := []asked{{k.when, false}, {k.each, false}, {k.value, element}, {k.holds, element}, {k.max, element}, {k.min, element}, {k.found, element}, {k.next, element}}
	for i := range k.lets {
		all = append(all, asked{&k.lets[i], false})
	}
	for i := range k.labels {
		all = append(all, asked{&k.labels[i], element})
	}
	for _, a := range all {
		if a.c == nil {
			continue
		}
		for _, t := range a.c.texts {
			if err := r.parses(t, a.element); err != nil {
				return err
			}
		}
	}
	if k.next != nil {
		if err := r.command(k.next); err != nil {
			return err
		}
	}
	for _, set := range r.c.Settings {
		if set.Check != k.Name {
			continue
		}
		bound := set.Name == "max" || set.Name == "min"
		if err := r.s.Grammar(set.Text, element && bound); err != nil {
			return fmt.Errorf("--set %s.%s: %w", set.Check, set.Name, err)
		}
	}
	return nil
}

// let gives a variable its value: of a piece of the book, or of a setting.
func (r *runner) let(ctx context.Context, name string, t span, set *Setting) error {
	p, err := r.prepare(t, set, false)
	if err != nil {
		return err
	}
	v, err := p.eval(ctx, nil, 0)
	if err != nil {
		return err
	}
	r.s.Set(name, v.Value)
	return nil
}

// part is a prepared expression, with the place that its errors have.
type part struct {
	*expr.Prepared
	place   func(error) error
	written written // of next
}

func (r *runner) prepare(t span, set *Setting, element bool) (*part, error) {
	src := r.b.text(t)
	place := func(err error) error { return r.b.place(t.from, err) }
	if set != nil {
		src = set.Text
		place = func(err error) error {
			if err == nil {
				return nil
			}
			return fmt.Errorf("--set %s.%s: %w", set.Check, set.Name, err)
		}
	}
	p, err := r.s.Prepare(src, element)
	if err != nil {
		return nil, place(err)
	}
	return &part{Prepared: p, place: place}, nil
}

func (p *part) eval(ctx context.Context, x any, i int) (expr.Result, error) {
	v, err := p.Eval(ctx, x, i)
	return v, p.place(err)
}

// setting is that of a name of the check, or nil. The last one counts.
func (r *runner) setting(k *Check, name string) *Setting {
	for _, s := range slices.Backward(r.c.Settings) {
		if s.Check == k.Name && s.Name == name {
			return &s
		}
	}
	return nil
}

// check runs one check.
func (r *runner) check(ctx context.Context, k *Check) *Outcome {
	begun := time.Now()
	o := &Outcome{Check: k.Name, Title: k.Title, Unit: k.unit, Rows: []*Row{}}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	defer func() {
		for _, l := range k.lets {
			r.s.Unset(l.name)
		}
		o.Seconds = time.Since(begun).Seconds()
		o.settle()
	}()
	if r.broken != nil {
		o.unanswered(r.broken)
		return o
	}
	for _, l := range k.lets {
		if err := r.let(ctx, l.name, l.texts[0], r.setting(k, l.name)); err != nil {
			o.unanswered(err)
			return o
		}
	}
	if k.when != nil {
		applies, why, err := r.applies(ctx, k.when)
		switch {
		case err != nil:
			o.unanswered(err)
			return o
		case !applies:
			o.Reason = why
			return o
		}
	}
	rows := []any{nil}
	var walk error
	if k.each != nil {
		if rows, walk = r.rows(ctx, k.each); walk != nil {
			o.unanswered(walk) // of the rest: what was seen is judged
		}
	}
	if len(rows) == 0 {
		return o
	}
	ps, err := r.parts(k)
	if err != nil {
		o.unanswered(err)
		return o
	}
	for i, x := range rows {
		o.Rows = append(o.Rows, r.row(ctx, k, ps, x, i))
		if ctx.Err() != nil {
			o.unanswered(fmt.Errorf("stopped: the check took longer than %s", r.timeout))
			break
		}
	}
	o.tellApart()
	return o
}

// applies evaluates when: why is the reason where it does not hold.
func (r *runner) applies(ctx context.Context, c *clause) (holds bool, why string, err error) {
	p, err := r.prepare(c.texts[0], nil, false)
	if err != nil {
		return false, "", err
	}
	v, err := p.eval(ctx, nil, 0)
	if err != nil {
		return false, "", err
	}
	if holds, err = truth(v); holds || err != nil {
		return holds, "", p.place(err)
	}
	if p, err = r.prepare(c.texts[1], nil, false); err != nil {
		return false, "", err
	}
	if v, err = p.eval(ctx, nil, 0); err != nil {
		return false, "", err
	}
	why, err = v.Plain(plainFormat)
	return false, cut(why, maxSaid), p.place(err)
}

// plainFormat is how values stand in texts.
var plainFormat = func() value.Format {
	f, err := value.DefaultFormat.Set("oneline")
	if err != nil {
		return value.DefaultFormat
	}
	return f
}()

// truth reads a condition as C does.
func truth(v expr.Result) (bool, error) {
	if b, ok, err := v.Bool(); ok || err != nil {
		return b, err
	}
	n, ok, err := v.Number()
	if err == nil && !ok {
		err = fmt.Errorf("a condition is wanted here: true or false, or a number, not %s", expr.Describe(v.Value))
	}
	return ok && n.Sign() != 0, err
}
