package expr

import (
	"fmt"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

var chainFunctions = []Function{
	{
		Name: "chain", Signature: "chain(POINTER, MEMBER)", Topic: topicKernel,
		Doc:      "a struct and those that follow it through MEMBER, until that is NULL, as a sequence of pointers",
		Examples: []string{"chrdevs | map(chain(#, 'next')) | flatten() | map(.name)"},
		MinArgs:  2, MaxArgs: 2, Args: []ArgKind{AnyArg, WordArg},
		Call: callChain,
	},
}

// maxChain bounds a chain that does not end.
const maxChain = 1 << 24

func callChain(c *Call) (any, error) {
	first, err := c.Value(0, "the first struct of a chain")
	if err != nil {
		return nil, err
	}
	member, err := c.String(1, "the member that points to the next")
	if err != nil {
		return nil, err
	}
	p, ok := btf.Underlying(first.Type()).(*btf.Pointer)
	if !ok {
		return nil, fmt.Errorf("a chain begins with a pointer to a struct: %s is none", first.Type())
	}
	st, ok := btf.Underlying(p.Target()).(*btf.Struct)
	if !ok {
		return nil, fmt.Errorf("a chain begins with a pointer to a struct: %s is none", first.Type())
	}
	f, err := st.FindMember(member)
	if err != nil {
		return nil, err
	}
	if _, ok := btf.Underlying(f.Type).(*btf.Pointer); !ok {
		return nil, fmt.Errorf("%s of %s is no pointer to the next one, but %s", member, st, f.Type)
	}
	at, err := first.Pointer()
	if err != nil {
		return nil, err
	}
	k := first.Kernel()
	return refs(k, st, func(visit func(kmem.Addr) error) error {
		// As in Brent's search for a circle, one address is kept, at each power of two.
		mark, power, lap := kmem.Addr(0), 1, 0
		for n, a := 0, at; a != 0; n++ {
			switch {
			case a == mark:
				return value.ErrCycle
			case n >= maxChain:
				return value.Faultf("the chain has more than %d structs: gave up", maxChain)
			}
			if lap++; lap == power {
				mark, power, lap = a, power*2, 0
			}
			if err := visit(a); err != nil {
				return err
			}
			next, err := k.Ref(st, a).PointerPath(member)
			if err != nil {
				return err
			}
			a = next
		}
		return nil
	}), nil
}
