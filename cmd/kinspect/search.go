package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"kinspect/expr/search"
	"kinspect/expr/symbol"
	"kinspect/expr/value"
)

// search looks for a pattern in all memory of a dump.
func (a *app) search([]string) (int, error) {
	given := 0
	for _, s := range []string{a.options.bytes, a.options.u64, a.options.u32, a.options.str} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return exitFailed, usagef("search wants one of --bytes HEX, --u64 VALUE, --u32 VALUE and --string TEXT")
	}
	if len(a.options.core) == 0 {
		return exitFailed, usagef("search reads a dump: name it with --core (the memory of a running kernel changes meanwhile, and kinspect reads only what a question needs of it)")
	}
	o := search.Options{Context: a.options.context}
	if s := a.options.limit; s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > search.MaxLimit {
			return exitFailed, usagef("--limit wants a number from 1 to %d", search.MaxLimit)
		}
		o.Limit = n
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	t, err := a.open()
	if err != nil {
		return exitFailed, err
	}
	p, err := a.pattern(ctx, t)
	if err != nil {
		return exitFailed, err
	}
	bar := a.newProgress("searching")
	if bar != nil {
		o.Progress = bar.step
	}
	r, err := search.Find(ctx, t.kernel, t.image, p, o)
	bar.done()
	if err != nil {
		return exitFailed, err
	}
	code := exitFine
	if r.Partial() {
		code = exitFailed
	}
	if !a.options.json {
		return code, r.WriteText(a.stdout)
	}
	out := bufio.NewWriterSize(a.stdout, 64<<10)
	return code, cmp.Or(r.WriteJSON(out), out.Flush())
}

// pattern is what the flags tell to look for.
func (a *app) pattern(ctx context.Context, t *target) (p search.Pattern, err error) {
	o := &a.options
	if o.mask != "" && o.u64 == "" {
		return p, usagef("--mask belongs to --u64")
	}
	switch {
	case o.bytes != "":
		p, err = search.Bytes(o.bytes)
	case o.str != "":
		p, err = search.String(o.str)
	case o.u64 != "":
		mask := ^uint64(0)
		if o.mask != "" {
			if mask, err = strconv.ParseUint(o.mask, 0, 64); err != nil || mask == 0 {
				return p, usagef("--mask wants a number of 64 bits that is not 0: --mask 0xfffffffffffff000")
			}
		}
		var v uint64
		if v, err = a.number(ctx, t, "--u64", o.u64, 64); err == nil {
			p = named(search.Uint(v, mask, 8), o.u64)
		}
	default:
		var v uint64
		if v, err = a.number(ctx, t, "--u32", o.u32, 32); err == nil {
			p = named(search.Uint(v, ^uint64(0), 4), o.u32)
		}
	}
	if err != nil {
		return p, err
	}
	if o.align != "" {
		n, err := strconv.ParseUint(o.align, 0, 64)
		if err != nil || n == 0 || n&(n-1) != 0 || n > search.MaxAlign {
			return p, usagef("--align wants a power of two, up to %d", search.MaxAlign)
		}
		p.Align = n
	}
	return p, nil
}

// named tells what a number stands for, where it was not given as one.
func named(p search.Pattern, text string) search.Pattern {
	if _, err := strconv.ParseUint(text, 0, 64); err != nil && len(text) < 100 {
		p.Text += " (" + text + ")"
	}
	return p
}

// number is a number, the address of a symbol, or what an expression is worth.
func (a *app) number(ctx context.Context, t *target, flag, text string, bits int) (uint64, error) {
	fits := func(v uint64) (uint64, error) {
		// A negative one is its 64 bits, or its last 32.
		if bits == 32 && v>>32 != 0 && v>>31 != 1<<33-1 {
			return 0, fmt.Errorf("%s %s is %#x, which does not fit into 32 bits", flag, text, v)
		}
		return v & (^uint64(0) >> (64 - bits)), nil
	}
	if v, err := strconv.ParseUint(text, 0, 64); err == nil {
		return fits(v)
	}
	if v, err := strconv.ParseInt(text, 0, 64); err == nil {
		return fits(uint64(v))
	}
	if q, err := symbol.ParseQuery(strings.TrimPrefix(strings.TrimSpace(text), "&")); err == nil && q.Module == "" {
		if q.Name == "" {
			return fits(uint64(q.Addr))
		}
		if s, ok := t.kernel.LookupSymbol(q.Name); ok {
			return fits(uint64(s.Addr) + q.Offset)
		}
	}
	s, err := a.session()
	if err != nil {
		return 0, err
	}
	r, err := s.Eval(ctx, text)
	if err != nil {
		return 0, fmt.Errorf("%s %s is no number, no symbol, and no expression: %w", flag, text, err)
	}
	switch v := r.Value.(type) {
	case value.Value:
		if n, err := v.Num(); err == nil {
			return fits(n.Bits)
		}
		if at, ok := v.Addr(); ok { // of a struct or an array
			return fits(uint64(at))
		}
	case int:
		return fits(uint64(v))
	case int64:
		return fits(uint64(v))
	case uint32:
		return fits(uint64(v))
	case uint64:
		return fits(v)
	}
	return 0, errors.New(flag + " " + text + ": the expression is neither a number nor something with an address")
}
