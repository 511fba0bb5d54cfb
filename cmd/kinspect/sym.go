package main

import (
	"fmt"
	"strconv"
	"strings"

	"kinspect/expr/symbol"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// sym names an address, or finds a symbol. With --symbols alone it looks at no
// kernel at all.
func (a *app) sym(args []string) (int, error) {
	q, err := symbol.ParseQuery(args[0])
	if err != nil {
		return exitFailed, err
	}
	around := 0
	if s := a.options.around; s != "" {
		if around, err = strconv.Atoi(s); err != nil || around < 1 || around > symbol.MaxAround {
			return exitFailed, usagef("--around wants a number from 1 to %d", symbol.MaxAround)
		}
	}
	t, err := a.symbols()
	if err != nil {
		return exitFailed, err
	}
	r, err := symbol.Ask(t, q, around)
	if err != nil {
		return exitFailed, err
	}
	if !a.options.json {
		for _, w := range r.Warnings {
			fmt.Fprintln(a.stderr, "kinspect: note:", value.Scrub(w))
		}
	}
	code := exitFinding
	if r.Found {
		code = exitFine
	}
	return code, a.print(r.Text(), r)
}

func (a *app) symbols() (symbol.Table, error) {
	if a.options.symbols != "" && len(a.options.core) == 0 {
		if len(a.options.vmlinux) > 0 {
			return nil, usagef("--vmlinux is for an opened kernel: with --symbols alone none is, so give --core as well, or leave --symbols out for the running one")
		}
		f, err := kmem.OpenSymbolFile(a.options.symbols)
		if err != nil {
			return nil, err
		}
		if s := a.options.kaslr; s != "" {
			offset, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(s), "0x"), 16, 64)
			if err != nil {
				return nil, usagef("--kaslr-offset wants a hexadecimal number, with or without 0x")
			}
			if f, err = f.Placed(offset); err != nil {
				return nil, err
			}
		}
		return symbol.File(f), nil
	}
	if a.options.kaslr != "" {
		return nil, usagef("--kaslr-offset is for a file of --symbols alone: an opened kernel tells it")
	}
	t, err := a.open()
	if err != nil {
		return nil, err
	}
	return symbol.Kernel(t.kernel)
}
