// Package expr is the language of kinspect: expressions over the content of a
// kernel.
//
// # The language
//
// Expressions are C's as kernel developers write them, without assignments, and
// beside them those of github.com/expr-lang/expr, with predicates and pipes.
// What it means is C where C has a meaning:
//
//	netdev('bond0')->rx_dropped                 members, through pointers; . does the same
//	ptype_base[4].next                          globals of the kernel, elements
//	netdev('lo')->mtu + 1                       C's integer types, unsigned 64 bits too
//	netdev('lo')->flags & IFF_UP                C's operators, enumerators
//	((struct net *)0xffffffff8505aa80)->ns.inum casts, of addresses too
//	&init_net.dev_base_head                     addresses, and *p what they point to
//	sizeof(struct net_device)                   types without quotes
//	offsetof(struct sk_buff, protocol)
//	container_of(p, struct net_device, dev_list)
//	netdevs() | filter(.rx_dropped > 0) | map(.name)
//	list_for_each(init_net.dev_base_head, struct net_device, dev_list) | sum(.mtu)
//	let d = netdev('bond0'); d.mtu == 1500 ? d.name : 'other'
//
// README.md beside this file is the language's reference: the grammar and its rules where C and
// expr-lang meet, conversions, sequences, scripts, all functions, and what stands for
// each of drgn's helpers. Its examples are tests.
//
// # How it works
//
// Package syntax parses; the compiler turns the tree into closures, in which names
// are constants and operators know C. Members of a predicate's element, arithmetic
// and comparisons of integers have a way of their own, which makes no garbage.
// Nothing is written to the kernel, and nothing runs in it.
//
// What the kernel keeps in lists comes as a [Sequence] where there may be much of
// it: its elements are made while it is walked. A [Script] is compiled the same way: its
// statements are closures around expressions, its variables slots of one frame.
//
// # Contract
//
// A [Session] serves one goroutine at a time. Errors are [*Error]: one or two
// lines for the person at the prompt, with the place in the expression, wrapping
// their cause. No input makes the package panic. Strings that come out of a
// kernel reach [Result.Text] and errors escaped.
package expr
