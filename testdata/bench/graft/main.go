// Command graft writes a copy of a dump in which two network devices have a million unicast
// addresses each: lists that are long enough to be measured, which kinspect and its peers
// find in the same way as any other.
//
// The dump is QEMU's of the lab's boot "many", ELF with physical addresses. Its kernel has set
// memory aside for a crash kernel that nobody loaded: zeros, which the direct map covers, and
// there the nodes go. The nodes of d1 lie in the order of the list, as those of a young list do,
// the nodes of d2 in none.
//
// With --virtual the copy's segments have virtual addresses, as /proc/vmcore's have: that is what
// makedumpfile reads.
package main

import (
	"flag"
	"fmt"
	"os"

	"kinspect/expr/value"
	"kinspect/kmem"
)

func main() {
	virtual := flag.Bool("virtual", false, "give the segments virtual addresses")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: graft [--virtual] DUMP COPY")
		os.Exit(2)
	}
	if err := graft(flag.Arg(0), flag.Arg(1), *virtual); err != nil {
		fmt.Fprintln(os.Stderr, "graft:", err)
		os.Exit(1)
	}
}

// graft prints the sum of the refcounts of a list, which both have in common.
func graft(from, to string, virtual bool) error {
	img, err := kmem.Open(from)
	if err != nil {
		return err
	}
	defer img.Close()
	k := value.New(img, img)
	g, err := newGrafter(k)
	if err != nil {
		return err
	}
	for i, name := range []string{"d1", "d2"} {
		if err := g.list(name, uint64(i), i > 0); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	d, err := openDump(from)
	if err != nil {
		return err
	}
	defer d.file.Close()
	if virtual {
		if err := d.giveAddresses(k, g.pageOffset); err != nil {
			return err
		}
	}
	if err := d.write(to, g.patches); err != nil {
		return err
	}
	_, err = fmt.Println(g.sum)
	return err
}
