package expr

import (
	"fmt"
	"strings"

	"kinspect/expr/symbol"
	"kinspect/expr/value"
)

var symbolFunctions = []Function{
	{
		Name: "symbols", Signature: "symbols(ADDRESS or 'SYMBOL+OFFSET'[, N])", Topic: topicKernel,
		Doc:      "the symbol at an address, or of a name, with its address, type and module, and the N symbols on either side; offsets in strings are hexadecimal",
		Examples: []string{"symbols('ip_rcv')", "symbols('ip_rcv+0x1f', 2)", "symbols(addr(init_net), 1)"},
		MinArgs:  1, MaxArgs: 2, Args: []ArgKind{SymbolArg},
		Call: callSymbols,
	},
}

// symbolTable is what is known of symbols.
type symbolTable struct{ *symbol.Answer }

func callSymbols(c *Call) (any, error) {
	if !c.Session.open() {
		return nil, errNoKernel
	}
	var q symbol.Query
	if name, ok := c.Arg(0).(string); ok {
		var err error
		if q, err = symbol.ParseQuery(name); err != nil {
			return nil, err
		}
	} else {
		a, err := addressOf(c.Arg(0))
		if err != nil {
			return nil, err
		}
		if v, ok := c.Arg(0).(value.Value); ok && v.IsPerCPUPointer() && c.Session.kernel.SymbolizePointer(v, a) == "per-CPU "+a.String() {
			return nil, fmt.Errorf("the %s is a per-CPU pointer to what was allocated: no symbol has it", v.Type())
		}
		q = symbol.Query{Text: a.String(), Addr: a}
	}
	around := int64(0)
	if len(c.Args) > 1 {
		var err error
		if around, err = c.Int(1, "the number of neighbours"); err != nil {
			return nil, err
		}
		if around < 0 || around > symbol.MaxAround {
			return nil, fmt.Errorf("symbols shows 0 to %d neighbours", symbol.MaxAround)
		}
	}
	t, err := symbol.Kernel(c.Session.kernel)
	if err != nil {
		return nil, err
	}
	a, err := symbol.Ask(t, q, int(around))
	if err != nil {
		return nil, err
	}
	if !a.Found && q.Name != "" {
		return nil, c.Session.noSymbol(q.Name)
	}
	for _, w := range a.Warnings {
		c.Warn("%s", w)
	}
	return symbolTable{a}, nil
}

// Text implements [Printer].
func (t symbolTable) Text(value.Format) (string, error) {
	return value.Scrub(strings.TrimRight(t.Answer.Text(), "\n")), nil
}

// JSON implements [Printer]: what kinspect sym --json prints.
func (t symbolTable) JSON() (any, error) { return t.Answer, nil }
