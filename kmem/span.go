package kmem

import (
	"cmp"
	"slices"
)

// span is a range of addresses, the last inclusive.
type span struct{ first, last uint64 }

// joinSpans sorts spans and joins those that touch.
func joinSpans(s []span) []span {
	slices.SortFunc(s, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	var out []span
	for _, r := range s {
		if n := len(out); n > 0 && (r.first <= out[n-1].last || r.first-1 == out[n-1].last) {
			out[n-1].last = max(out[n-1].last, r.last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// subtractSpans returns what of a is not in b. Both are sorted and disjoint.
func subtractSpans(a, b []span) []span {
	var out []span
	for _, r := range a {
		for len(b) > 0 && b[0].last < r.first {
			b = b[1:]
		}
		done := false
		for _, cut := range b {
			if cut.first > r.last {
				break
			}
			if cut.first > r.first {
				out = append(out, span{r.first, cut.first - 1})
			}
			if cut.last >= r.last {
				done = true
				break
			}
			r.first = cut.last + 1
		}
		if !done {
			out = append(out, r)
		}
	}
	return out
}

// cutSpan returns how many of the n bytes at addr are together in a span, or together in none.
func cutSpan(spans []span, addr uint64, n int) (k int, in bool) {
	last := addr + uint64(n-1)
	for _, s := range spans {
		switch {
		case s.last < addr:
		case s.first > last:
			return n, false
		case s.first > addr:
			return int(s.first - addr), false
		default:
			return int(min(s.last, last)-addr) + 1, true
		}
	}
	return n, false
}
