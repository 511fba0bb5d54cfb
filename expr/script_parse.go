package expr

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"kinspect/expr/syntax"
)

// MaxScript is how long a script's text may be, in bytes.
const MaxScript = 1 << 20

// Limits of a script's text.
const (
	maxScript     = MaxScript
	maxLexemes    = 400_000
	maxStatements = 50_000
	maxBlocks     = 100 // blocks within blocks
)

// byteOrderMark is what some editors begin a file with.
const byteOrderMark = '\ufeff'

// statementWords begin a statement. None can be the name of a variable.
var statementWords = map[string]bool{
	"let": true, "if": true, "else": true, "for": true, "break": true, "continue": true, "fn": true, "return": true,
	"print": true, "warn": true, "assert": true, "require": true, "exit": true,
}

// text is a part of the script that is an expression, in runes.
type scriptText struct{ from, to int }

// statement is one, as the parser leaves it.
type statement struct {
	word  string // what it begins with; "=" for an assignment, "" for an expression
	at    int    // of the word
	end   int    // behind the last one
	name  string // of let, =, for and fn
	op    string // of x op= EXPR, x++ and x--, where the expression may be left out
	named int    // where that stands
	exprs []scriptText
	body  []*statement // of for and fn

	params []scriptName // of fn
	arms   []scriptArm  // of if
}

type scriptName struct {
	name string
	at   int
}

// scriptArm is if COND { … }; the one of else has no condition.
type scriptArm struct {
	cond *scriptText
	body []*statement
}

type scriptParser struct {
	src        []rune
	words      []syntax.Lexeme
	i          int
	depth      int
	statements int
	breaks     []int // where the end of a line ends a statement

	head     *scriptText // the expression before the block that is read
	headless bool        // the script ends where a block has to begin
}

// parseScript finds the statements of a script. Where its expressions end is all
// that it knows of them.
func parseScript(src string) (p *scriptParser, all []*statement, failed *Error) {
	if len(src) > maxScript {
		return nil, nil, &Error{Msg: fmt.Sprintf("the script is %d bytes long: %d is the limit", len(src), maxScript), Column: -1}
	}
	if !utf8.ValidString(src) {
		return nil, nil, &Error{Msg: "the script is not valid UTF-8", Column: -1}
	}
	p = &scriptParser{src: []rune(src)}
	from := 0
	if len(p.src) > 0 && p.src[0] == byteOrderMark {
		from = 1
	}
	if len(p.src) > from+1 && p.src[from] == '#' && p.src[from+1] == '!' {
		for from < len(p.src) && p.src[from] != '\n' {
			from++
		}
	}
	words, err := syntax.Lexemes(p.src, from, maxLexemes)
	if err != nil {
		var at *syntax.Error
		if errors.As(err, &at) {
			return nil, nil, &Error{Msg: at.Msg, Column: at.At, Src: src}
		}
		return nil, nil, internal(err)
	}
	p.words = words
	all, e := p.block(true)
	if e != nil {
		e.Src = src
		return p, nil, e
	}
	return p, all, nil
}

func (p *scriptParser) word() *syntax.Lexeme { return &p.words[p.i] }

func (p *scriptParser) ahead() *syntax.Lexeme { return &p.words[min(p.i+1, len(p.words)-1)] }

func (p *scriptParser) next() *syntax.Lexeme {
	w := p.word()
	if w.Kind != syntax.End {
		p.i++
	}
	return w
}

// block reads statements: to the end of the script, or to a closing brace, which it
// takes.
func (p *scriptParser) block(whole bool) ([]*statement, *Error) {
	open := p.word().From
	if !whole {
		if !p.word().Is("{") {
			p.headless = p.word().Kind == syntax.End
			return nil, errorAt("", p.word().From, "a block in braces is missing here: { … }")
		}
		p.next()
		if p.depth++; p.depth > maxBlocks {
			return nil, errorAt("", open, "blocks nest deeper than %d", maxBlocks)
		}
		defer func() { p.depth-- }()
	}
	var out []*statement
	for {
		switch w := p.word(); {
		case w.Is(";"):
			p.next()
			continue
		case w.Kind == syntax.End && whole:
			return out, nil
		case w.Kind == syntax.End:
			return nil, errorAt("", open, "this brace is not closed")
		case w.Is("}") && !whole:
			p.next()
			return out, nil
		case w.Is("}"):
			return nil, errorAt("", w.From, "this brace closes nothing")
		}
		if p.statements++; p.statements > maxStatements {
			return nil, errorAt("", p.word().From, "the script has more than %d statements", maxStatements)
		}
		s, err := p.statement()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
		last := &p.words[p.i-1]
		s.end = last.To
		if w := p.word(); w.NewLine && w.Kind != syntax.End && !w.Is(";", "}") {
			p.breaks = append(p.breaks, last.To)
		}
		if w := p.word(); !w.NewLine && w.Kind != syntax.End && !w.Is(";", "}") && !last.Is("}") {
			return nil, errorAt("", w.From, "the statement ends before this: the next one stands on a line of its own, or behind a ;")
		}
	}
}

