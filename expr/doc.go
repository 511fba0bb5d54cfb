// Package expr is the language of kinspect: expressions over the content of a
// kernel.
//
// # The language
//
// The grammar is that of github.com/expr-lang/expr, with C's "->" beside "." and
// C's suffixes on integers. What it means is C where C has a meaning:
//
//		netdev('bond0').rx_dropped                  members, through pointers too
//		ptype_base[4].next                          globals of the kernel, elements
//		netdev('lo')->mtu + 1                       C's integer types, unsigned 64 bits too
//		NETREG_REGISTERED                           enumerators
//		netdevs() | filter(.rx_dropped > 0) | map(.name)
//		let d = netdev('bond0'); d.mtu == 1500 ? d.name : 'other'
//
//	  - Integers are promoted, converted, compared and wrapped as in C on x86-64; a
//	    hexadecimal literal takes the first of int, unsigned int, long and unsigned
//	    long that holds it. Dividing integers gives an integer. Two plain ints do
//	    not overflow: what does not fit becomes a long.
//	  - Zero and NULL are false, other numbers and pointers are true. Arrays,
//	    structs and strings are neither: they have to be compared.
//	  - Pointers add, subtract and index in units of what they point to.
//	  - A char array or char pointer compares with a string by content, an enum
//	    with the name of an enumerator.
//	  - __be16, __be32 and __be64 compare raw, as in C. Against a plain number that
//	    earns a warning, which shows both readings.
//	  - The counters rx_dropped, tx_dropped, rx_nohandler and rx_otherhost_dropped
//	    of a struct net_device are u64 on every kernel, wherever it keeps them.
//	  - In a predicate # is the element, .name its member, #index its place.
//	    Comparisons chain as in mathematics: a < b < c is a < b && b < c.
//	  - sum does not wrap at the width of its elements, and min, max, sort and
//	    sortBy order by mathematical value.
//	  - ** is exact: of integers it is what holds the result, up to 64 bits, and an
//	    error beyond. A negative exponent needs a base with a fraction, 2.0 ** -1.
//
// C's & | ^ ~ << >>, casts, sizeof and offsetof are functions: bitand, bitor,
// bitxor, bitnot, bitshl, bitshr, cast, sizeof, offsetof. "|" passes a value on
// to a function, "**" is the power, and "^" is an error, since it could be meant
// either way.
//
// # How it works
//
// expr-lang parses; a pass of ours rewrites the tree, so that names become values
// and operators become calls of functions that know C; expr-lang compiles and
// runs it. Nothing is written to the kernel, and nothing runs in it.
//
// # Contract
//
// A [Session] serves one goroutine at a time. Errors are [*Error]: one or two
// lines for the person at the prompt, with the place in the expression, wrapping
// their cause. No input makes the package panic. Strings that come out of a
// kernel reach [Result.Text] and errors escaped.
package expr
