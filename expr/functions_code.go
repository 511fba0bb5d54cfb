package expr

import "kinspect/expr/disasm"

const topicCode = "code"

var codeFunctions = []Function{
	{
		Name: "dis", Signature: "dis(FUNCTION or ADDRESS[, N])", Topic: topicCode,
		Doc:      "the machine code of a function, as it is in memory; with N, that many instructions from an address on",
		Examples: []string{"dis('netif_rx')", "dis(netdev('bond0').netdev_ops.ndo_start_xmit, 5)"},
		MinArgs:  1, MaxArgs: 2, Args: []ArgKind{SymbolArg},
		Call: callDis,
	},
}

func callDis(c *Call) (any, error) {
	s := c.Session
	if !s.open() {
		return nil, errNoKernel
	}
	a, err := c.code(0)
	if err != nil {
		return nil, err
	}
	if len(c.Args) == 1 {
		return disasm.Function(s.kernel, a)
	}
	n, err := c.Int(1, "a number of instructions")
	if err != nil {
		return nil, err
	}
	return disasm.At(s.kernel, a, int(max(min(n, disasm.MaxInstructions+1), 0)))
}