func (p *scriptParser) statement() (*statement, *Error) {
	w := p.word()
	s := &statement{at: w.From}
	if w.Kind == syntax.Word && p.ahead().Is("=") && !p.ahead().NewLine {
		s.word = "="
		if err := p.name(s); err != nil {
			return nil, err
		}
		return s, p.value(s)
	}
	if op, words := p.updates(); op != "" {
		s.word, s.op = "=", op
		if err := p.name(s); err != nil {
			return nil, err
		}
		p.i += words
		if words == 2 && p.words[p.i-1].Text == op { // x++
			return s, nil
		}
		e, err := p.expression(false, false)
		s.exprs = []scriptText{e}
		return s, err
	}
	if w.Is("#") {
		return nil, errorAt("", w.From, "%s", noComment)
	}
	if w.Kind != syntax.Word || !statementWords[w.Text] {
		return s, p.expressions(s, 1, 1)
	}
	s.word = w.Text
	p.next()
	switch s.word {
	case "let":
		if err := p.name(s); err != nil {
			return nil, err
		}
		return s, p.value(s)
	case "if":
		return s, p.ifElse(s)
	case "else":
		return nil, errorAt("", s.at, "this else belongs to no if")
	case "for":
		return s, p.loop(s)
	case "fn":
		return s, p.function(s)
	case "break", "continue":
		return s, nil
	case "return", "exit":
		return s, p.expressions(s, 0, 1)
	}
	return s, p.expressions(s, 1, -1) // print, warn, assert, require
}

// noComment is what to write in the place of a comment as shells have it.
const noComment = "# begins no comment: comments stand behind //, or between /* and */; # is the element that a predicate looks at"

// updateOps are the operators of x op= EXPR.
var updateOps = []string{"+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"}

// updates reports whether a statement is x op= EXPR, x++ or x--, and how many words the operator
// has. No expression has two of these without a blank in between; x++ is one at the end of its
// statement alone, since x + +1 may be written so.
func (p *scriptParser) updates() (op string, words int) {
	if p.word().Kind != syntax.Word || p.i+2 >= len(p.words) {
		return "", 0
	}
	a, b := &p.words[p.i+1], &p.words[p.i+2]
	if a.NewLine || a.To != b.From || !a.Is(updateOps...) {
		return "", 0
	}
	if b.Is("=") {
		return a.Text, 2
	}
	if b.Text != a.Text || !a.Is("+", "-") || p.i+3 >= len(p.words) {
		return "", 0
	}
	if end := &p.words[p.i+3]; end.NewLine || end.Is(";", "}") {
		return a.Text, 2
	}
	return "", 0
}

// name reads the name of a variable or function.
func (p *scriptParser) name(s *statement) *Error {
	w := p.next()
	if w.Kind != syntax.Word || '0' <= w.Text[0] && w.Text[0] <= '9' {
		return errorAt("", w.From, "a name is missing here")
	}
	if statementWords[w.Text] || syntax.IsKeyword(w.Text) || w.Text == "true" || w.Text == "false" || w.Text == "nil" {
		return errorAt("", w.From, "%s is a word of the language, and cannot be a name", w.Text)
	}
	s.name, s.named = w.Text, w.From
	return nil
}

// value reads = EXPR.
func (p *scriptParser) value(s *statement) *Error {
	if !p.word().Is("=") {
		return errorAt("", p.word().From, "a = and a value are missing here: %s %s = …", s.word, s.name)
	}
	p.next()
	e, err := p.expression(false, false)
	s.exprs = []scriptText{e}
	return err
}

// expressions reads least to most expressions with commas between them, and -1 is
// any number.
func (p *scriptParser) expressions(s *statement, least, most int) *Error {
	if w := p.word(); least == 0 && (w.NewLine || w.Kind == syntax.End || w.Is(";", "}")) {
		return nil
	}
	for {
		e, err := p.expression(most != 1, false)
		if err != nil {
			return err
		}
		s.exprs = append(s.exprs, e)
		if most == 1 || !p.word().Is(",") {
			return nil
		}
		p.next()
	}
}

