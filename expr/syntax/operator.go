package syntax

import "fmt"

// How tight operators bind, the loosest first.
const (
	precPipe     = 0
	precOr       = 10
	precAnd      = 15
	precNot      = 20
	precBitOr    = 24
	precBitXor   = 26
	precBitAnd   = 28
	precEqual    = 30
	precCompare  = 35
	precRange    = 40
	precShift    = 45
	precAdd      = 50
	precMul      = 60
	precPower    = 100
	precUnary    = 400
	precCoalesce = 500
)

var precedence = map[string]int{
	"||": precOr, "or": precOr, "&&": precAnd, "and": precAnd,
	"|": precBitOr, "^": precBitXor, "&": precBitAnd,
	"==": precEqual, "!=": precEqual,
	"<": precCompare, ">": precCompare, "<=": precCompare, ">=": precCompare,
	"in": precCompare, "contains": precCompare, "startsWith": precCompare, "endsWith": precCompare, "matches": precCompare,
	"..": precRange, "<<": precShift, ">>": precShift,
	"+": precAdd, "-": precAdd, "*": precMul, "/": precMul, "%": precMul,
	"**": precPower, "??": precCoalesce,
}

// sameOperator are the words for an operator.
var sameOperator = map[string]string{"or": "||", "and": "&&"}

func isOrder(op string) bool { return op == "<" || op == ">" || op == "<=" || op == ">=" }

// operator is the operator at the current token: its precedence, and whether not
// stands before it. prec is negative where there is none.
func (p *parser) operator() (op string, prec int, not bool) {
	t := p.tok()
	if t.Kind != Punct && t.Kind != Word {
		return "", -1, false
	}
	if t.Kind == Word && t.Text == "not" {
		switch a := p.ahead(1); {
		case a.Kind == Word && a.is("in", "contains", "startsWith", "endsWith", "matches"):
			return a.Text, precCompare, true
		}
		return "", -1, false
	}
	prec, ok := precedence[t.Text]
	if !ok {
		return "", -1, false
	}
	return t.Text, prec, false
}

// operators is an expression of operators that bind at least as tight as least.
func (p *parser) operators(least int) Node {
	if !p.enter() {
		return &Nil{}
	}
	defer p.leave()
	left := p.operand()
	coalesced := false
	for p.err == nil {
		t := p.tok()
		if t.Kind == Punct && t.Text == "|" && p.isPipe() {
			if least > precPipe {
				break
			}
			left = p.pipe(left)
			continue
		}
		op, prec, not := p.operator()
		if prec < least {
			break
		}
		if coalesced && op != "??" {
			return p.fail(errorf(t.From, "?? and other operators need brackets: (a ?? b) + c"))
		}
		if not {
			p.next()
		}
		at := p.next().From
		switch {
		case isOrder(op):
			left = p.order(left, op, at)
			continue
		case prec == precPower:
			left = p.binary(op, at, left, p.operators(precPower))
			continue
		}
		left = p.binary(op, at, left, p.operators(prec+1))
		coalesced = op == "??"
		if not {
			left = p.put(&Unary{Op: "!", X: left}, t.From, left.Where().From)
		}
	}
	return left
}

func (p *parser) binary(op string, at int, x, y Node) Node {
	if o, ok := sameOperator[op]; ok {
		op = o
	}
	if op == "&" || op == "|" || op == "^" {
		p.warnComparison(op, x, y)
	}
	return p.put(&Binary{Op: op, X: x, Y: y}, at, x.Where().From)
}

// order is a < b, or a chain of such comparisons.
func (p *parser) order(left Node, op string, at int) Node {
	right := p.operators(precCompare + 1)
	if !p.tok().is("<", ">", "<=", ">=") {
		return p.binary(op, at, left, right)
	}
	c := &Chain{Ops: []string{op}, At: []int{at}, X: []Node{left, right}}
	for p.err == nil && p.tok().is("<", ">", "<=", ">=") {
		t := p.next()
		c.Ops, c.At = append(c.Ops, t.Text), append(c.At, t.From)
		c.X = append(c.X, p.operators(precCompare+1))
		if p.nodes++; p.nodes > MaxNodes {
			return p.fail(tooLong())
		}
	}
	return p.put(c, at, left.Where().From)
}

