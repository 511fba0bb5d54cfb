package runbook

import (
	"context"
	"fmt"
	"math/big"
	"strings"

	"kinspect/expr"
	"kinspect/expr/value"
)

// parts are the expressions of a check that are asked of each row.
type parts struct {
	labels      []*part
	value       *part
	max, min    *part
	found, next []*part
	condition   bool // value is one
}

// rows are what a check looks at.
func (r *runner) rows(ctx context.Context, c *clause) ([]any, error) {
	p, err := r.prepare(c.texts[0], nil, false)
	if err != nil {
		return nil, err
	}
	var rows []any
	many := false
	err = p.Each(ctx, func(x any) error {
		if len(rows) == maxRows {
			many = true
			return value.Stop()
		}
		rows = append(rows, x)
		return nil
	})
	switch {
	case many:
		return rows, fmt.Errorf("there are more than %d: only these are looked at", maxRows)
	case err != nil:
		return rows, p.place(err)
	}
	return rows, nil
}

func (r *runner) parts(k *Check) (*parts, error) {
	element := k.each != nil
	ps := &parts{condition: k.holds != nil}
	one := func(c *clause, set *Setting) (*part, error) {
		switch {
		case c != nil:
			return r.prepare(c.texts[0], set, element)
		case set != nil:
			return r.prepare(span{}, set, element)
		}
		return nil, nil
	}
	var err error
	asked := k.value
	if ps.condition {
		asked = k.holds
	}
	if ps.value, err = one(asked, nil); err != nil {
		return nil, err
	}
	if ps.max, err = one(k.max, r.setting(k, "max")); err != nil {
		return nil, err
	}
	if ps.min, err = one(k.min, r.setting(k, "min")); err != nil {
		return nil, err
	}
	for i := range k.labels {
		p, err := one(&k.labels[i], nil)
		if err != nil {
			return nil, err
		}
		ps.labels = append(ps.labels, p)
	}
	for _, texts := range []struct {
		c  *clause
		to *[]*part
	}{{k.found, &ps.found}, {k.next, &ps.next}} {
		if texts.c == nil {
			continue
		}
		for _, t := range texts.c.texts {
			p, err := r.prepare(t, nil, element)
			if err != nil {
				return nil, err
			}
			p.written = writtenAs(r.b.text(t))
			*texts.to = append(*texts.to, p)
		}
	}
	return ps, nil
}

// row judges one row.
func (r *runner) row(ctx context.Context, k *Check, ps *parts, x any, i int) *Row {
	row := &Row{Labels: []Label{}}
	for n, p := range ps.labels {
		text, err := said(ctx, []*part{p}, x, i)
		if err != nil {
			row.unanswered(err)
			text = "?"
		}
		row.Labels = append(row.Labels, Label{k.labels[n].name, cut(text, maxLabelText)})
	}
	v, err := ps.value.eval(ctx, x, i)
	if err != nil {
		row.unanswered(err)
		return row
	}
	good := true
	if ps.condition {
		if good, err = truth(v); err != nil {
			row.unanswered(ps.value.place(err))
			return row
		}
		row.Condition = true
		row.Value = big.NewRat(0, 1)
		if good {
			row.Value.SetInt64(1)
		}
	} else {
		if row.Value, err = number(v, "the value"); err != nil {
			row.unanswered(ps.value.place(err))
			return row
		}
		for _, bound := range []struct {
			p     *part
			to    **big.Rat
			sign  int
			words string
		}{{ps.max, &row.Max, 1, "max"}, {ps.min, &row.Min, -1, "min"}} {
			if bound.p == nil {
				continue
			}
			v, err := bound.p.eval(ctx, x, i)
			if err == nil {
				*bound.to, err = number(v, bound.words)
				err = bound.p.place(err)
			}
			if err != nil {
				row.unanswered(err)
				continue
			}
			good = good && row.Value.Cmp(*bound.to) != bound.sign
		}
		if row.Max != nil && row.Min != nil && row.Min.Cmp(row.Max) > 0 {
			row.unanswered(noValue(row.Min, row.Max))
			row.Max, row.Min = nil, nil
			return row
		}
	}
	if good {
		return row
	}
	row.Finding = true
	row.Found = told(said(ctx, ps.found, x, i))
	row.Next = told(commandLine(ctx, ps.next, x, i))
	return row
}

// number is a value that has to be one.
func number(v expr.Result, what string) (*big.Rat, error) {
	n, ok, err := v.Number()
	if err == nil && !ok {
		if _, truth, _ := v.Bool(); truth {
			return nil, fmt.Errorf("%s has to be a number, not true or false: a condition stands behind holds", what)
		}
		err = fmt.Errorf("%s has to be a number, not %s", what, expr.Describe(v.Value))
	}
	return n, err
}

// said is what expressions print, with blanks between them.
func said(ctx context.Context, list []*part, x any, i int) (string, error) {
	var words []string
	for _, p := range list {
		v, err := p.eval(ctx, x, i)
		if err != nil {
			return "", err
		}
		text, err := v.Plain(plainFormat)
		if err != nil {
			return "", p.place(err)
		}
		words = append(words, strings.TrimSpace(text))
	}
	return cut(strings.Join(words, " "), maxSaid), nil
}

// told is what is said of a finding. Where that cannot be told, the finding stands.
func told(text string, err error) string {
	if err != nil {
		return "(more could not be told: " + cut(err.Error(), maxSaid) + ")"
	}
	return text
}
