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
// The grammar, the precedence of the operators and the rules where C and expr-lang
// meet are in the documentation of package syntax. In short: x | f(…) is a pipe
// where f is a function of the language, and any other | is C's; ^ is C's exclusive
// or, ** the power; a < b < c is a < b && b < c; not binds loosely, ! as in C.
// Where a & b == c was read as C reads it, a warning says so.
//
//   - Integers are promoted, converted, compared and wrapped as in C on x86-64; a
//     hexadecimal literal takes the first of int, unsigned int, long and unsigned
//     long that holds it. Dividing integers gives an integer. Two plain ints do
//     not overflow: what does not fit becomes a long. A shift by a negative count,
//     or by the width and more, is an error: C leaves it undefined. Bit-fields that
//     int holds promote to it, enumerators are ints. In a ? b : c both sides give
//     the type, unless they have the same one, which then stays.
//   - Zero and NULL are false, other numbers and pointers are true. Arrays,
//     structs and strings are neither: they have to be compared.
//   - Pointers add, subtract, compare and index in units of what they point to.
//     &p->x is computed and not read: p may be NULL. sizeof evaluates nothing that
//     C would not.
//   - A char array or char pointer compares with a string by content, an enum
//     with the name of an enumerator. Both kinds of quotes make strings. One of a
//     single byte stands for that character where an integer is expected, but + of
//     a string joins.
//   - __be16, __be32 and __be64 compare raw, as in C. Against a plain number that
//     earns a warning, which shows both readings.
//   - The counters rx_dropped, tx_dropped, rx_nohandler and rx_otherhost_dropped
//     of a struct net_device are u64 on every kernel, wherever it keeps them.
//   - In a predicate # is the element, .name its member, #index its place.
//   - sum does not wrap at the width of its elements, and min, max, sort and
//     sortBy order by mathematical value.
//   - ** is exact: of integers it is what holds the result, up to 64 bits, and an
//     error beyond. A negative exponent needs a base with a fraction, 2.0 ** -1.
//
// (name) is a cast where name is a typedef of the kernel and neither a variable, a
// symbol nor a function. bitand, bitor, bitxor, bitnot, bitshl, bitshr, cast,
// deref and addr are older names of operators; bitand and its like take pointers, too.
//
// # Sequences
//
// What the kernel keeps in lists comes as a [Sequence] where there may be much of
// it: its elements are made while it is walked. filter, map, take and uniq of one
// are sequences again; count, sum, min, max, mean, any, all, none, one, find, first,
// last, len, reduce and in go through it and hold nothing; sortBy, groupBy, sort,
// reverse, concat and a slice need a list, and make one. A sequence that is a result
// is written while it is walked. Each walk reads the kernel's memory anew.
//
// # How it works
//
// Package syntax parses; the compiler turns the tree into closures, in which names
// are constants and operators know C. Members of a predicate's element, arithmetic
// and comparisons of integers have a way of their own, which makes no garbage.
// Nothing is written to the kernel, and nothing runs in it.
//
// # Contract
//
// A [Session] serves one goroutine at a time. Errors are [*Error]: one or two
// lines for the person at the prompt, with the place in the expression, wrapping
// their cause. No input makes the package panic. Strings that come out of a
// kernel reach [Result.Text] and errors escaped.
package expr