// warnComparison tells how a & b == c was read.
func (p *parser) warnComparison(op string, x, y Node) {
	if p.err != nil || isComparison(x) == isComparison(y) || len(p.warnings) >= 5 {
		return
	}
	read := func(n Node) string {
		if isComparison(n) {
			return "(" + p.text(n) + ")"
		}
		return p.text(n)
	}
	// What was likely meant: the operator with the nearer side of the comparison.
	near, far := x, y
	if isComparison(x) {
		near = last(x)
	} else {
		far = first(y)
	}
	p.warnings = append(p.warnings, fmt.Sprintf("read as in C: %s %s %s; brackets around %s %s %s would say that it is compared",
		read(x), op, read(y), p.text(near), op, p.text(far)))
}

// first and last are the sides of a comparison.
func first(n Node) Node {
	switch n := n.(type) {
	case *Binary:
		return n.X
	case *Chain:
		return n.X[0]
	}
	return n
}

func last(n Node) Node {
	switch n := n.(type) {
	case *Binary:
		return n.Y
	case *Chain:
		return n.X[len(n.X)-1]
	}
	return n
}

func (p *parser) text(n Node) string {
	w := n.Where()
	if w.To-w.From > 60 {
		return string(p.src[w.From:w.From+60]) + "…"
	}
	return string(p.src[w.From:w.To])
}

// isComparison reports whether a node is a comparison without brackets.
func isComparison(n Node) bool {
	if n.Where().Brackets {
		return false
	}
	switch n := n.(type) {
	case *Chain:
		return true
	case *Binary:
		return n.Op == "==" || n.Op == "!=" || isOrder(n.Op)
	}
	return false
}

// isPipe reports whether the | that stands next passes a value to a function: the
// name of one follows. That it may lack its brackets is an error to be told.
func (p *parser) isPipe() bool {
	name := p.ahead(1)
	if name.Kind != Word {
		return false
	}
	_, ok := p.names.Function(name.Text)
	return ok
}

func (p *parser) pipe(left Node) Node {
	p.next()
	name := p.next()
	if !p.tok().is("(") {
		t := p.tok()
		return p.fail(&Error{At: t.From, Msg: "a function behind | needs its brackets", Reason: Unexpected})
	}
	n := p.call(name, left)
	if p.tok().is(".", "->", "?.", "[") {
		return p.unexpected()
	}
	return n
}

// operand is a value with what stands before and behind it.
func (p *parser) operand() Node {
	t := p.tok()
	switch {
	case t.is("not"):
		p.next()
		return p.put(&Unary{Op: "!", X: p.operators(precNot + 1)}, t.From, t.From)
	case t.is("-", "+"):
		p.next()
		return p.put(&Unary{Op: t.Text, X: p.operators(precPower)}, t.From, t.From)
	case t.is("!", "~", "*", "&"):
		p.next()
		return p.put(&Unary{Op: t.Text, X: p.operators(precUnary)}, t.From, t.From)
	case t.is("**"): // two, before an operand
		p.next()
		inner := p.put(&Unary{Op: "*", X: p.operators(precUnary)}, t.From+1, t.From+1)
		return p.put(&Unary{Op: "*", X: inner}, t.From, t.From)
	case t.is("(") && p.startsTypeOf(p.i+1):
		p.next()
		of := p.typeOf()
		p.expect(")")
		return p.put(&Cast{Of: of, X: p.operators(precUnary)}, t.From, t.From)
	case t.is("("):
		if text, next, ok := p.typeName(p.i+1, ")"); ok {
			p.i = next + 1
			return p.put(&Cast{Type: text, X: p.operators(precUnary)}, t.From, t.From)
		}
	case t.is("sizeof") && p.startsOperand(1):
		p.next()
		return p.put(&Unary{Op: "sizeof", X: p.operators(precUnary)}, t.From, t.From)
	}
	return p.postfix(p.primary())
}

// startsOperand reports whether the token n after the current one begins the
// operand of sizeof: a bracket there is a call's.
func (p *parser) startsOperand(n int) bool {
	t := p.ahead(n)
	switch t.Kind {
	case Word:
		return !keywords[t.Text] && !typeWords[t.Text]
	case Punct:
		return t.is("*", "&", "#")
	}
	return false
}
