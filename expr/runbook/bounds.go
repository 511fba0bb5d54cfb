package runbook

import (
	"context"
	"fmt"
	"math/big"

	"kinspect/expr"
)

// noValue is the error for bounds that nothing can hold.
func noValue(least, most *big.Rat) error {
	return fmt.Errorf("no value can be at least %s and at most %s: set both bounds", short(least), short(most))
}

// contrary refuses bounds of a check that no value can hold, before anything is looked at. Bounds that are not known yet,
// as those of rows or of the check's own variables, are left to the rows, which they leave unanswered.
func (r *runner) contrary(ctx context.Context, k *Check) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	most := r.known(ctx, k.max, r.setting(k, "max"))
	least := r.known(ctx, k.min, r.setting(k, "min"))
	if most == nil || least == nil || least.Cmp(most) <= 0 {
		return nil
	}
	for _, name := range []string{"min", "max"} {
		if s := r.setting(k, name); s != nil {
			return fmt.Errorf("--set %s.%s: %w", k.Name, name, noValue(least, most))
		}
	}
	return r.b.failAt(k.min.at, &expr.Error{Msg: noValue(least, most).Error()})
}

// known is a bound that depends on nothing else, or nil.
func (r *runner) known(ctx context.Context, c *clause, set *Setting) *big.Rat {
	var t span
	switch {
	case c != nil:
		t = c.texts[0]
	case set == nil:
		return nil
	}
	p, err := r.prepare(t, set, false)
	if err != nil {
		return nil
	}
	v, err := p.eval(ctx, nil, 0)
	if err != nil {
		return nil
	}
	n, err := number(v, "")
	if err != nil {
		return nil
	}
	return n
}
