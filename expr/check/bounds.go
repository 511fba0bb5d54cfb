package check

import (
	"cmp"
	"slices"
)

// shared is a bound on what several paths took together: on all findings that have one of that name. A finding may
// have more than one. Bounds of which one has all the paths of another, as the backlog's counter of drops and the
// number of a veth's peer, which counts those drops and more, are all made use of.
type shared struct {
	by string
	n  uint64
}

// share adds a bound that others have a part in.
func (f *finding) share(by string, n uint64) { f.shared = append(f.shared, shared{by, n}) }

// atMost adds a bound of the path's own.
func (f *finding) atMost(n uint64) {
	if f.max == nil || *f.max > n {
		f.max = num(n)
	}
}

// Names of shared bounds: the numbers that the paths are in.
const (
	inSoftnet  = "softnet_data"   // what the CPUs' backlogs dropped
	inRefusals = "refusals"       // what a veth's peer could not hand over
	inErrors   = "receive errors" // of a macvlan or ipvlan
)

// limit is the most frames that a path can have taken, of own ones.
func (f *finding) limit(own uint64) uint64 {
	if f.out {
		return 0
	}
	n := own
	if f.max != nil {
		n = min(n, *f.max)
	}
	for _, s := range f.shared {
		n = min(n, s.n)
	}
	return n
}

// bounded reports whether anything bounds a path that is not ruled out.
func (f *finding) bounded() bool { return f.max != nil || len(f.shared) > 0 }

// leftFor is how many of own frames must have taken path i, since the others
// cannot have taken more than their bounds.
func leftFor(findings []finding, i int, own uint64) uint64 {
	return own - mostOfOthers(findings, i, own)
}

// mostOfOthers is the most that all paths but i can have taken of own frames, each within its own bound and all
// within those that they share. Paths are put together from the smallest shared bound on. One that shares only a
// part of a group's paths is left aside: to leave out a bound makes the answer weaker, and never wrong.
func mostOfOthers(findings []finding, i int, own uint64) uint64 {
	type group struct {
		paths []int
		n     uint64
	}
	type sharing struct {
		by    string
		paths []int
		n     uint64
	}
	var groups []group
	var bounds []sharing
	for j := range findings {
		f := &findings[j]
		if j == i || f.out {
			continue
		}
		groups = append(groups, group{[]int{j}, f.limit(own)})
		for _, s := range f.shared {
			at := slices.IndexFunc(bounds, func(b sharing) bool { return b.by == s.by })
			if at < 0 {
				at = len(bounds)
				bounds = append(bounds, sharing{s.by, nil, s.n})
			}
			// Should they differ, the larger one holds for all.
			bounds[at].paths, bounds[at].n = append(bounds[at].paths, j), max(bounds[at].n, s.n)
		}
	}
	slices.SortStableFunc(bounds, func(a, b sharing) int { return cmp.Compare(len(a.paths), len(b.paths)) })
	for _, b := range bounds {
		together := group{}
		groups = slices.DeleteFunc(groups, func(g group) bool {
			if slices.ContainsFunc(g.paths, func(j int) bool { return !slices.Contains(b.paths, j) }) {
				return false
			}
			together.paths, together.n = append(together.paths, g.paths...), addUpTo(together.n, g.n, own)
			return true
		})
		if len(together.paths) > 0 {
			together.n = min(together.n, b.n)
			groups = append(groups, together)
		}
	}
	most := uint64(0)
	for _, g := range groups {
		most = addUpTo(most, g.n, own)
	}
	return most
}

// addUpTo adds numbers that are no more than a limit, up to it.
func addUpTo(a, b, limit uint64) uint64 {
	if b > limit-a {
		return limit
	}
	return a + b
}
