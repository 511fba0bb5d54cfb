// Package value gives kernel memory its types: a [Kernel] is an opened image
// with its symbols, BTF and modules, a [Value] is a typed piece of it.
//
// Vocabulary:
//
//   - A reference is a value with an address: nothing is read before somebody
//     asks for its content, and a member of a reference reads the member alone.
//   - An rvalue has no address: a literal, the result of arithmetic, a counter
//     that was summed up.
//   - A per-CPU variable is a template: it has no content until
//     [Kernel.PerCPU] says which CPU's.
//
// Integers follow C on x86-64 (LP64): promotion to int, the usual arithmetic
// conversions, wrap-around. A big-endian member (__be16 and the like) is the
// raw integer that the kernel's own code would compute with; only printing
// shows it in host order first.
//
// Errors are for the person at the prompt and wrap [kmem.Fault] where memory
// could not be read. A Kernel is safe for concurrent use; a Value is immutable.
package value
