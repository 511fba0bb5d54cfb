package expr

import (
	"errors"
	"fmt"
	"slices"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// linkedFunctions walk the kernel's linked lists.
var linkedFunctions = []Function{
	{
		Name: "list_for_each", Signature: "list_for_each(HEAD, struct TYPE, MEMBER)", Topic: topicKernel,
		Doc:      "the structs on a list_head or hlist_head, linked through MEMBER, as a sequence of pointers",
		Examples: []string{"list_for_each(init_net.dev_base_head, struct net_device, dev_list) | sum(.mtu)"},
		MinArgs:  3, MaxArgs: 3, Args: []ArgKind{AnyArg, TypeArg, MemberArg},
		Call: func(c *Call) (any, error) { return c.linked(-1, "list_head", "hlist_head") },
	},
	{
		Name: "list_entries", Signature: "list_entries(HEAD, 'struct TYPE', 'MEMBER'[, LIMIT])", Topic: topicKernel,
		Doc:      "the same, with a limit",
		Examples: []string{"list_entries(init_net.dev_base_head, 'struct net_device', 'dev_list') | map(.name)"},
		MinArgs:  3, MaxArgs: 4, Args: []ArgKind{AnyArg, TypeArg, MemberArg},
		Call: func(c *Call) (any, error) {
			if c.Arg(3) == nil {
				return c.linked(-1, "list_head", "hlist_head")
			}
			limit, err := c.Int(3, "a limit")
			if err != nil {
				return nil, err
			}
			if limit < 0 {
				return nil, errors.New("a limit is not negative")
			}
			return c.linked(limit, "list_head", "hlist_head")
		},
	},
}

// maxLinked bounds a walk: a list of which no circle is found ends here.
const maxLinked = 1 << 40

// linked is the sequence of the structs on a list, whose head is one of these structs; a limit
// below zero is none.
func (c *Call) linked(limit int64, heads ...string) (any, error) {
	head, err := c.Value(0, "the head of a list")
	if err != nil {
		return nil, err
	}
	if _, ok := btf.Underlying(head.Type()).(*btf.Pointer); ok {
		if head, err = c.Session.pointee(head); err != nil {
			return nil, err
		}
	}
	kind := ""
	if t, ok := btf.Underlying(head.Type()).(*btf.Struct); ok {
		kind = t.Name
	}
	switch {
	case slices.Contains(heads, kind):
	case len(heads) == 1:
		_, err := c.structArg(0, "what is walked", heads[0])
		return nil, err
	default:
		return nil, fmt.Errorf("%s is neither a list_head nor an hlist_head", head.Type())
	}
	st, member, err := c.linkMember(kind)
	if err != nil {
		return nil, err
	}
	f, err := st.FindMember(member)
	if err != nil {
		return nil, err
	}
	s, off := c.Session, kmem.Addr(f.Offset())
	return refs(head.Kernel(), st, func(visit func(kmem.Addr) error) error {
		n := int64(0)
		return value.EachLink(head, kind == "hlist_head", maxLinked, func(a kmem.Addr) error {
			if limit >= 0 && n >= limit {
				s.warn("list_entries stopped after %d entries: the list is longer, and a fourth argument sets the limit", limit)
				return value.Stop()
			}
			n++
			return visit(a - off)
		})
	}), nil
}
