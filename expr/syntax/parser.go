package syntax

import (
	"fmt"
	"unicode/utf8"
)

// Limits of one expression's text. The parser recurses, as does what walks the
// tree, and Go cannot recover from an exhausted stack.
const (
	MaxSource  = 64 << 10 // bytes
	MaxNesting = 200      // open brackets
	MaxNodes   = 10_000   // nodes of the tree, and its depth
)

// Names is what the parser has to know of the names in a text.
type Names interface {
	// Function describes a function of the language.
	Function(name string) (Function, bool)
	// IsType reports whether a name is a typedef's of the kernel, and nothing else's.
	IsType(name string) bool
}

// Function is what the parser has to know of a function.
type Function struct {
	Predicate Predication
	// Which arguments may be a type or the path of a member written as in C,
	// without quotes.
	Type, Member func(arg int) bool
	// Own is Member for what needs no type before it.
	Own func(arg int) bool
}

// Predication says whether a function's second argument is a predicate.
type Predication uint8

// The kinds of functions.
const (
	Never  Predication = iota
	Always             // filter(LIST, PREDICATE)
	Maybe              // max(LIST, PREDICATE), and max(A, B)
)

// Tree is a parsed expression.
type Tree struct {
	Root     Node
	Warnings []string // about what is likely to be read in another way than it was meant
}

// Parse parses an expression. names may be nil: then there are no functions and no
// types but C's own. The error is an [*Error].
func Parse(src string, names Names) (*Tree, error) { return parse(src, names, false) }

// ParsePredicate parses the body of a predicate, in which # is the element; braces around all of it may be left out.
func ParsePredicate(src string, names Names) (*Tree, error) { return parse(src, names, true) }

func parse(src string, names Names, predicate bool) (*Tree, error) {
	if len(src) > MaxSource {
		return nil, errorf(-1, "the expression is %d bytes long: %d is the limit", len(src), MaxSource)
	}
	if !utf8.ValidString(src) {
		return nil, errorf(-1, "the expression is not valid UTF-8")
	}
	if names == nil {
		names = noNames{}
	}
	p := parser{src: []rune(src), names: names}
	if predicate {
		p.scopes, p.firm = []int{0}, 1
	}
	toks, err := scan(p.src)
	if err != nil {
		return nil, err
	}
	p.toks = toks
	block := predicate && p.accept("{") // as filter's and map's may have them
	root := p.sequence()
	if block {
		p.expect("}")
	}
	if p.err == nil && p.tok().Kind != End {
		p.unexpected()
	}
	if p.err != nil {
		return nil, p.err
	}
	return &Tree{Root: root, Warnings: p.warnings}, nil
}

type noNames struct{}

func (noNames) Function(string) (Function, bool) { return Function{}, false }
func (noNames) IsType(string) bool               { return false }

// parser goes through the tokens. After an error it stands still, and what it
// returns is not used.
type parser struct {
	src      []rune
	toks     []Token
	i        int
	names    Names
	err      *Error
	warnings []string

	scopes []int // of the predicates around, how often each uses its element
	firm   int   // how many of them are predicates whatever they use
	nodes  int
	depth  int
}

func (p *parser) tok() *Token { return &p.toks[p.i] }

// ahead is the token n after the current one.
func (p *parser) ahead(n int) *Token { return &p.toks[min(p.i+n, len(p.toks)-1)] }

func (p *parser) next() *Token {
	t := p.tok()
	if p.err == nil && t.Kind != End {
		p.i++
	}
	return t
}

// end is where the last token ends.
func (p *parser) end() int {
	if p.i == 0 {
		return 0
	}
	return p.toks[p.i-1].To
}

// accept takes the current token if it is one of these.
func (p *parser) accept(words ...string) bool {
	if p.err != nil || !p.tok().is(words...) {
		return false
	}
	p.i++
	return true
}

func (p *parser) expect(word string) {
	if !p.accept(word) {
		p.unexpected()
	}
}

