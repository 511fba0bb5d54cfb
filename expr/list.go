package expr

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"kinspect/btf"
	"kinspect/expr/value"
)

// maxElements bounds the elements of the lists that one evaluation holds in memory at once, see
// alive.go.
const maxElements = 2 << 20

// grow accounts for n new elements.
func (s *Session) grow(n int) error {
	if s.elementsMade += n; s.elementsMade > maxElements {
		return fmt.Errorf("more than %d million list elements: the expression needs too much memory", maxElements>>20)
	}
	return s.stopped()
}

// list is what a predicate runs over: a list, or the elements of an array.
func (s *Session) list(x any) ([]any, error) {
	switch x := x.(type) {
	case []any:
		return x, s.stopped()
	case *Sequence:
		return s.collect(x)
	case value.Value:
		if n, ok := x.Len(); ok {
			return s.elements(x, 0, n)
		}
	}
	return nil, s.noList(x)
}

// noList is the error for what cannot be gone through.
func (s *Session) noList(x any) error {
	switch x := x.(type) {
	case value.Value:
		if st, ok := x.StructType(); ok && (st.Name == "list_head" || st.Name == "hlist_head") {
			return fmt.Errorf("%s is no list of the language: list_entries(HEAD, 'struct TYPE', 'MEMBER') walks it", x.Type())
		}
	case map[string]any:
		return errors.New("a map is no list: use keys(…) or values(…)")
	case nil:
		return errors.New("nil is no list")
	case Fault:
		return x.err
	}
	return fmt.Errorf("%s is no list", describe(x))
}

// elements lists the elements lo to hi-1 of an array.
func (s *Session) elements(v value.Value, lo, hi int) ([]any, error) {
	if err := s.grow(hi - lo); err != nil {
		return nil, err
	}
	out := make([]any, 0, hi-lo)
	for i := lo; i < hi; i++ {
		e, err := v.Index(int64(i))
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// length is the number of elements of a list, a map or an array, or that of a
// string's bytes. A char array counts as the string in it.
func (s *Session) length(x any) (int, error) {
	if t, ok, err := text(x); ok || err != nil {
		return len(t), err
	}
	switch x := x.(type) {
	case []any:
		return len(x), nil
	case map[string]any:
		return len(x), nil
	case *Sequence:
		if x.span != nil {
			n := x.span.len()
			if n > math.MaxInt {
				return 0, errors.New("the range is too long")
			}
			return int(n), nil
		}
		n := 0
		err := s.iterate(s.frame(), x, func(*elem) error { n++; return nil })
		return n, err
	case value.Value:
		if n, ok := x.Len(); ok {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s has no length", describe(x))
}

// key is the key of a map that a value stands for: strings as they are, numbers in
// decimal, and what prints with a meaning by that: enums and flags by name, network order as
// the number on the wire, pointers with their symbol, or in hexadecimal.
func key(x any) (string, error) {
	if v, ok := x.(value.Value); ok && v.IsScalar() {
		if _, _, isText := isText(v); !isText {
			if name, ok, err := v.Name(); ok || err != nil {
				return name, err
			}
		}
	}
	return bareKey(x)
}

// bareKey is key without what the number means.
func bareKey(x any) (string, error) {
	if v, ok := x.(value.Value); ok {
		if s, ok, err := text(v); ok {
			return s, err
		}
		n, err := v.Num()
		if err != nil {
			return "", fmt.Errorf("%s cannot be a key: %w", v.Type(), err)
		}
		if _, ok := btf.Underlying(v.Type()).(*btf.Pointer); ok {
			return fmt.Sprintf("%#x", n.Bits), nil
		}
		return keyText(plain(n)), nil
	}
	switch x.(type) {
	case string, int, int64, uint32, uint64, float64, bool:
		return keyText(x), nil
	}
	if err := faultOf(x); err != nil {
		return "", err
	}
	return "", fmt.Errorf("%s cannot be a key", describe(x))
}

func keyText(x any) string {
	switch x := x.(type) {
	case string:
		return x
	case float64:
		return floatText(x)
	}
	return fmt.Sprint(x)
}

// sortedKeys puts a map's keys in order: numbers by value, before all others.
func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		x, errA := strconv.ParseInt(a, 0, 64)
		y, errB := strconv.ParseInt(b, 0, 64)
		switch {
		case errA == nil && errB == nil && x != y:
			if x < y {
				return -1
			}
			return 1
		case errA == nil && errB != nil:
			return -1
		case errA != nil && errB == nil:
			return 1
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	return keys
}

// sorter orders elements by keys: all numbers, or all strings.
type sorter struct {
	elems []any
	nums  []number
	texts []string
}

func (o *sorter) add(elem, by any) error {
	if t, ok, err := text(by); ok {
		if err != nil {
			return err
		}
		o.texts = append(o.texts, t)
	} else {
		n, ok, err := numberOf(by)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%s has no order to sort by", describe(by))
		}
		o.nums = append(o.nums, n)
	}
	if len(o.nums) > 0 && len(o.texts) > 0 {
		return errors.New("strings and numbers have no common order")
	}
	o.elems = append(o.elems, elem)
	return nil
}

func (o *sorter) sorted(desc bool) []any {
	at := make([]int, len(o.elems))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(i, j int) int {
		if desc {
			i, j = j, i
		}
		if len(o.nums) > 0 {
			return order(o.nums[i], o.nums[j])
		}
		switch {
		case o.texts[i] < o.texts[j]:
			return -1
		case o.texts[i] > o.texts[j]:
			return 1
		}
		return 0
	})
	out := make([]any, len(at))
	for i, j := range at {
		out[i] = o.elems[j]
	}
	return out
}

func descending(x any) (bool, error) {
	switch x {
	case nil, "asc":
		return false, nil
	case "desc":
		return true, nil
	}
	return false, fmt.Errorf("%s is no order: it is 'asc' or 'desc'", describe(x))
}
