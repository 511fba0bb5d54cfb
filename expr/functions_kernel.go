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
		Doc:      "the address of a value, as a pointer to its type, or that of a symbol, as void *",
		Examples: []string{"addr(init_net.dev_base_head)", "addr('jiffies')"},
		MinArgs:  1, MaxArgs: 1, Args: []ArgKind{SymbolArg},
		Call: callAddr,
	},
	{
		Name: "deref", Signature: "deref(POINTER)", Topic: topicKernel,
		Doc:      "what a pointer points to",
		Examples: []string{"deref(init_net.dev_base_head.next)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			v, err := c.Value(0, "what deref takes")
			if err != nil {
				return nil, err
			}
			if v, err = follow(v); err != nil {
				return nil, err
			}
			if whole := c.Session.defined(v); whole.Valid() {
				v = whole
			}
			return v.Deref()
		},
	},
	{
		Name: "list_entries", Signature: "list_entries(HEAD, 'struct TYPE', 'MEMBER'[, LIMIT])", Topic: topicKernel,
		Doc:      "the structs on a list_head or hlist_head, linked through MEMBER, as a list of pointers",
		Examples: []string{"list_entries(init_net.dev_base_head, 'struct net_device', 'dev_list') | map(.name)"},
		MinArgs:  3, MaxArgs: 4, Args: []ArgKind{AnyArg, TypeArg, MemberArg},
		Call: callListEntries,
	},
	{
		Name: "container_of", Signature: "container_of(POINTER, 'struct TYPE', 'MEMBER')", Topic: topicKernel,
		Doc:      "the struct whose MEMBER a pointer points to",
		Examples: []string{"container_of(init_net.dev_base_head.next, 'struct net_device', 'dev_list').name"},
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

// maxEntries is how many entries list_entries follows where no limit is given.
const maxEntries = 100_000

func callListEntries(c *Call) (any, error) {
	head, err := c.Value(0, "the head of a list")
	if err != nil {
		return nil, err
	}
	if _, ok := btf.Underlying(head.Type()).(*btf.Pointer); ok {
		if head, err = follow(head); err != nil {
			return nil, err
		}
		if head, err = head.Deref(); err != nil {
			return nil, err
		}
	}
	st, member, err := c.structMember(1)
	if err != nil {
		return nil, err
	}
	limit := int64(maxEntries)
	if c.Arg(3) != nil {
		if limit, err = c.Int(3, "a limit"); err != nil {
			return nil, err
		}
		if limit < 0 {
			return nil, errors.New("a limit is not negative")
		}
	}
	walk := value.EachEntry
	kind := "list_head"
	if t, ok := btf.Underlying(head.Type()).(*btf.Struct); ok {
		kind = t.Name
	}
	switch kind {
	case "list_head":
	case "hlist_head":
		walk = value.EachHEntry
	default:
		return nil, fmt.Errorf("%s is neither a list_head nor an hlist_head", head.Type())
	}
	out := []any{}
	err = walk(head, st, member, int(min(limit, maxElements))+1, func(v value.Value) error {
		if int64(len(out)) >= limit {
			c.Warn("list_entries stopped after %d entries: the list is longer, and a fourth argument sets the limit", limit)
			return value.Stop()
		}
		p, err := v.AddressOf()
		if err != nil {
			return err
		}
		out = append(out, p)
		return c.Grow(1)
	})
	return out, err
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
