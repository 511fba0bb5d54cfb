package btf

import (
	"cmp"
	"slices"
	"strings"
)

// Limits of the search for near names.
const (
	maxNear       = 3  // suggestions
	maxNearLength = 64 // longer names get none
)

// Near returns those of the candidates that name may be a slip of, best first,
// three at most: those with few edits between them (of one letter each: add,
// drop, change, or swap two neighbours), then those that start with name, then
// those that have it elsewhere.
func Near(name string, candidates []string) []string {
	n := nearSearch{name: name}
	for _, c := range candidates {
		n.try([]byte(c))
	}
	return n.result()
}

type nearSearch struct {
	name  string
	found []nearName
}

type nearName struct {
	name  string
	edits int
}

// limit is the number of edits that still make a suggestion: one in three
// letters, so that short names do not suggest everything.
func (n *nearSearch) limit() int { return min((len(n.name)+2)/3, 4) }

func (n *nearSearch) try(candidate []byte) {
	if n.name == "" || len(candidate) == 0 || len(n.name) > maxNearLength || len(candidate) > maxNearLength {
		return
	}
	if string(candidate) == n.name {
		return
	}
	limit := n.limit()
	edits := limit + 1
	if d := len(candidate) - len(n.name); d <= limit && -d <= limit {
		edits = editDistance(n.name, candidate, limit)
	}
	if edits > limit {
		edits = limit + 1
		switch at := strings.Index(string(candidate), n.name); {
		case len(n.name) < 3 || at < 0:
			return
		case at > 0:
			edits++
		}
	}
	at, have := slices.BinarySearchFunc(n.found, nearName{string(candidate), edits}, func(a, b nearName) int {
		return cmp.Or(cmp.Compare(a.edits, b.edits), cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	})
	if have || at >= maxNear {
		return
	}
	n.found = slices.Insert(n.found, at, nearName{string(candidate), edits})
	n.found = n.found[:min(len(n.found), maxNear)]
}

func (n *nearSearch) result() []string {
	var names []string
	for _, f := range n.found {
		names = append(names, f.name)
	}
	return names
}

// editDistance returns the number of edits between a and b, or more than limit.
// Upper and lower case differ by nothing.
func editDistance(a string, b []byte, limit int) int {
	var rows [3][maxNearLength + 1]uint8
	prev2, prev, cur := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		prev[j] = uint8(j)
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = uint8(i)
		least := cur[0]
		for j := 1; j <= len(b); j++ {
			d := prev[j-1]
			if lower(a[i-1]) != lower(b[j-1]) {
				d = 1 + min(d, prev[j], cur[j-1])
				if i > 1 && j > 1 && lower(a[i-1]) == lower(b[j-2]) && lower(a[i-2]) == lower(b[j-1]) {
					d = min(d, prev2[j-2]+1)
				}
			}
			cur[j] = d
			least = min(least, d)
		}
		if int(least) > limit {
			return limit + 1
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return int(prev[len(b)])
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// NearNames returns names of the kinds, s's own and the base's, that name may be
// a slip of. It looks at every name, which takes a few milliseconds for vmlinux.
func (s *Spec) NearNames(kinds Kinds, name string) []string {
	n := nearSearch{name: name}
	for b, off := range s.eachName(kinds) {
		n.try(b.nameBytes(off))
	}
	return n.result()
}
