// Command gen makes the table of global variables anew, ../table.txt, from vmlinux files with debug information and BTF.
//
// Run it from the root of the tree on the lab's kernels, which takes a minute:
//
//	go run ./expr/value/globals/gen $(testdata/bench/debuginfo 5.10 6.1 6.12 7.3)
//
// The result depends on the files alone. A variable is in the table if
//
//   - two of the kernels have it at least;
//   - in each kernel that has a symbol of the name, that is the only one, and of a variable that lives as long as the
//     kernel, with its own place in memory: not one per CPU, in a section for initialisation, or of tracing and the like
//     (see skipped);
//   - its type is the same in all of them, but for typedefs and for const and volatile of the variable itself. The table
//     has it as the last of the kernels spells it, without the latter;
//   - all names in that type mean one type in each kernel's BTF, and the type has the variable's size.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("gen: ")
	out := flag.String("o", "expr/value/globals/table.txt", "the table to write")
	why := flag.String("why", "", "tell of these variables what their types are, or why they are of no use")
	flag.Parse()
	if flag.NArg() < fewest {
		log.Fatalf("usage: gen [-o TABLE] [-why 'NAME...'] VMLINUX..., %d at least", fewest)
	}
	var kernels []*kernel
	for _, path := range flag.Args() {
		k, err := readKernel(context.Background(), path)
		if err != nil {
			log.Fatal(err)
		}
		kernels = append(kernels, k)
		log.Printf("%s: %d symbols, %d variables of use", path, len(k.symbols), k.usable())
		for name := range strings.FieldsSeq(*why) {
			log.Printf("\t%s: %s", name, k.tell(name))
		}
	}
	agreed := agree(kernels)
	if err := os.WriteFile(*out, write(agreed), 0o644); err != nil {
		log.Fatal(err)
	}
	log.Printf("%d variables", len(agreed))
}

// fewest is how many kernels a variable has to be in.
const fewest = 2

// agree is the variables that are alike in the kernels, with their types.
func agree(kernels []*kernel) map[string]string {
	agreed := map[string]string{}
	for _, k := range kernels {
		for name := range k.variables {
			if _, ok := agreed[name]; !ok {
				if c, ok := alike(kernels, name); ok {
					agreed[name] = c
				}
			}
		}
	}
	return agreed
}

// alike is the type of a variable, as the last kernel spells it.
func alike(kernels []*kernel, name string) (c string, ok bool) {
	var last variable
	n := 0
	for _, k := range kernels {
		if k.symbols[name] == nil {
			continue
		}
		v, ok := k.variables[name]
		if !ok || v.why != "" || n > 0 && v.plain != last.plain {
			return "", false
		}
		last = v
		n++
	}
	for _, k := range kernels {
		v, ok := k.variables[name]
		if ok && v.c != last.c && k.knows(last.c, v.size) != nil {
			return "", false
		}
	}
	return last.c, n >= fewest
}

// write spells the table; see the package globals.
func write(agreed map[string]string) []byte {
	byType := map[string][]string{}
	for name, c := range agreed {
		byType[c] = append(byType[c], name)
	}
	var out bytes.Buffer
	for _, c := range slices.Sorted(maps.Keys(byType)) {
		names := byType[c]
		slices.Sort(names)
		fmt.Fprintf(&out, "%s\n\t%s\n", c, strings.Join(names, "\n\t"))
	}
	return out.Bytes()
}
