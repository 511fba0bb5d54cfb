package expr

import (
	"errors"
	"fmt"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// entryFunctions are the kernel's macros for one struct of a list (include/linux/list.h, llist.h,
// rbtree.h), as its code has them. A head or node may be written with & or without.
var entryFunctions = []Function{
	entryAlias("list_entry", "list_head", "list_entry(init_net.dev_base_head.next, struct net_device, dev_list)->name"),
	entryAlias("hlist_entry", "hlist_node", "hlist_entry(&netdev('lo')->index_hlist, struct net_device, index_hlist)->name"),
	entryAlias("llist_entry", "llist_node", "llist_entry(&init_task.wake_entry.llist, struct task_struct, wake_entry.llist)->comm"),
	entryAlias("rb_entry", "rb_node", "rb_entry(init_net.proc_net->subdir.rb_node, struct proc_dir_entry, subdir_node)->mode"),
	edgeEntry("list_first_entry", "the first struct on a list_head; one that is empty is an error", "next", false),
	edgeEntry("list_last_entry", "the last struct on a list_head; one that is empty is an error", "prev", false),
	edgeEntry("list_first_entry_or_null", "the first struct on a list_head, or NULL", "next", true),
	nextEntry("list_next_entry", "the struct after one on its list; behind the last one comes what the head would be in", "next"),
	nextEntry("list_prev_entry", "the struct before one on its list; before the first one comes what the head would be in", "prev"),
	{
		Name: "list_empty", Signature: "list_empty(&HEAD)", Topic: topicStruct,
		Doc:      "whether a list_head has nothing on it",
		Examples: []string{"list_empty(&init_net.dev_base_head)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			head, at, err := c.listHead()
			if err != nil {
				return nil, err
			}
			next, err := head.PointerPath("next")
			return next == at, err
		},
	},
	{
		Name: "hlist_empty", Signature: "hlist_empty(&HEAD)", Topic: topicStruct,
		Doc:      "whether an hlist_head or llist_head has nothing on it",
		Examples: []string{"!hlist_empty(&init_net.dev_index_head[1])"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			head, err := c.structArg(0, "the head of a list", "hlist_head", "llist_head")
			if err != nil {
				return nil, err
			}
			first, err := head.PointerPath("first")
			return first == 0, err
		},
	},
}

// entryAlias is container_of by another name.
func entryAlias(name, node, example string) Function {
	return Function{
		Name: name, Signature: name + "(POINTER, struct TYPE, MEMBER)", Topic: topicStruct,
		Doc:      "container_of of a " + node + ": the struct whose MEMBER it is",
		Examples: []string{example},
		MinArgs:  3, MaxArgs: 3, Args: structArgs,
		Call: callContainerOf,
	}
}

// edgeEntry is the struct at an end of a list.
func edgeEntry(name, doc, link string, orNull bool) Function {
	return Function{
		Name: name, Signature: name + "(&HEAD, struct TYPE, MEMBER)", Topic: topicStruct,
		Doc:      doc,
		Examples: []string{name + "(&init_net.dev_base_head, struct net_device, dev_list)->ifindex"},
		MinArgs:  3, MaxArgs: 3, Args: structArgs,
		Call: func(c *Call) (any, error) {
			head, at, err := c.listHead()
			if err != nil {
				return nil, err
			}
			st, member, err := c.structMember(1)
			if err != nil {
				return nil, err
			}
			node, err := head.PointerPath(link)
			switch {
			case err != nil:
				return nil, err
			case node != at:
				return entryOf(head.Kernel(), st, member, node)
			case orNull:
				return head.Kernel().Pointer(st, 0), nil
			}
			return nil, value.Faultf("the list is empty: list_first_entry_or_null is NULL then")
		},
	}
}

// nextEntry is the struct beside another on its list.
func nextEntry(name, doc, link string) Function {
	return Function{
		Name: name, Signature: name + "(POINTER, MEMBER)", Topic: topicStruct,
		Doc:      doc,
		Examples: []string{name + "(netdev('lo'), dev_list)"},
		MinArgs:  2, MaxArgs: 2, Args: []ArgKind{AnyArg, OwnMemberArg},
		Call: func(c *Call) (any, error) {
			p, err := c.Value(0, "what is on a list")
			if err != nil {
				return nil, err
			}
			if p, err = follow(p); err != nil {
				return nil, err
			}
			if whole := c.Session.defined(p); whole.Valid() {
				p = whole
			}
			st, ok := p.StructType()
			if !ok {
				return nil, fmt.Errorf("what is on a list is a struct: %s is none", p.Type())
			}
			member, err := c.String(1, "the name of a member")
			if err != nil {
				return nil, err
			}
			f, err := st.FindMember(member)
			if err != nil {
				return nil, err
			}
			if t, ok := btf.Underlying(f.Type).(*btf.Struct); !ok || t.Name != "list_head" {
				return nil, fmt.Errorf("%s of %s is %s, and no struct list_head", member, st, f.Type)
			}
			at, err := addressOf(p)
			if err != nil {
				return nil, err
			}
			if at == 0 {
				return nil, value.Faultf("NULL pointer: nothing is beside it")
			}
			node, err := p.Kernel().Ref(f.Type, at+kmem.Addr(f.Offset())).PointerPath(link)
			if err != nil {
				return nil, err
			}
			return entryOf(p.Kernel(), st, member, node)
		},
	}
}

// entryOf is the struct whose member a node is.
func entryOf(k *value.Kernel, st *btf.Struct, member string, node kmem.Addr) (any, error) {
	f, err := st.FindMember(member)
	if err != nil {
		return nil, err
	}
	if node == 0 {
		return nil, value.Faultf("the link of the list is NULL: nothing is on it, or it was never set up")
	}
	return k.Pointer(st, node-kmem.Addr(f.Offset())), nil
}

// listHead is the argument that is the head of a list, and its address.
func (c *Call) listHead() (head value.Value, at kmem.Addr, err error) {
	if head, err = c.structArg(0, "the head of a list", "list_head"); err != nil {
		return head, 0, err
	}
	at, ok := head.Addr()
	if !ok {
		return head, 0, errors.New("the head of a list lies at an address: a copy of one has none")
	}
	return head, at, nil
}
