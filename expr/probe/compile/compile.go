package compile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"kinspect/btf"
	"kinspect/expr"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

// Arg is a value that the program is called with.
type Arg struct {
	Name string
	Type btf.Type
	// Offset is where its eight bytes are, from the program's context on.
	Offset int16
	// Missing says why it cannot be used, where it cannot.
	Missing string
}

// Scope is what an expression can name, beside what a session's expressions can.
type Scope struct {
	Session *expr.Session
	Args    []Arg
	// Numbers says that the verifier takes what the context holds for numbers, as it does a
	// kprobe's registers. It knows the types of the arguments of other programs, and what
	// it believes of pointers, such as that they are not NULL, need not be so.
	Numbers bool
	// Context says of what these are, for an error: "bond_handle_frame".
	Context string
}

// Limits of one expression.
const (
	maxInstructions = 8192
	maxProgram      = 1 << 16 // of several expressions, and what is around them
	maxString       = 127     // bytes of a string that memory is compared with
	maxEvaluate     = 30 * time.Second
)

// Expr is a compiled expression.
type Expr struct {
	Src      string
	Warnings []string // what the user should know beside the result
	out      *operand
	uses     map[string]bool
	numbers  bool
}

// Uses reports whether the expression names an argument.
func (e *Expr) Uses(arg string) bool { return e.uses[arg] }

// Compile compiles an expression. The error is an [*expr.Error].
func Compile(scope Scope, src string) (*Expr, error) {
	c := &compiler{scope: scope, s: scope.Session, src: []rune(src), uses: map[string]bool{}}
	tree, err := c.s.Parse(src, names{c})
	if err != nil {
		return nil, err
	}
	for _, w := range tree.Warnings {
		c.warn("%s", w)
	}
	out := c.node(tree.Root)
	e := &Expr{Src: src, Warnings: c.warnings, out: out, uses: c.uses, numbers: scope.Numbers}
	if c.err == nil {
		c.check(e, tree.Root)
	}
	if c.err != nil {
		c.err.Src, c.err.Msg = src, value.Scrub(c.err.Msg)
		return nil, c.err
	}
	return e, nil
}

// Condition compiles an expression of which the truth is asked for.
func Condition(scope Scope, src string) (*Expr, error) {
	return as(scope, src, func(c *compiler, o *operand, at int) *operand { return c.truth(o, at) })
}

// Number compiles an expression of which a number is asked for: an integer, or the address that
// a pointer is.
func Number(scope Scope, src string) (*Expr, error) {
	return as(scope, src, func(c *compiler, o *operand, at int) *operand { return c.number(o, at) })
}

func as(scope Scope, src string, what func(*compiler, *operand, int) *operand) (*Expr, error) {
	e, err := Compile(scope, src)
	if err != nil {
		return nil, err
	}
	c := &compiler{scope: scope, s: scope.Session, src: []rune(src), uses: e.uses}
	e.out = what(c, e.out, e.out.at)
	if c.err != nil {
		c.err.Src, c.err.Msg = src, value.Scrub(c.err.Msg)
		return nil, c.err
	}
	return e, nil
}

// compiler turns a tree into operands.
type compiler struct {
	scope    Scope
	s        *expr.Session
	src      []rune
	lets     []let // innermost last
	uses     map[string]bool
	warnings []string
	err      *expr.Error // the first one
}

// let is a name that let declared.
type let struct {
	name string
	is   *operand
}

func (c *compiler) fail(at int, format string, args ...any) *operand {
	if c.err == nil {
		c.err = &expr.Error{Msg: fmt.Sprintf(format, args...), Column: at}
	}
	return &operand{kind: kindNumber, constant: true, num: value.IntNum(0), at: at}
}

func (c *compiler) warn(format string, args ...any) {
	msg := value.Scrub(fmt.Sprintf(format, args...))
	if len(c.warnings) < 20 && !slices.Contains(c.warnings, msg) {
		c.warnings = append(c.warnings, msg)
	}
}

