package ktask

import (
	"testing"

	"kinspect/kmem"
)

// TestStacksUp: a chain of calls goes up its stack, and from an interrupt's to the task's once, never back: an image
// made to loop ends.
func TestStacksUp(t *testing.T) {
	irq, task := [2]kmem.Addr{0x9000, 0xd000}, [2]kmem.Addr{0x4000, 0x8000}
	for _, c := range []struct {
		on       stacks
		from, to kmem.Addr
		want     bool
	}{
		{stacks{task}, 0x5000, 0x5008, true},
		{stacks{task}, 0x5000, 0x8000, true}, // all of it is left
		{stacks{task}, 0x5000, 0x5000, false},
		{stacks{task}, 0x5008, 0x5000, false},
		{stacks{task}, 0x5000, 0x8008, false},
		{stacks{task}, 0x5000, 0x9008, false}, // nobody's
		{stacks{task}, 0x3000, 0x2000, false},
		{stacks{irq, task}, 0x9100, 0x9200, true},
		{stacks{irq, task}, 0x9100, 0x5000, true}, // where the task's own lies lower
		{stacks{irq, task}, 0xd000, 0x5000, true}, // from the interrupt's first frame
		{stacks{irq, task}, 0x5000, 0x9100, false},
		{stacks{irq, task}, 0x5000, 0x4f00, false},
		{stacks{irq, task}, 0x9100, 0x9000, false},
	} {
		if got := c.on.up(c.from, c.to); got != c.want {
			t.Errorf("%#x: from %s to %s: %v", c.on, c.from, c.to, got)
		}
	}
}
