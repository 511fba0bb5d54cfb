// Package globals is a table of the kernel's global variables and their types, which BTF has of per-CPU variables alone.
//
// The table, table.txt, is made by the program in gen from the debug information of kernels of several releases. It has a
// variable only if it is the same in all of those that have it; what "the same" means, gen tells. It is text, in the
// order of the types, with the names of a type's variables below it, each after a tab:
//
//	atomic_long_t
//		_totalram_pages
//		calc_load_tasks
//	char *
//		saved_command_line
//
// A name is found by a search through the text as it stands in the program: no index is made, so that a program that asks
// for no name pays nothing, and one name costs a tenth of a millisecond.
package globals

import (
	_ "embed"
	"iter"
	"strings"
)

//go:embed table.txt
var table string

// Type is the type of the variable in C, as [kinspect/btf.Spec.ParseType] reads it.
func Type(name string) (c string, ok bool) {
	if name == "" || strings.ContainsAny(name, "\t\n") {
		return "", false
	}
	at := strings.Index(table, "\n\t"+name+"\n")
	for at > 0 { // upwards, to a line that begins with no tab
		start := strings.LastIndexByte(table[:at], '\n') + 1
		if table[start] != '\t' {
			return table[start:at], true
		}
		at = start - 1
	}
	return "", false
}

// Names yields the names of the table that begin with prefix, by their types.
func Names(prefix string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for rest := table; ; {
			at := strings.Index(rest, "\n\t"+prefix)
			if at < 0 {
				return
			}
			rest = rest[at+2:]
			end := strings.IndexByte(rest, '\n')
			if end < 0 || !yield(rest[:end]) {
				return
			}
			rest = rest[end:]
		}
	}
}

// All yields the names with their types, as they stand in the table.
func All() iter.Seq2[string, string] {
	return func(yield func(name, c string) bool) {
		c := ""
		for line := range strings.Lines(table) {
			line = strings.TrimSuffix(line, "\n")
			name, ok := strings.CutPrefix(line, "\t")
			switch {
			case !ok:
				c = line
			case !yield(name, c):
				return
			}
		}
	}
}