// expression finds the end of an expression: a line that can end there, a
// semicolon, a brace that is not its own, or a comma or an open brace where that
// is asked for.
func (p *scriptParser) expression(comma, brace bool) (scriptText, *Error) {
	first := p.i
	var open []string // what closes the brackets that are open
	for {
		w := p.word()
		if w.Kind == syntax.End {
			break
		}
		if len(open) == 0 {
			if w.Is(";", "}") || comma && w.Is(",") || brace && w.Is("{") {
				break
			}
			if w.NewLine && p.i > first && !p.words[p.i-1].WantsMore() && !p.continues(w) {
				break
			}
		}
		switch {
		case w.Is("("):
			open = append(open, ")")
		case w.Is("["):
			open = append(open, "]")
		case w.Is("{"):
			open = append(open, "}")
		case w.Is(")", "]", "}") && len(open) > 0:
			if w.Text != open[len(open)-1] {
				return p.cut(first)
			}
			open = open[:len(open)-1]
		}
		if len(open) > syntax.MaxNesting {
			return scriptText{}, errorAt("", w.From, "brackets nest deeper than %d", syntax.MaxNesting)
		}
		p.next()
	}
	return p.cut(first)
}

// continues tells a member on a line of its own from a number such as .5.
func (p *scriptParser) continues(w *syntax.Lexeme) bool {
	if !w.Continues() {
		return false
	}
	n := p.ahead()
	return !w.Is(".") || n.Kind != syntax.Word || n.From != w.To || n.Text[0] < '0' || n.Text[0] > '9'
}

// cut is the text from a word to the one before the current.
func (p *scriptParser) cut(first int) (scriptText, *Error) {
	if p.i == first {
		what := "an expression is missing here"
		if p.word().Kind == syntax.End {
			what = "an expression is missing: the script ends here"
		}
		return scriptText{}, errorAt("", p.word().From, "%s", what)
	}
	return scriptText{p.words[first].From, p.words[p.i-1].To}, nil
}

func (p *scriptParser) ifElse(s *statement) *Error {
	for {
		cond, err := p.expression(false, true)
		if err != nil {
			return err
		}
		p.head = &cond
		body, err := p.block(false)
		if err != nil {
			return err
		}
		s.arms = append(s.arms, scriptArm{&cond, body})
		if !p.word().Is("else") {
			return nil
		}
		p.next()
		if p.word().Is("if") {
			p.next()
			continue
		}
		p.head = nil
		body, err = p.block(false)
		s.arms = append(s.arms, scriptArm{nil, body})
		return err
	}
}

func (p *scriptParser) loop(s *statement) *Error {
	if err := p.name(s); err != nil {
		return err
	}
	if !p.word().Is("in") {
		return errorAt("", p.word().From, "in is missing here: for %s in LIST { … }", s.name)
	}
	p.next()
	list, err := p.expression(false, true)
	if err != nil {
		return err
	}
	s.exprs = []scriptText{list}
	p.head = &list
	s.body, err = p.block(false)
	return err
}

// function reads fn name(a, b) { … } and fn name(a, b) = EXPR. The latter is a
// function that returns.
func (p *scriptParser) function(s *statement) *Error {
	if p.depth > 0 {
		return errorAt("", s.at, "functions are defined outside of blocks")
	}
	if err := p.name(s); err != nil {
		return err
	}
	if !p.word().Is("(") {
		return errorAt("", p.word().From, "the parameters are missing here: fn %s() { … }", s.name)
	}
	p.next()
	for !p.word().Is(")") {
		if len(s.params) > 0 {
			if !p.word().Is(",") {
				return errorAt("", p.word().From, "a comma or ) is missing here")
			}
			p.next()
		}
		var param statement
		if err := p.name(&param); err != nil {
			return err
		}
		for _, q := range s.params {
			if q.name == param.name {
				return errorAt("", param.named, "there are two parameters %s", q.name)
			}
		}
		s.params = append(s.params, scriptName{param.name, param.named})
	}
	p.next()
	if p.word().Is("=") {
		at := p.next().From
		e, err := p.expression(false, false)
		s.body = []*statement{{word: "return", at: at, exprs: []scriptText{e}}}
		return err
	}
	p.head = nil
	body, err := p.block(false)
	s.body = body
	return err
}
