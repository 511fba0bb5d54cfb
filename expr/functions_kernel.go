package expr

import (
	"errors"
	"fmt"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

const topicKernel = "kernel"

var kernelFunctions = []Function{
	{
		Name: "per_cpu", Signature: "per_cpu(VARIABLE, CPU)", Topic: topicKernel,
		Doc:      "one CPU's copy of a per-CPU variable, or of what a __percpu pointer points to",
		Examples: []string{"per_cpu(softnet_data, 0).processed"},
		MinArgs:  2, MaxArgs: 2,
		Call: func(c *Call) (any, error) {
			v, err := c.Value(0, "what per_cpu takes")
			if err != nil {
				return nil, err
			}
			cpu, err := c.Int(1, "the number of a CPU")
			if err != nil {
				return nil, err
			}
			if cpu < 0 || cpu > 1<<20 {
				cpu = -1 // whatever it is, there is no such CPU
			}
			return v.Kernel().PerCPU(v, int(cpu))
		},
	},
	{
		Name: "cpus", Signature: "cpus()", Topic: topicKernel,
		Doc:      "the numbers of the possible CPUs",
		Examples: []string{"cpus() | map(per_cpu(softnet_data, #).processed)"},
		Call: func(c *Call) (any, error) {
			if !c.Session.open() {
				return nil, errNoKernel
			}
			cpus, err := c.Session.kernel.CPUs()
			out := make([]any, len(cpus))
			for i, cpu := range cpus {
				out[i] = cpu
			}
			return out, err
		},
	},
	{
		Name: "sym", Signature: "sym(ADDRESS)", Topic: topicKernel,
		Doc:      "the symbol at an address, as name+offset with its module",
		Examples: []string{"sym(netdev('veth0').rx_handler)", "sym(addr('jiffies'))"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			a, err := addressOf(c.Arg(0))
			if err != nil {
				return nil, err
			}
			if !c.Session.open() {
				return nil, errNoKernel
			}
			return c.Session.kernel.Symbolize(a), nil
		},
	},
	{
		Name: "addr", Signature: "addr(VALUE or 'SYMBOL')", Topic: topicKernel,
		Doc:      "the address of a value, as a pointer to its type: &VALUE; or that of a symbol, as void *",
		Examples: []string{"addr(init_net.dev_base_head)", "addr('jiffies')"},
		MinArgs:  1, MaxArgs: 1, Args: []ArgKind{SymbolArg},
		Call: callAddr,
	},
	{
		Name: "deref", Signature: "deref(POINTER)", Topic: topicKernel,
		Doc:      "what a pointer points to: *POINTER",
		Examples: []string{"deref(init_net.dev_base_head.next)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			v, err := c.Value(0, "what deref takes")
			if err != nil {
				return nil, err
			}
			return c.Session.pointee(v)
		},
	},
	{
		Name: "container_of", Signature: "container_of(POINTER, 'struct TYPE', 'MEMBER')", Topic: topicKernel,
		Doc:      "the struct whose MEMBER a pointer points to",
		Examples: []string{"container_of(init_net.dev_base_head.next, struct net_device, dev_list)->name"},
		MinArgs:  3, MaxArgs: 3, Args: []ArgKind{AnyArg, TypeArg, MemberArg},
		Call: callContainerOf,
	},
}

// addressOf reads an address: the content of a pointer or integer, or where a
// struct, array or function lies.
func addressOf(x any) (kmem.Addr, error) {
	if v, ok := x.(value.Value); ok && !v.IsScalar() {
		if a, ok := v.Addr(); ok {
			return a, nil
		}
		return 0, fmt.Errorf("%s has no address", describe(x))
	}
	n, ok, err := numberOf(x)
	if err != nil {
		return 0, err
	}
	if !ok || n.isFloat {
		return 0, fmt.Errorf("%s is no address", describe(x))
	}
	return kmem.Addr(n.Bits), nil
}

func callAddr(c *Call) (any, error) {
	if name, ok := c.Arg(0).(string); ok {
		if !c.Session.open() {
			return nil, errNoKernel
		}
		sym, ok := c.Session.kernel.LookupSymbol(name)
		if !ok {
			return nil, c.Session.noSymbol(name)
		}
		return c.Session.kernel.Pointer(&btf.Void{}, sym.Addr), nil
	}
	v, err := c.Value(0, "what addr takes")
	if err != nil {
		return nil, err
	}
	return address(v)
}

// address is &v.
func address(v value.Value) (any, error) {
	p, err := v.AddressOf()
	switch {
	case err == nil:
		return p, nil
	case v.IsBitField():
		return nil, errors.New("a bit-field has no address")
	case v.IsPerCPU():
		return nil, errors.New("a per-CPU variable has an address on each CPU: addr(per_cpu(…, CPU))")
	}
	if _, ok := btf.Underlying(v.Type()).(*btf.Pointer); ok {
		return nil, fmt.Errorf("this %s is an address already, and lies nowhere itself", v.Type())
	}
	return nil, err
}

// structMember reads the arguments i and i+1, a struct type and a member of it.
func (c *Call) structMember(i int) (*btf.Struct, string, error) {
	t, err := c.typeArg(i)
	if err != nil {
		return nil, "", err
	}
	st, ok := btf.Underlying(t).(*btf.Struct)
	if !ok {
		return nil, "", fmt.Errorf("%s is not a struct or union", t)
	}
	member, err := c.String(i+1, "the name of a member")
	if err != nil {
		return nil, "", err
	}
	f, err := st.FindMember(member)
	if err == nil && f.BitSize != 0 {
		err = fmt.Errorf("%s of %s is a bit-field: it has no address", member, st)
	}
	return st, member, err
}

func callContainerOf(c *Call) (any, error) {
	a, err := addressOf(c.Arg(0))
	if err != nil {
		return nil, err
	}
	if a == 0 {
		return nil, errors.New("the pointer is NULL: it is a member of nothing")
	}
	st, member, err := c.structMember(1)
	if err != nil {
		return nil, err
	}
	f, err := st.FindMember(member)
	if err != nil {
		return nil, err
	}
	return c.Session.kernel.Pointer(st, a-kmem.Addr(f.Offset())), nil
}