// check makes the instructions once, for the limits that show then.
func (c *compiler) check(e *Expr, root syntax.Node) {
	g := NewGen("", 0)
	fault := g.NewLabel()
	if e.out.kind == kindNumber || e.out.kind == kindPlace {
		g.Store(e, 0, 0, fault)
	}
	switch {
	case g.tooDeep:
		c.fail(root.Where().At, "the expression is nested too deeply for a program in the kernel: %d values wait for others at once", maxSlots)
	case len(g.ins) > maxInstructions:
		c.fail(root.Where().At, "the expression is too long for a program in the kernel: it takes %d instructions, and %d is the limit", len(g.ins), maxInstructions)
	}
}

// names is what the parser has to know.
type names struct{ c *compiler }

// Function implements [syntax.Names].
func (n names) Function(name string) (syntax.Function, bool) {
	if n.c.arg(name) != nil {
		return syntax.Function{}, false
	}
	return n.c.s.Names().Function(name)
}

// IsType implements [syntax.Names].
func (n names) IsType(name string) bool {
	return n.c.arg(name) == nil && n.c.s.Names().IsType(name)
}

func (c *compiler) arg(name string) *Arg {
	for i := range c.scope.Args {
		if c.scope.Args[i].Name == name {
			return &c.scope.Args[i]
		}
	}
	return nil
}

// moving reports whether a node names an argument, or a variable that does: then it has another
// value each time.
func (c *compiler) moving(n syntax.Node) bool {
	if n, ok := n.(*syntax.Name); ok {
		for _, l := range slices.Backward(c.lets) {
			if l.name == n.Name {
				return true
			}
		}
		return c.arg(n.Name) != nil
	}
	found := false
	syntax.Children(n, func(child syntax.Node) { found = found || c.moving(child) })
	return found
}

// evaluate is what the session makes of a node, once.
func (c *compiler) evaluate(n syntax.Node) *operand {
	w := n.Where()
	from := w.From
	syntax.Children(n, func(child syntax.Node) { from = min(from, child.Where().From) }) // what stands before a pipe
	ctx, done := context.WithTimeout(context.Background(), maxEvaluate)
	defer done()
	r, err := c.s.Eval(ctx, string(c.src[from:w.To]))
	for _, m := range r.Warnings {
		c.warn("%s", m)
	}
	if err != nil {
		at := w.At
		if e, ok := err.(*expr.Error); ok && e.Column >= 0 { //nolint:errorlint // Eval returns one
			at = from + e.Column
		}
		return c.fail(at, "%s", err)
	}
	return c.known(r.Value, w.At)
}

// node compiles one.
func (c *compiler) node(n syntax.Node) *operand {
	if c.err != nil {
		return c.fail(0, "")
	}
	out := c.form(n)
	out.at = n.Where().At
	return out
}

func (c *compiler) form(n syntax.Node) *operand {
	at := n.Where().At
	switch n := n.(type) {
	case *syntax.Nil:
		return &operand{kind: kindNil, constant: true}
	case *syntax.Bool, *syntax.String, *syntax.Int:
		return c.literal(n)
	case *syntax.Float:
		return c.fail(at, "a program in the kernel has no numbers with a fraction")
	case *syntax.Name:
		return c.name(n)
	case *syntax.Unary:
		return c.unary(n)
	case *syntax.Binary:
		return c.binary(n)
	case *syntax.Chain:
		return c.chain(n)
	case *syntax.Cond:
		return c.conditional(n)
	case *syntax.Member:
		return c.member(n)
	case *syntax.Index:
		return c.index(n)
	case *syntax.Call:
		return c.call(n)
	case *syntax.Cast:
		return c.cast(n)
	case *syntax.Let:
		return c.let(n)
	case *syntax.Seq:
		for _, x := range n.Nodes[:len(n.Nodes)-1] {
			c.node(x) // for its errors alone: it has no effect
		}
		return c.node(n.Nodes[len(n.Nodes)-1])
	}
	if !c.moving(n) {
		return c.evaluate(n)
	}
	switch n.(type) {
	case *syntax.List, *syntax.Map:
		return c.fail(at, "lists and maps cannot be made in the kernel: --show takes several expressions, with commas between them")
	case *syntax.Slice:
		return c.fail(at, "slices cannot be made in the kernel")
	}
	return c.fail(at, "this form cannot be computed in the kernel")
}

func (c *compiler) let(n *syntax.Let) *operand {
	x := c.node(n.Value)
	c.lets = append(c.lets, let{n.Name, x})
	defer func() { c.lets = c.lets[:len(c.lets)-1] }()
	return c.node(n.Body)
}
