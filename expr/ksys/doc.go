// Package ksys knows what a kernel says of itself as a whole: its log, its uptime and
// command line, its configuration, its memory, interrupts, modules, mounts and slab
// caches. It is what procfs shows of a live kernel, read from the same places.
//
// What a kernel looks like is asked of its BTF and symbols, never of its release. Walks
// and lengths are bounded, and what is damaged is an error. On a live kernel numbers
// move while they are read, as they do under procfs.
package ksys
