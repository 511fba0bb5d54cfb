package expr

import (
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"kinspect/expr/value"
)

// rewriter turns the tree of expr-lang's parser into one that its compiler and
// virtual machine can run on kernel values. Left alone, they would know nothing
// of C and be silently wrong: expr-lang takes every integer for a signed one.
//
//   - A name is looked up in the kernel and becomes a constant.
//   - Each operator, member, index and slice becomes a call of one of our
//     functions.
//   - What is used as a condition is wrapped into a call that knows C's truth.
//   - What a predicate runs over is wrapped into a call that makes a list of it.
//   - sum, groupBy and sortBy become map and a function of ours on its result.
//
// What remains of expr-lang are the loops of the predicates, short-circuiting,
// conditionals, variables, lists and maps. Nodes are built anew and not changed,
// since the parser shares one node between two parents in a < b < c.
type rewriter struct {
	s    *Session
	src  *source
	vars []string // declared by let, innermost last
	err  *Error   // the first one
}

// site is a place in the source that an operator's function needs to know of: its
// warnings are given once each.
type site struct {
	op     string
	warned bool
}

func (r *rewriter) fail(n ast.Node, format string, args ...any) ast.Node {
	if r.err == nil {
		col := -1
		if n != nil {
			col = n.Location().From
		}
		r.err = errorAt("", col, format, args...)
	}
	return &ast.NilNode{}
}

// at gives a new node the place of the one that it stands for.
func at(loc file.Location, n ast.Node) ast.Node {
	n.SetLocation(loc)
	return n
}

func constant(loc file.Location, v any) ast.Node { return at(loc, &ast.ConstantNode{Value: v}) }

// call is a call of one of the functions that the session gives the machine.
func call(name string, loc file.Location, args ...ast.Node) ast.Node {
	return at(loc, &ast.CallNode{
		Callee:    at(loc, &ast.IdentifierNode{Value: name}),
		Arguments: args,
	})
}

// node rewrites n.
func (r *rewriter) node(n ast.Node) ast.Node {
	if r.err != nil {
		return &ast.NilNode{}
	}
	switch n := n.(type) {
	case *ast.NilNode, *ast.BoolNode, *ast.StringNode, *ast.FloatNode:
		return n
	case *ast.IntegerNode:
		return r.integer(n)
	case *ast.IdentifierNode:
		return r.identifier(n)
	case *ast.UnaryNode:
		return r.unary(n)
	case *ast.BinaryNode:
		return r.binary(n)
	case *ast.ChainNode:
		out, _ := r.access(n.Node)
		return out
	case *ast.MemberNode:
		out, _ := r.access(n)
		return out
	case *ast.SliceNode:
		return call(fnSlice, n.Location(), r.node(n.Node), r.orNil(n.From), r.orNil(n.To))
	case *ast.CallNode:
		return r.call(n)
	case *ast.BuiltinNode:
		return r.builtin(n)
	case *ast.PointerNode:
		return r.pointer(n)
	case *ast.ConditionalNode:
		return at(n.Location(), &ast.ConditionalNode{
			Ternary: n.Ternary, Cond: r.condition(n.Cond), Exp1: r.node(n.Exp1), Exp2: r.node(n.Exp2),
		})
	case *ast.VariableDeclaratorNode:
		return r.declaration(n)
	case *ast.SequenceNode:
		out := &ast.SequenceNode{}
		for _, c := range n.Nodes {
			out.Nodes = append(out.Nodes, r.node(c))
		}
		return at(n.Location(), out)
	case *ast.ArrayNode:
		out := &ast.ArrayNode{}
		for _, c := range n.Nodes {
			out.Nodes = append(out.Nodes, r.node(c))
		}
		return at(n.Location(), out)
	case *ast.MapNode:
		return r.mapping(n)
	case *ast.BytesNode:
		return r.fail(n, "b'…' strings are not in the language: leave out the b")
	case nil:
		return r.fail(nil, "the expression is not complete")
	}
	return r.fail(n, "this form is not in the language")
}

func (r *rewriter) orNil(n ast.Node) ast.Node {
	if n == nil {
		return &ast.NilNode{}
	}
	return r.node(n)
}

// integer gives int and long their Go types.
func (r *rewriter) integer(n *ast.IntegerNode) ast.Node {
	return constant(n.Location(), plain(value.IntNum(int64(n.Value))))
}

func (r *rewriter) identifier(n *ast.IdentifierNode) ast.Node {
	if num, ok := r.src.nums[n.Location().From]; ok {
		return constant(n.Location(), plain(num))
	}
	if slices.Contains(r.vars, n.Value) {
		return at(n.Location(), &ast.IdentifierNode{Value: n.Value})
	}
	v, err := r.s.global(n.Value)
	if err != nil {
		r.fail(n, "%s", err.Error())
		r.err.Err = err
	}
	return constant(n.Location(), v)
}

// condition rewrites what is used as one.
func (r *rewriter) condition(n ast.Node) ast.Node {
	out := r.node(n)
	if n == nil {
		return out
	}
	if isBoolean(n) {
		return out
	}
	return call(fnTruth, n.Location(), out)
}

// isBoolean reports whether the rewritten node surely results in a bool.
func isBoolean(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BoolNode:
		return true
	case *ast.UnaryNode:
		return n.Operator == "!" || n.Operator == "not"
	case *ast.BinaryNode:
		switch n.Operator {
		case "==", "!=", "<", ">", "<=", ">=", "&&", "||", "and", "or",
			"in", "contains", "startsWith", "endsWith", "matches":
			return true
		}
	}
	return false
}

