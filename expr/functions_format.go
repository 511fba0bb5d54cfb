package expr

import (
	"kinspect/expr/value"
)

var formatFunctions = []Function{
	{
		Name: "format", Signature: "format(VALUE, 'OPTION,…')", Topic: topicShow,
		Doc: "a value that prints with the options of the prompt's set: depth=N, elements=N, full, width=N, oneline, hex, dec, notypes, types, default; " +
			"where a string is wanted it is its text, in JSON the value itself",
		Examples: []string{"format(netdev('lo').dev_list, 'hex,notypes')", "'at ' + format(1500, 'hex')"},
		MinArgs:  2, MaxArgs: 2, Args: []ArgKind{AnyArg, WordArg}, Words: formatOptions,
		Call: func(c *Call) (any, error) {
			options, err := c.String(1, "the options")
			if err != nil {
				return nil, err
			}
			if _, err := value.DefaultFormat.Set(options); err != nil {
				return nil, err
			}
			return formatted{result: Result{Value: c.Arg(0), session: c.Session, frame: c.frame}, options: options}, nil
		},
	},
}

// formatted is a value that prints with options of its own, on top of those around it.
type formatted struct {
	result  Result
	options string
}

// Text implements [Printer].
func (x formatted) Text(f value.Format) (string, error) {
	f, err := f.Set(x.options)
	if err != nil {
		return "", err
	}
	return x.result.Text(f)
}

// JSON implements [Printer].
func (x formatted) JSON() (any, error) {
	j := jsonWriter{}
	return j.any(x.result.Value), j.err
}
