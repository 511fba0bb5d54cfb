package value

import (
	"errors"
	"strings"
	"testing"

	"kinspect/kmem"
)

// A list is a map of next pointers here.
func walkMap(next map[kmem.Addr]kmem.Addr, first, end kmem.Addr, limit int) (visited int, err error) {
	err = walk(first, end, limit,
		func(a kmem.Addr) (kmem.Addr, error) { return next[a], nil },
		func(kmem.Addr) error { visited++; return nil })
	return visited, err
}

func TestWalk(t *testing.T) {
	ring := map[kmem.Addr]kmem.Addr{1: 2, 2: 3, 3: 100}
	if n, err := walkMap(ring, 1, 100, 10); n != 3 || err != nil {
		t.Errorf("a ring of 3: %d entries, %v", n, err)
	}
	if n, err := walkMap(ring, 100, 100, 10); n != 0 || err != nil {
		t.Errorf("an empty list: %d entries, %v", n, err)
	}
	if n, err := walkMap(ring, 1, 100, 2); n != 2 || err == nil {
		t.Errorf("over the limit: %d entries, %v", n, err)
	}
	if _, err := walkMap(map[kmem.Addr]kmem.Addr{1: 2}, 1, 100, 10); err == nil || !strings.Contains(err.Error(), "NULL") {
		t.Errorf("a NULL in a ring: %v", err)
	}
}

func TestWalkCycle(t *testing.T) {
	for tail := 1; tail < 40; tail++ {
		for loop := 1; loop < 40; loop++ {
			next := map[kmem.Addr]kmem.Addr{}
			last := tail + loop
			for i := 1; i < last; i++ {
				next[kmem.Addr(i)] = kmem.Addr(i + 1)
			}
			next[kmem.Addr(last)] = kmem.Addr(tail + 1)
			n, err := walkMap(next, 1, 9999, 1<<20)
			if !errors.Is(err, ErrCycle) {
				t.Fatalf("tail %d, loop %d: %v after %d", tail, loop, err, n)
			}
			if n > 4*(tail+loop)+4 {
				t.Errorf("tail %d, loop %d: seen only after %d steps", tail, loop, n)
			}
		}
	}
}
