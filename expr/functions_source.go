package expr

import (
	"kinspect/expr/debuginfo"
	"kinspect/expr/value"
	"kinspect/kmem"
)

var sourceFunctions = []Function{
	{
		Name: "line", Signature: "line(FUNCTION or ADDRESS)", Topic: topicCode,
		Doc:      "the line of the source that the code at an address is from, and the functions that it was inlined into; needs --vmlinux",
		Examples: []string{"line('netif_rx')", "line(addr('netif_rx') + 0x2d)"},
		MinArgs:  1, MaxArgs: 1, Args: []ArgKind{SymbolArg},
		Call: callLine,
	},
}

func callLine(c *Call) (any, error) {
	s := c.Session
	if !s.open() {
		return nil, errNoKernel
	}
	a, err := c.code(0)
	if err != nil {
		return nil, err
	}
	frames, err := s.kernel.Frames(a)
	if err != nil {
		return nil, err
	}
	return sourceLine{a, frames}, nil
}

// code is an argument that is a function's name, or an address.
func (c *Call) code(i int) (kmem.Addr, error) {
	name, ok := c.Arg(i).(string)
	if !ok {
		return addressOf(c.Arg(i))
	}
	sym, found := c.Session.kernel.LookupSymbol(name)
	if !found {
		return 0, c.Session.noSymbol(name)
	}
	return sym.Addr, nil
}

// sourceLine is where code comes from.
type sourceLine struct {
	at     kmem.Addr
	frames []debuginfo.Frame
}

// Text implements [Printer].
func (l sourceLine) Text(value.Format) (string, error) { return debuginfo.Text(l.frames), nil }

// JSON implements [Printer]: {"address", "lines": [{"function", "file", "line"}]}, innermost first.
func (l sourceLine) JSON() (any, error) {
	return map[string]any{"address": l.at.String(), "lines": l.frames}, nil
}
