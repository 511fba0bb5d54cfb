package expr

import (
	"errors"

	"kinspect/expr/value"
)

// Fault stands where a value would: for an element that map could not make of what the
// kernel's memory holds, an item of a list or map that an expression writes, a part of a
// record. It prints as what is wrong, and a result that has one is an answer in part.
// What computes with it gives its error.
type Fault struct{ err error }

// Text implements [Printer].
func (x Fault) Text(value.Format) (string, error) { return value.FaultText(x.err), x.err }

// JSON implements [Printer]: {"error": TEXT}.
func (x Fault) JSON() (any, error) { return errorObject(x.err), x.err }

func errorObject(err error) any { return map[string]any{"error": jsonText(err.Error())} }

// orFault is v, or the fault that kept it from being made. Errors of the expression itself,
// and the end of an evaluation, are passed on.
func orFault(v any, err error) (any, error) {
	if value.IsFault(err) {
		return Fault{err}, nil
	}
	return v, err
}

// faultOf is the error of what is a fault, else nil.
func faultOf(x any) error {
	if f, ok := x.(Fault); ok {
		return f.err
	}
	return nil
}

var faultFunctions = []Function{
	{
		Name: "fault", Signature: "fault(EXPR)", Topic: topicKernel,
		Doc: "what keeps an expression from being evaluated: the text of the fault, or nil where there is none. " +
			"Of a value of the kernel it says whether its memory can be read",
		Examples: []string{"fault(*(int *)0xffff800000000000)", "tasks() | filter(fault(stack(#)) != nil) | map(.comm)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			err := faultOf(c.Arg(0))
			if v, ok := c.Arg(0).(value.Value); ok && !v.IsPerCPU() {
				_, err = v.Bytes()
			}
			if err == nil || !value.IsFault(err) {
				return nil, nil
			}
			return faultMessage(err), nil
		},
	},
}

// faultMessage is the fault's own text.
func faultMessage(err error) string {
	var at *Error
	if errors.As(err, &at) {
		return at.Msg
	}
	return err.Error()
}
