// Package runbook reads and runs named checks: what a host has to be like, as
// questions in kinspect's own language with the bounds of their answers, in a small
// file of lines. expr/README.md has the format.
//
// Its vocabulary:
//
//   - A book is a file of checks, or one of the library that is built in.
//   - A check looks at rows: each device, each CPU, or the kernel as a whole, which is
//     one row without labels.
//   - A row is fine, or a finding, or it could not be answered: a fault in what its value
//     needs. What could not be answered is never fine.
//   - A check has a finding where a row is one, and is answered where all of its rows
//     are. Both may be said of one check: a finding is certain, and what else there may be
//     is not known.
//
// All that a book can ask for is bounded: its size, its checks, the rows of each, the text
// of a row and the time of a check.
package runbook
