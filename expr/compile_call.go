package expr

import (
	"fmt"
	"slices"

	"kinspect/btf"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

// call compiles the call of a function.
func (c *compiler) call(n *syntax.Call) *compiled {
	f, ok := c.s.functions[n.Name]
	if !ok {
		return c.fail(n.At, "%s", c.s.noFunction(n.Name))
	}
	if f.Call == nil || predicative[n.Name] && len(n.Args) > 1 {
		if _, ok := optional2(n.Args, 1).(*syntax.Predicate); ok || f.Call == nil {
			return c.predicate(n, f)
		}
	}
	if len(n.Args) < f.MinArgs || f.MaxArgs >= 0 && len(n.Args) > f.MaxArgs {
		msg := wrongCount(f, len(n.Args))
		if n.Pipe {
			msg += "; what stands before the | is the first argument, so that x | (f(y)) is C's or"
		}
		return c.fail(n.At, "%s", msg)
	}
	if n.Name == "sizeof" {
		if name, ok := n.Args[0].(*syntax.Name); ok && c.unknown(name) {
			if _, err := c.s.parseType(name.Name); err == nil {
				return c.sizeof(&syntax.String{Place: name.Place, Value: name.Name}, n.At)
			}
		} else {
			return c.sizeof(n.Args[0], n.At)
		}
	}
	args := make([]*compiled, len(n.Args))
	for i, a := range n.Args {
		if id, ok := a.(*syntax.Name); ok && f.argKind(i) != AnyArg && c.unknown(id) {
			return c.fail(id.At, "%s is not the name of anything here: names of devices, types and the like are written in quotes, '%s'", id.Name, id.Name)
		}
		args[i] = c.node(a)
	}
	at, s := n.At, c.s
	catches := n.Name == "fault"
	var ref func(*frame) (value.Value, bool, error)
	var onStruct structCall
	element := -1 // the slot of the element that is the argument
	if f.onStruct != nil && len(args) == 1 && args[0].ref != nil {
		ref, onStruct = args[0].ref, f.onStruct()
		if e, ok := n.Args[0].(*syntax.Element); ok && e.Name == "" {
			element = c.elems[len(c.elems)-1]
		}
	}
	return &compiled{run: s.alive(func(fr *frame) (any, error) {
		if err := fr.check(); err != nil {
			return nil, place(err, at)
		}
		var st *value.Value // the argument, where it is a struct in hand
		if element >= 0 {
			if e := fr.slots[element].e; e.isRef {
				st = &e.ref
			}
		} else if ref != nil {
			if v, ok, err := ref(fr); ok && err == nil {
				st = &v
			}
		}
		if st != nil {
			if out, ok, err := onStruct(st); err != nil {
				return nil, place(err, at)
			} else if ok {
				return out, nil
			}
		}
		values := make([]any, len(args))
		for i, a := range args {
			v, err := a.run(fr)
			if catches {
				v, err = orFault(v, err)
			} else if err == nil {
				err = faultOf(v)
			}
			if err != nil {
				return nil, err
			}
			values[i] = v
		}
		v, err := f.Call(&Call{Context: fr.now.ctx, Session: s, Args: values, frame: fr})
		if err != nil {
			return nil, place(err, at)
		}
		return v, nil
	})}
}

func optional2(args []syntax.Node, i int) syntax.Node {
	if i < len(args) {
		return args[i]
	}
	return nil
}

// isVariable reports whether a name is one of let's or of the session's.
func (c *compiler) isVariable(name string) bool {
	_, ok := c.s.variables[name]
	return ok || slices.ContainsFunc(c.vars, func(v variable) bool { return v.name == name })
}

// unknown reports whether a name means nothing, so that it may lack its quotes.
func (c *compiler) unknown(n *syntax.Name) bool {
	if c.isVariable(n.Name) || n.Name == null {
		return false
	}
	_, err := c.s.global(n.Name)
	return err != nil
}

func wrongCount(f *Function, got int) string {
	var want string
	switch {
	case f.MaxArgs < 0:
		want = fmt.Sprintf("at least %d", f.MinArgs)
	case f.MinArgs == f.MaxArgs:
		want = fmt.Sprint(f.MinArgs)
	default:
		want = fmt.Sprintf("%d to %d", f.MinArgs, f.MaxArgs)
	}
	s := "s"
	if want == "1" {
		s = ""
	}
	return fmt.Sprintf("%s takes %s argument%s, not %d: %s", f.Name, want, s, got, f.Signature)
}

func (s *Session) functionNames() []string {
	names := make([]string, 0, len(s.functions))
	for n := range s.functions {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// noFunction is the error for a name that no function has.
func (s *Session) noFunction(name string) string {
	msg := fmt.Sprintf("there is no function %s", name)
	if near := btf.Near(name, s.functionNames()); len(near) > 0 {
		return msg + "; did you mean " + joinOr(near) + "?"
	}
	return msg + ": help lists them"
}

func joinOr(names []string) string {
	out := ""
	for i, n := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			out += " or "
		default:
			out += ", "
		}
		out += n
	}
	return out
}
