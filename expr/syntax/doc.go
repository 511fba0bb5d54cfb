// Package syntax is the grammar of kinspect's language: it turns the text of an
// expression into a tree.
//
// # The grammar
//
// It is that of C's expressions without assignments, and beside it that of
// github.com/expr-lang/expr: predicates with #, pipes, let, lists, maps, ranges.
// From the loosest operator to the tightest:
//
//	x | f(…)                       a pipe: f(x, …)
//	a ? b : c                      to the right; a ?: c is a ? a : c
//	|| or
//	&& and
//	not
//	|                              as in C
//	^
//	&
//	== !=
//	< > <= >= in contains startsWith endsWith matches, and not in, …
//	a..b
//	<< >>
//	+ -
//	* / %
//	unary - +
//	**                             to the right
//	unary ! ~ * & sizeof, (TYPE)x
//	??
//	x.y x->y x?.y x[i] x[a:b] f(…)
//
// Where the two grammars meet, one rule each:
//
//   - x | f(…) is a pipe where f is a function of the language; any other | is C's.
//     (f(…)) in brackets is C's operand.
//   - ^ is C's exclusive or, ** the power. a ** b is one: write a * *b for the
//     product with what b points to.
//   - a < b < c is a < b && b < c, as in mathematics and not as in C.
//   - ! and unary minus bind as in C, not binds looser than comparisons.
//   - ?. before a digit is a ? and a number: a ?.5 : 1.
//   - (name) is a cast where name is a typedef of the kernel and nothing else, or
//     begins with a word that only types begin with: struct, union, enum, const,
//     volatile, unsigned, signed, and C's basic types.
//   - typeof(x) and typeof(TYPE) stand where a type can.
//   - (a, b) is C's comma operator; commas elsewhere are between arguments, elements
//     and expressions of a statement.
//   - sum, min, max and mean take a predicate where their second argument, behind
//     a pipe the first, has a # or .member that would be nobody's otherwise.
//
// # Contract
//
// Places are in runes from the start of the text. What a text can make the parser
// do is bounded: [MaxSource] bytes, [MaxNesting] open brackets, [MaxNodes] nodes.
// Errors are [*Error].
package syntax
