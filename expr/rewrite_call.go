package expr

import (
	"fmt"

	"github.com/expr-lang/expr/ast"

	"kinspect/btf"
)

func (r *rewriter) call(n *ast.CallNode) ast.Node {
	switch callee := n.Callee.(type) {
	case *ast.IdentifierNode:
		return r.function(n, callee.Value, n.Arguments)
	case *ast.MemberNode:
		return r.fail(callee, "a function of the kernel cannot be called: nothing runs in it")
	}
	return r.fail(n, "this is not a function")
}

// function rewrites the call of a function of the registry.
func (r *rewriter) function(n ast.Node, name string, args []ast.Node) ast.Node {
	if _, ok := r.src.nums[n.Location().From]; ok {
		return r.fail(n, "a number is not a function")
	}
	f, ok := r.s.functions[name]
	if !ok {
		return r.fail(n, "%s", r.s.noFunction(name))
	}
	if f.Call == nil {
		return r.fail(n, "%s needs a predicate: %s", name, f.Signature)
	}
	if len(args) < f.MinArgs || f.MaxArgs >= 0 && len(args) > f.MaxArgs {
		return r.fail(n, "%s", wrongCount(f, len(args)))
	}
	out := make([]ast.Node, len(args))
	for i, a := range args {
		if id, ok := a.(*ast.IdentifierNode); ok && f.argKind(i) != AnyArg && r.unknown(id) {
			return r.fail(id, "%s is not the name of anything here: names of devices, types and the like are written in quotes, '%s'", id.Value, id.Value)
		}
		out[i] = r.node(a)
	}
	return call(name, n.Location(), out...)
}

// unknown reports whether a name means nothing, so that it may lack its quotes.
func (r *rewriter) unknown(id *ast.IdentifierNode) bool {
	if _, ok := r.src.nums[id.Location().From]; ok {
		return false
	}
	for _, v := range r.vars {
		if v == id.Value {
			return false
		}
	}
	_, err := r.s.global(id.Value)
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

// noFunction is the error for a name that no function has.
func (s *Session) noFunction(name string) string {
	names := make([]string, 0, len(s.functions))
	for n := range s.functions {
		names = append(names, n)
	}
	msg := fmt.Sprintf("there is no function %s", name)
	if near := btf.Near(name, names); len(near) > 0 {
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

// builtin rewrites what expr-lang's parser takes for a function of its own: one
// with a predicate, or any other name that it knows.
func (r *rewriter) builtin(n *ast.BuiltinNode) ast.Node {
	loc := n.Location()
	if len(n.Arguments) == 0 {
		return r.function(n, n.Name, nil)
	}
	if name, ok := r.src.lent[loc.From]; ok {
		return call(name, loc, r.loop(n, "map", r.predicate(n, false)))
	}
	switch n.Name {
	case "all", "any", "none", "one", "filter", "find", "findIndex", "findLast", "findLastIndex":
		return r.loop(n, n.Name, r.predicate(n, true))
	case "count":
		if len(n.Arguments) == 1 {
			element := call(fnTruth, loc, at(loc, &ast.PointerNode{}))
			return r.loop(n, "count", at(loc, &ast.PredicateNode{Node: element}))
		}
		return r.loop(n, "count", r.predicate(n, true))
	case "map":
		return r.loop(n, "map", r.predicate(n, false))
	case "reduce":
		loop := r.loop(n, "reduce", r.predicate(n, false))
		if len(n.Arguments) == 3 {
			if b, ok := loop.(*ast.BuiltinNode); ok {
				b.Arguments = append(b.Arguments, r.node(n.Arguments[2]))
			}
		}
		return loop
	case "sum":
		if len(n.Arguments) == 2 {
			return call("sum", loc, r.loop(n, "map", r.predicate(n, false)))
		}
		return call("sum", loc, r.node(n.Arguments[0]))
	case "groupBy":
		return call(fnGroup, loc, r.pairs(n))
	case "sortBy":
		args := []ast.Node{r.pairs(n)}
		if len(n.Arguments) == 3 {
			args = append(args, r.node(n.Arguments[2]))
		}
		return call(fnSortPairs, loc, args...)
	}
	return r.function(n, n.Name, n.Arguments)
}

// loop is the predicate function name over the list that the first argument is.
func (r *rewriter) loop(n *ast.BuiltinNode, name string, pred ast.Node) ast.Node {
	list := r.node(n.Arguments[0])
	return at(n.Location(), &ast.BuiltinNode{
		Name:      name,
		Arguments: []ast.Node{call(fnList, n.Location(), list), pred},
	})
}

// predicate rewrites the second argument.
func (r *rewriter) predicate(n *ast.BuiltinNode, condition bool) ast.Node {
	if len(n.Arguments) < 2 {
		return r.fail(n, "%s needs a predicate", n.Name)
	}
	p, ok := n.Arguments[1].(*ast.PredicateNode)
	if !ok {
		return r.fail(n.Arguments[1], "%s needs a predicate", n.Name)
	}
	body := r.node
	if condition {
		body = r.condition
	}
	return at(p.Location(), &ast.PredicateNode{Node: body(p.Node)})
}

// pairs is map(list, [element, what the predicate makes of it]).
func (r *rewriter) pairs(n *ast.BuiltinNode) ast.Node {
	p, ok := r.predicate(n, false).(*ast.PredicateNode)
	if !ok {
		return &ast.NilNode{}
	}
	loc := n.Location()
	pair := at(loc, &ast.ArrayNode{Nodes: []ast.Node{at(loc, &ast.PointerNode{}), p.Node}})
	return r.loop(n, "map", at(loc, &ast.PredicateNode{Node: pair}))
}
