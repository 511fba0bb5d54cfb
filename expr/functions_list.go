package expr

import (
	"errors"
	"fmt"

	"kinspect/expr/value"
)

const topicList = "lists"

var listFunctions = []Function{
	{
		Name: "len", Signature: "len(LIST or STRING)", Topic: topicList,
		Doc:      "how many elements a list, a map or an array has, or bytes a string",
		Examples: []string{"len(netdevs())", "len(netdev('lo').name)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) { return wrapInt(c.Session.length(c.Arg(0))) },
	},
	{
		Name: "first", Signature: "first(LIST)", Topic: topicList,
		Doc:      "the first element, or nil",
		Examples: []string{"first(netdevs()).name"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			var out any
			err := c.each(0, func(e *elem) error {
				out = e.value()
				return value.Stop()
			})
			return out, err
		},
	},
	{
		Name: "last", Signature: "last(LIST)", Topic: topicList,
		Doc:      "the last element, or nil",
		Examples: []string{"last(netdevs()).name"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			var out any
			if q, ok := c.Arg(0).(*Sequence); ok && q.span != nil && q.span.len() > 0 {
				return q.span.at(-1)
			}
			err := c.each(0, func(e *elem) error {
				out = e.value()
				return nil
			})
			return out, err
		},
	},
	{
		Name: "take", Signature: "take(LIST, N)", Topic: topicList,
		Doc:      "the first N elements",
		Examples: []string{"netdevs() | take(2) | map(.name)"},
		MinArgs:  2, MaxArgs: 2,
		Call: func(c *Call) (any, error) {
			n, err := c.Int(1, "a number of elements")
			if err != nil {
				return nil, err
			}
			if n < 0 {
				return nil, errors.New("take: a number of elements is not negative")
			}
			if q, ok := c.Arg(0).(*Sequence); ok {
				return c.Session.head(c.frame, q, n), nil
			}
			l, err := c.List(0)
			if err != nil {
				return nil, err
			}
			return l[:min(n, int64(len(l)))], nil
		},
	},
	{
		Name: "reverse", Signature: "reverse(LIST)", Topic: topicList,
		Doc:      "the elements from the last to the first",
		Examples: []string{"reverse(1..3)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			l, err := c.List(0)
			if err != nil {
				return nil, err
			}
			out := make([]any, len(l))
			for i, e := range l {
				out[len(l)-1-i] = e
			}
			return out, c.Grow(len(l))
		},
	},
	{
		Name: "concat", Signature: "concat(LIST, …)", Topic: topicList,
		Doc:      "the elements of several lists in one",
		Examples: []string{"concat([1, 2], 3..4)"},
		MinArgs:  1, MaxArgs: -1,
		Call: func(c *Call) (any, error) { return c.join(c.Args) },
	},
	{
		Name: "flatten", Signature: "flatten(LIST)", Topic: topicList,
		Doc:      "the elements of a list's lists in one",
		Examples: []string{"netnss() | map(netdevs(#)) | flatten() | map(.name)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			l, err := c.List(0)
			if err != nil {
				return nil, err
			}
			return c.join(l)
		},
	},
	{
		Name: "sort", Signature: "sort(LIST[, 'asc' or 'desc'])", Topic: topicList,
		Doc:      "the elements in order: numbers by value, unsigned ones too, or strings",
		Examples: []string{"netdevs() | map(.ifindex) | sort('desc')"},
		MinArgs:  1, MaxArgs: 2, Args: []ArgKind{AnyArg, WordArg}, Words: oneOf("asc", "desc"),
		Call: callSort,
	},
	{
		Name: "uniq", Signature: "uniq(LIST)", Topic: topicList,
		Doc:      "each element once",
		Examples: []string{"netdevs() | map(.mtu) | uniq()"},
		MinArgs:  1, MaxArgs: 1,
		Call: callUniq,
	},
	{
		Name: "min", Signature: "min(LIST[, PREDICATE]) or min(A, B, …)", Topic: topicList,
		Doc:      "the smallest number",
		Examples: []string{"netdevs() | min(.mtu)"},
		MinArgs:  1, MaxArgs: -1,
		Call: func(c *Call) (any, error) { return c.Session.extreme("min", c.Args) },
	},
	{
		Name: "max", Signature: "max(LIST[, PREDICATE]) or max(A, B, …)", Topic: topicList,
		Doc:      "the largest number",
		Examples: []string{"netdevs() | max(.rx_dropped)", "max(3, 0xffffffffffffffff)"},
		MinArgs:  1, MaxArgs: -1,
		Call: func(c *Call) (any, error) { return c.Session.extreme("max", c.Args) },
	},
	{
		Name: "sum", Signature: "sum(LIST[, PREDICATE])", Topic: topicList,
		Doc:      "the sum, as long or unsigned long, not cut to the elements' type",
		Examples: []string{"netdevs() | sum(.rx_dropped)", "sum([1, 2, 3])"},
		MinArgs:  1, MaxArgs: 1,
		Call: callSum,
	},
	{
		Name: "mean", Signature: "mean(LIST[, PREDICATE])", Topic: topicList,
		Doc:      "the arithmetic mean, with a fraction",
		Examples: []string{"mean([1, 2])", "netdevs() | mean(.mtu)"},
		MinArgs:  1, MaxArgs: 1,
		Call: callMean,
	},
	{
		Name: "keys", Signature: "keys(MAP)", Topic: topicList,
		Doc:      "the keys of a map, in order",
		Examples: []string{"netdevs() | groupBy(.mtu) | keys()"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			m, err := c.mapping(0)
			if err != nil {
				return nil, err
			}
			out := []any{}
			for _, k := range sortedKeys(m) {
				out = append(out, k)
			}
			return out, c.Grow(len(out))
		},
	},
	{
		Name: "values", Signature: "values(MAP)", Topic: topicList,
		Doc:      "the values of a map, in the order of its keys",
		Examples: []string{"values({a: 1, b: 2})"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			m, err := c.mapping(0)
			if err != nil {
				return nil, err
			}
			out := []any{}
			for _, k := range sortedKeys(m) {
				out = append(out, m[k])
			}
			return out, c.Grow(len(out))
		},
	},
	{
		Name: "get", Signature: "get(LIST or MAP, KEY)", Topic: topicList,
		Doc:      "one element, or nil where there is none",
		Examples: []string{"get({a: 1}, 'b')"},
		MinArgs:  2, MaxArgs: 2,
		Call: func(c *Call) (any, error) {
			switch x := c.Arg(0).(type) {
			case map[string]any:
				k, err := key(c.Arg(1))
				return x[k], err
			case *Sequence:
				n, err := c.Int(1, "an index")
				if err != nil || n < 0 {
					return nil, err
				}
				if x.span != nil && uint64(n) >= x.span.len() {
					return nil, nil
				} else if x.span != nil {
					return x.span.at(n)
				}
				return c.Session.head(c.frame, x, n+1).last(n)
			case []any:
				n, err := c.Int(1, "an index")
				if err != nil || n < 0 || n >= int64(len(x)) {
					return nil, err
				}
				return x[n], nil
			}
			return nil, fmt.Errorf("get takes a list or a map, not %s", describe(c.Arg(0)))
		},
	},
}

func wrapInt(n int, err error) (any, error) { return plain(value.IntNum(int64(n))), err }

func (c *Call) mapping(i int) (map[string]any, error) {
	m, ok := c.Arg(i).(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is not a map", describe(c.Arg(i)))
	}
	return m, nil
}

// join makes one list of several; what is no list is an element.
func (c *Call) join(parts []any) (any, error) {
	out := []any{}
	for _, p := range parts {
		l, ok := p.([]any)
		if q, isSeq := p.(*Sequence); isSeq {
			var err error
			if l, err = c.Session.collect(q); err != nil {
				return nil, err
			}
		} else if !ok {
			l = []any{p}
		}
		if err := c.Grow(len(l)); err != nil {
			return nil, err
		}
		out = append(out, l...)
	}
	return out, nil
}

func callSort(c *Call) (any, error) {
	l, err := c.List(0)
	if err != nil {
		return nil, err
	}
	desc, err := descending(c.Arg(1))
	if err != nil {
		return nil, err
	}
	var o sorter
	for _, e := range l {
		if err := o.add(e, e); err != nil {
			return nil, fmt.Errorf("sort: %w", err)
		}
	}
	return o.sorted(desc), c.Grow(len(l))
}

func callUniq(c *Call) (any, error) {
	if q, ok := c.Arg(0).(*Sequence); ok {
		return c.Session.distinct(c.frame, q), nil
	}
	l, err := c.List(0)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	out := []any{}
	for _, e := range l {
		k, err := distinctKey(e)
		if err != nil {
			return nil, err
		}
		if !seen[k] {
			seen[k] = true
			out = append(out, e)
		}
	}
	return out, c.Grow(len(out))
}

// distinctKey tells elements apart.
func distinctKey(x any) (string, error) {
	k, err := bareKey(x)
	if err != nil {
		return "", fmt.Errorf("uniq: %w", err)
	}
	if _, isText, _ := text(x); isText {
		k = "'" + k // the string "1" is not the number 1
	}
	return k, nil
}

// each goes through an argument that is a list, an array or a sequence.
func (c *Call) each(i int, visit func(*elem) error) error {
	return c.Session.iterate(c.frame, c.Arg(i), visit)
}
