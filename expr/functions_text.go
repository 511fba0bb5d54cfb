package expr

import (
	"fmt"
	"strings"

	"kinspect/expr/value"
)

const topicText = "strings"

var textFunctions = []Function{
	{
		Name: "string", Signature: "string(VALUE)", Topic: topicText,
		Doc:      "the string in a char array or behind a char pointer; of anything else, its text",
		Examples: []string{"string(netdev('lo').name)", "string(5)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			if s, ok, err := text(c.Arg(0)); ok {
				return s, err
			}
			return briefText(c.Arg(0), value.DefaultFormat)
		},
	},
	textFunction("upper", "in capitals", strings.ToUpper),
	textFunction("lower", "in small letters", strings.ToLower),
	textFunction("trim", "without blanks around it", strings.TrimSpace),
	{
		Name: "split", Signature: "split(STRING, SEPARATOR)", Topic: topicText,
		Doc:      "the parts of a string between separators",
		Examples: []string{"split('a,b', ',')"},
		MinArgs:  2, MaxArgs: 2, Args: []ArgKind{WordArg, WordArg},
		Call: func(c *Call) (any, error) {
			s, err := c.String(0, "what split takes")
			if err != nil {
				return nil, err
			}
			sep, err := c.String(1, "the separator")
			if err != nil {
				return nil, err
			}
			out := []any{}
			for p := range strings.SplitSeq(s, sep) {
				out = append(out, p)
			}
			return out, c.Grow(len(out))
		},
	},
	{
		Name: "join", Signature: "join(LIST[, SEPARATOR])", Topic: topicText,
		Doc:      "the strings of a list as one",
		Examples: []string{"netdevs() | map(.name) | join(', ')"},
		MinArgs:  1, MaxArgs: 2, Args: []ArgKind{AnyArg, WordArg},
		Call: callJoin,
	},
}

func textFunction(name, doc string, f func(string) string) Function {
	return Function{
		Name: name, Signature: name + "(STRING)", Topic: topicText, Doc: "a string " + doc,
		Examples: []string{name + "(' Bond0 ')"},
		MinArgs:  1, MaxArgs: 1, Args: []ArgKind{WordArg},
		Call: func(c *Call) (any, error) {
			s, err := c.String(0, "what "+name+" takes")
			return f(s), err
		},
	}
}

func callJoin(c *Call) (any, error) {
	l, err := c.List(0)
	if err != nil {
		return nil, err
	}
	sep := ""
	if c.Arg(1) != nil {
		if sep, err = c.String(1, "the separator"); err != nil {
			return nil, err
		}
	}
	var b strings.Builder
	for i, e := range l {
		t, ok, err := text(e)
		if err != nil {
			return nil, err
		}
		if !ok {
			if t, err = briefText(e, value.DefaultFormat); err != nil {
				return nil, err
			}
		}
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(t)
		if b.Len() > maxText {
			return nil, fmt.Errorf("the string is longer than %d bytes", maxText)
		}
	}
	return b.String(), nil
}
