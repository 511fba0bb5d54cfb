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
// Paths may share a bound, as those do that a veth's peer counts together (bounds.go, paths_veth.go).
//
// A path is never said to have fired because it is likely. Memory does not record
// which ethertype was dropped, so none is ever named as the cause: those without a
// handler are candidates.
//
// [SNMPOf] does the same for what a namespace's protocols count: data says what
// each counter means (snmp_meaning.go), and drops are followed to the sockets and
// devices that memory still has, within bounds where others had a part.
//
// A [Watch] explains what is counted from a time on: the difference of two totals is a total, and
// the judges of paths read what bounds them (counts.go) as differences as well. [Rows] watches
// plain numbers.
//
// [ReportPage] and [OverviewPage] make a page of HTML of an answer (page.go), whose drawing has its stages in
// page_stage.go: a new path gets its place there.
package check
