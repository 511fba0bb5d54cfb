// Package check says why a device's drop counters rose, and who handles an
// ethertype there.
//
// Its vocabulary is that of its output, which programs rely on:
//
//   - A path is one place in the kernel that raises a counter. The paths are
//     data, see paths.go; each says what in memory rules it out, or bounds how
//     often it can have been taken.
//   - A verdict on a path: "fired", "ruled out" or "possible".
//   - A level says how sure that is: "proved" by counters or by how this kernel
//     is put together, "only path left" once all others are ruled out or bounded,
//     or "cannot tell" from memory alone.
//
// A path is never said to have fired because it is likely. Memory does not record
// which ethertype was dropped, so none is ever named as the cause: those without a
// handler are candidates.
package check
