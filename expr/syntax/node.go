package syntax

// Place says where a node stands in the text, in runes. At is where an error
// points to: the operator, or the name of the function or member.
type Place struct {
	At       int
	From, To int // the whole node, To excluded, brackets around it included
	Brackets bool
}

// Where returns the place itself.
func (p *Place) Where() *Place { return p }

// Node is a node of the tree.
type Node interface{ Where() *Place }

// The kinds of nodes.
type (
	// Nil is nil.
	Nil struct{ Place }
	// Bool is true or false.
	Bool struct {
		Place
		Value bool
	}
	// Int is an integer literal, with the size in bytes and the signedness of C's
	// type for it.
	Int struct {
		Place
		Bits   uint64
		Size   uint32
		Signed bool
	}
	// Float is a number with a fraction.
	Float struct {
		Place
		Value float64
	}
	// String is a string literal.
	String struct {
		Place
		Value string
	}
	// Name is the name of a variable, or of something of the kernel's.
	Name struct {
		Place
		Name string
	}
	// Element is what a predicate looks at: # itself, where Name is empty, #index
	// or #acc.
	Element struct {
		Place
		Name string
	}
	// Unary is an operator before its operand: ! - + ~ * & or sizeof. What is
	// written not is a !.
	Unary struct {
		Place
		Op string
		X  Node
	}
	// Binary is an operator between its operands. What is written and and or is &&
	// and ||.
	Binary struct {
		Place
		Op   string
		X, Y Node
	}
	// Chain is a < b <= c with three operands or more.
	Chain struct {
		Place
		Ops []string
		At  []int // the places of the operators
		X   []Node
	}
	// Cond is a ? b : c, or if a { b } else { c }.
	Cond struct {
		Place
		If, Then, Else Node
	}
	// Member is x.name or x->name.
	Member struct {
		Place
		X        Node
		Name     string
		Optional bool // x?.name
	}
	// Index is x[i].
	Index struct {
		Place
		X, I     Node
		Optional bool // x?.[i]
	}
	// Slice is x[from:to]; bounds that were left out are nil.
	Slice struct {
		Place
		X, From, To Node
	}
	// Call is f(…), or x | f(…).
	Call struct {
		Place
		Name string
		Args []Node
		Pipe bool
	}
	// Predicate is an argument that is evaluated for each element.
	Predicate struct {
		Place
		Body Node
	}
	// Cast is (TYPE)x. Where the type is a typeof, Of is that, and Type is empty.
	Cast struct {
		Place
		Type string
		Of   *TypeOf
		X    Node
	}
	// TypeOf is typeof(x), or typeof(TYPE), where a type stands: one of X and Type
	// is there. Stars counts the pointers behind it, Len are the lengths of the arrays
	// behind these, the outermost first.
	TypeOf struct {
		Place
		X     Node
		Type  string
		Stars int
		Len   []uint32
	}
	// Let is let name = value; body.
	Let struct {
		Place
		Name        string
		Value, Body Node
	}
	// Seq is a; b, or the comma operator's (a, b): all are evaluated, the last one is
	// the result.
	Seq struct {
		Place
		Nodes []Node
		Comma bool
	}
	// List is [a, b].
	List struct {
		Place
		Items []Node
	}
	// Map is {a: b}. The keys of names, strings and numbers are String and Int.
	Map struct {
		Place
		Keys, Values []Node
	}
)

// Children calls visit with the nodes right below n.
func Children(n Node, visit func(Node)) {
	each := func(nodes ...Node) {
		for _, c := range nodes {
			if c != nil {
				visit(c)
			}
		}
	}
	switch n := n.(type) {
	case *Unary:
		each(n.X)
	case *Binary:
		each(n.X, n.Y)
	case *Chain:
		each(n.X...)
	case *Cond:
		each(n.If, n.Then, n.Else)
	case *Member:
		each(n.X)
	case *Index:
		each(n.X, n.I)
	case *Slice:
		each(n.X, n.From, n.To)
	case *Call:
		each(n.Args...)
	case *Predicate:
		each(n.Body)
	case *Cast:
		if n.Of != nil {
			each(n.Of)
		}
		each(n.X)
	case *TypeOf:
		each(n.X)
	case *Let:
		each(n.Value, n.Body)
	case *Seq:
		each(n.Nodes...)
	case *List:
		each(n.Items...)
	case *Map:
		each(n.Keys...)
		each(n.Values...)
	}
}
