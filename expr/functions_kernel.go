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
			v, ok := c.Arg(0).(value.Value)
			if !ok {
				return c.Session.kernel.Symbolize(a), nil
			}
			return c.Session.kernel.SymbolizePointer(v, a), nil
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
		return c.Session.kernel.SymbolPointer(sym), nil
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
	out := c.Session.kernel.Pointer(st, a-kmem.Addr(f.Offset()))
	if v, ok := c.Arg(0).(value.Value); ok {
		if target, ok := pointedTo(v); ok && !fitsMember(target, f.Type) {
			return nil, fmt.Errorf("the pointer is to %s, and %s of %s is %s: a void * may be to any", target, member, st, f.Type)
		}
		out = out.FromPerCPU(v)
	}
	return out, nil
}

// pointedTo is the type of what a pointer points to, or what a value in memory is, whose address is taken. A
// number tells nothing.
func pointedTo(v value.Value) (btf.Type, bool) {
	if p, ok := btf.Underlying(v.Type()).(*btf.Pointer); ok {
		return p.Target(), true
	}
	return v.Type(), !v.IsScalar()
}

// fitsMember reports whether a pointer may be one to a member, as the kernel's container_of has it
// (include/linux/container_of.h): their types are the same, or the pointer's is void or of single bytes.
// What an array holds fits the array.
func fitsMember(target, member btf.Type) bool {
	for range 8 { // dimensions
		a, b := btf.Underlying(target), btf.Underlying(member)
		if n, ok := a.(*btf.Int); ok && n.Size == 1 && !n.Bool {
			return true
		}
		switch a := a.(type) {
		case *btf.Void:
			return true
		case *btf.Array:
			if b, ok := b.(*btf.Array); ok {
				target, member = a.Elem(), b.Elem()
				continue
			}
			target = a.Elem()
			continue
		case *btf.Pointer: // to what is not asked
			_, ok := b.(*btf.Pointer)
			if array, isArray := b.(*btf.Array); isArray {
				_, ok = btf.Underlying(array.Elem()).(*btf.Pointer)
			}
			return ok
		}
		if array, ok := b.(*btf.Array); ok {
			member = array.Elem()
			continue
		}
		// Anonymous structs have no names to tell them apart.
		n, err1 := btf.Sizeof(a)
		m, err2 := btf.Sizeof(b)
		return a.TypeName() == b.TypeName() && (err1 != nil || err2 != nil || n == m)
	}
	return true
}