func (r *rewriter) unary(n *ast.UnaryNode) ast.Node {
	switch n.Operator {
	case "!", "not":
		if b, ok := n.Node.(*ast.BinaryNode); ok && r.boundTooTight(n, b) {
			return r.fail(n, "%s binds looser than %s here, unlike in C: use brackets, (%sa) %s b or %s(a %s b)",
				n.Operator, b.Operator, n.Operator, b.Operator, n.Operator, b.Operator)
		}
		return at(n.Location(), &ast.UnaryNode{Operator: "!", Node: r.condition(n.Node)})
	case "-", "+":
		return call(n.Operator, n.Location(), r.node(n.Node))
	}
	return r.fail(n, "the operator %s is not in the language", n.Operator)
}

// boundTooTight reports whether expr-lang read !a * b as !(a * b), which C does
// not. The tree has no brackets, so the source is asked whether there were any.
func (r *rewriter) boundTooTight(n *ast.UnaryNode, b *ast.BinaryNode) bool {
	switch b.Operator {
	case "*", "/", "%", "**", "??": // those that bind tighter than ! in expr-lang
	default:
		return false
	}
	i := n.Location().To
	for i < len(r.src.user) && (r.src.user[i] == ' ' || r.src.user[i] == '\t') {
		i++
	}
	if i >= len(r.src.user) || r.src.user[i] != '(' {
		return true
	}
	return closing(r.src.user, i) < b.Location().From
}

// closing returns the index of the bracket that closes the one at i.
func closing(src []rune, i int) int {
	depth := 0
	for i < len(src) {
		switch src[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return i
			}
		case '\'', '"', '`':
			i = skipString(src, i)
			continue
		}
		i++
	}
	return i
}

func (r *rewriter) binary(n *ast.BinaryNode) ast.Node {
	loc := n.Location()
	switch n.Operator {
	case "&&", "||", "and", "or":
		return at(loc, &ast.BinaryNode{Operator: n.Operator, Left: r.condition(n.Left), Right: r.condition(n.Right)})
	case "??":
		return at(loc, &ast.BinaryNode{Operator: "??", Left: r.node(n.Left), Right: r.node(n.Right)})
	case "==", "!=", "<", ">", "<=", ">=":
		return call(fnCompare, loc, constant(loc, &site{op: n.Operator}), r.node(n.Left), r.node(n.Right))
	case "+", "-", "*", "/", "%", "**", "in", "contains", "startsWith", "endsWith", "matches", "..":
		return call(n.Operator, loc, r.node(n.Left), r.node(n.Right))
	case "^":
		return r.fail(n, "^ could mean C's exclusive or, or a power: use bitxor(a, b) or a ** b")
	}
	return r.fail(n, "the operator %s is not in the language", n.Operator)
}

// access rewrites a chain of members and indices. optional reports whether a ?.
// is in it: what follows one then passes nil on.
func (r *rewriter) access(n ast.Node) (out ast.Node, optional bool) {
	m, ok := n.(*ast.MemberNode)
	if !ok {
		return r.node(n), false
	}
	base, optional := r.access(m.Node)
	optional = optional || m.Optional
	safe := ast.Node(at(m.Location(), &ast.BoolNode{Value: optional}))
	if name, ok := m.Property.(*ast.StringNode); ok && r.isName(m) {
		if _, number := r.src.nums[name.Location().From]; number {
			return r.fail(name, "expected the name of a member"), false
		}
		return call(fnMember, m.Location(), base, name, safe), optional
	}
	return call(fnIndex, m.Location(), base, r.node(m.Property), safe), optional
}

// isName tells a.b from a["b"], which have the same tree.
func (r *rewriter) isName(m *ast.MemberNode) bool {
	i := m.Location().From
	return i >= len(r.src.user) || r.src.user[i] != '['
}

func (r *rewriter) pointer(n *ast.PointerNode) ast.Node {
	switch n.Name {
	case "", "index", "acc":
		return at(n.Location(), &ast.PointerNode{Name: n.Name})
	}
	return r.fail(n, "#%s is not in the language: # is the element, #index its index, #acc what reduce has so far", n.Name)
}

func (r *rewriter) declaration(n *ast.VariableDeclaratorNode) ast.Node {
	if _, ok := r.src.nums[n.Location().From]; ok {
		return r.fail(n, "expected a name after let")
	}
	v := r.node(n.Value)
	r.vars = append(r.vars, n.Name)
	e := r.node(n.Expr)
	r.vars = r.vars[:len(r.vars)-1]
	return at(n.Location(), &ast.VariableDeclaratorNode{Name: n.Name, Value: v, Expr: e})
}

func (r *rewriter) mapping(n *ast.MapNode) ast.Node {
	out := &ast.MapNode{}
	for _, p := range n.Pairs {
		pair, ok := p.(*ast.PairNode)
		if !ok {
			return r.fail(p, "expected a key and a value")
		}
		var key ast.Node
		if name, ok := pair.Key.(*ast.StringNode); ok {
			key = name
			if num, ok := r.src.nums[name.Location().From]; ok {
				key = constant(name.Location(), keyText(plain(num)))
			}
		} else {
			key = call(fnKey, pair.Key.Location(), r.node(pair.Key))
		}
		out.Pairs = append(out.Pairs, at(pair.Location(), &ast.PairNode{Key: key, Value: r.node(pair.Value)}))
	}
	return at(n.Location(), out)
}