func (p *parser) fail(err *Error) Node {
	if p.err == nil {
		p.err = err
	}
	return &Nil{}
}

// unexpected is the error of a token that does not fit.
func (p *parser) unexpected() Node {
	t := p.tok()
	if t.Kind == End {
		return p.fail(&Error{At: len(p.src), Msg: "the expression is not complete", Reason: Ended})
	}
	return p.fail(&Error{At: t.From, Msg: "this does not fit here", Reason: Unexpected})
}

func tooLong() *Error {
	return errorf(-1, "the expression is too long: it has more than %d operators, names and values", MaxNodes)
}

// put gives a new node its place.
func (p *parser) put(n Node, at, from int) Node {
	if p.nodes++; p.nodes > MaxNodes {
		return p.fail(tooLong())
	}
	w := n.Where()
	w.At, w.From, w.To = at, from, max(p.end(), from)
	return n
}

// enter bounds the recursion; leave has to follow.
func (p *parser) enter() bool {
	if p.depth++; p.depth > MaxNodes {
		p.fail(tooLong())
	}
	return p.err == nil
}

func (p *parser) leave() { p.depth-- }

// sequence is expressions with semicolons between them.
func (p *parser) sequence() Node {
	first := p.expression()
	nodes := []Node{first}
	for p.accept(";") {
		if t := p.tok(); t.Kind == End || t.is("}", ")") {
			break
		}
		nodes = append(nodes, p.expression())
	}
	if len(nodes) == 1 {
		return first
	}
	return p.put(&Seq{Nodes: nodes}, first.Where().At, first.Where().From)
}

// comma is a sequence in brackets, where commas are C's operator: the last one of the
// expressions between them is the result. Since none has an effect, the others are
// likely to have been meant for a list.
func (p *parser) comma() Node {
	first := p.sequence()
	if !p.tok().is(",") {
		return first
	}
	at := p.tok().From
	nodes := []Node{first}
	for p.accept(",") {
		nodes = append(nodes, p.sequence())
	}
	n := p.put(&Seq{Nodes: nodes, Comma: true}, at, first.Where().From)
	if p.err == nil && len(p.warnings) < 5 {
		p.warnings = append(p.warnings, fmt.Sprintf("read as in C: (%s) is %s; a list has square brackets, [%[1]s]", p.text(n), p.text(nodes[len(nodes)-1])))
	}
	return n
}

// expression is what stands between commas: let, if, or operators and conditions.
func (p *parser) expression() Node {
	if !p.enter() {
		return &Nil{}
	}
	defer p.leave()
	switch {
	case p.tok().is("let"):
		return p.let()
	case p.tok().is("if"):
		return p.ifElse()
	}
	n := p.operators(precPipe)
	for p.err == nil && p.tok().is("?") {
		at := p.next().From
		c := &Cond{If: n}
		if p.accept(":") {
			c.Then = n
		} else {
			c.Then = p.expression()
			p.expect(":")
		}
		c.Else = p.expression()
		n = p.put(c, at, n.Where().From)
	}
	return n
}

func (p *parser) let() Node {
	from := p.next().From
	t := p.next()
	if t.Kind == End {
		return p.unexpected()
	}
	if t.Kind != Word || keywords[t.Text] {
		return p.fail(errorf(t.From, "expected a name after let"))
	}
	p.expect("=")
	v := p.expression()
	p.expect(";")
	body := p.sequence()
	return p.put(&Let{Name: t.Text, Value: v, Body: body}, t.From, from)
}

func (p *parser) ifElse() Node {
	t := p.next()
	c := &Cond{If: p.expression()}
	p.expect("{")
	c.Then = p.sequence()
	p.expect("}")
	p.expect("else")
	if p.tok().is("if") {
		if p.enter() {
			c.Else = p.ifElse()
		}
		p.leave()
	} else {
		p.expect("{")
		c.Else = p.sequence()
		p.expect("}")
	}
	return p.put(c, t.From, t.From)
}
