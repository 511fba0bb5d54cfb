package main

import (
	"strconv"

	"kinspect/expr/symbol"
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
	code := exitFinding
	if r.Found {
		code = exitFine
	}
	return code, a.print(r.Text(), r)
}

func (a *app) symbols() (symbol.Table, error) {
	if a.options.symbols != "" && len(a.options.core) == 0 {
		f, err := kmem.OpenSymbolFile(a.options.symbols)
		if err != nil {
			return nil, err
		}
		return symbol.File(f), nil
	}
	t, err := a.open()
	if err != nil {
		return nil, err
	}
	return symbol.Kernel(t.kernel)
}
