// Package compile turns expressions of kinspect's language into BPF instructions, which
// compute them inside the kernel on what a function or tracepoint was called with.
//
// # Scope
//
// An expression is parsed as everywhere else (expr/syntax), and has the same types: C's
// integer promotions, conversions and wrap-around, bit-fields, enumerators by name, __be16
// and the like as the bare integers that the kernel computes with. Its result is, bit for
// bit, that of [expr.Session.Eval] on the same memory; the tests compare the two. What can
// not be computed in the kernel is refused, with the place in the text and the reason, and
// nothing is left for the kernel's verifier to object to.
//
// A part of an expression that no argument is in, and no variable of the kernel, is computed
// once, before anything is attached: so all functions of the language are there for such,
// as in dev == netdev('bond0').
//
// # Vocabulary
//
//   - An [Arg] is a value by name that the program is called with: a function's argument, or
//     what it returns.
//   - A [Scope] is what an expression can name.
//   - A place is a piece of the kernel's memory, of which the address is computed; it is read
//     when its content is asked for.
//   - A fault is what a computation ends with where memory cannot be read, a divisor is zero
//     or an index outside its array. It is no value: the program jumps to where the caller
//     handles it.
//
// # Reading
//
// All memory is read with bpf_probe_read_kernel. A load through a pointer that the verifier
// knows the type of would be faster, and reads zero where there is a fault.
//
// # Contract
//
// A text is bounded in what it makes: nesting, the length of strings, the number of
// instructions. Nothing here panics. Errors are [*expr.Error].
package compile
