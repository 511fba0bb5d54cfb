package btf

import (
	"errors"
	"fmt"
	"strconv"
)

// SyntaxError says where the text of a type is wrong.
type SyntaxError struct {
	Text   string
	Column int // in bytes from 0
	Err    error
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("type %q, column %d: %v", e.Text, e.Column+1, e.Err)
}

func (e *SyntaxError) Unwrap() error { return e.Err }

// Limits of a type's text.
const (
	maxTypeText  = 4096 // bytes
	maxTypeDepth = 32   // nested declarators
)

// ParseType reads a type as C has it in a cast or after sizeof: "struct
// list_head[16]", "u64", "const struct net_device *", "struct list_head *[4]",
// "int (*)(struct sk_buff *, ...)". Names are looked up in s and its base.
//
// The error is a [*SyntaxError], which wraps a [*NameError] if a name is unknown.
func (s *Spec) ParseType(text string) (Type, error) {
	if len(text) > maxTypeText {
		return nil, &SyntaxError{text[:32] + "...", 0, fmt.Errorf("%d bytes are too long for a type", len(text))}
	}
	p := typeParser{spec: s, lex: typeLexer{src: text}}
	p.next()
	t, err := p.typeName(false)
	if err == nil && p.tok.kind != tokEnd {
		err = p.unexpected("the end of the type")
	}
	if err != nil {
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			err = &SyntaxError{text, p.tok.at, err}
		}
		return nil, err
	}
	return t, nil
}

// typeParser is a recursive-descent parser with one token of lookahead.
type typeParser struct {
	spec  *Spec
	lex   typeLexer
	tok   token
	depth int
}

func (p *typeParser) next() { p.tok = p.lex.next() }

func (p *typeParser) is(punct string) bool { return p.tok.kind == tokPunct && p.tok.text == punct }

func (p *typeParser) accept(punct string) bool {
	if !p.is(punct) {
		return false
	}
	p.next()
	return true
}

func (p *typeParser) expect(punct string) error {
	if !p.accept(punct) {
		return p.unexpected(strconv.Quote(punct))
	}
	return nil
}

func (p *typeParser) fail(at int, err error) error { return &SyntaxError{p.lex.src, at, err} }

func (p *typeParser) unexpected(want string) error {
	return p.fail(p.tok.at, fmt.Errorf("expected %s, found %s", want, p.tok))
}

// typeName reads specifiers and an abstract declarator; a parameter may have a
// name in it, which is dropped.
func (p *typeParser) typeName(param bool) (Type, error) {
	at := p.tok.at
	base, err := p.specifiers()
	if err != nil {
		return nil, err
	}
	wrap, err := p.declarator(param)
	if err != nil {
		return nil, err
	}
	t, err := wrap(base)
	if err != nil {
		return nil, p.fail(at, err)
	}
	return t, nil
}

// wrapper turns the base type into the declared one.
type wrapper func(Type) (Type, error)

// declarator reads "*", "[n]", "(params)" and groups of them. C's precedence has
// the suffixes apply before the stars to their left.
func (p *typeParser) declarator(param bool) (wrapper, error) {
	if p.depth++; p.depth > maxTypeDepth {
		return nil, p.fail(p.tok.at, ErrTooDeep)
	}
	defer func() { p.depth-- }()

	if p.accept("*") {
		quals := p.qualifiers()
		inner, err := p.declarator(param)
		if err != nil {
			return nil, err
		}
		return func(t Type) (Type, error) { return inner(quals.apply(NewPointer(t))) }, nil
	}

	inner := func(t Type) (Type, error) { return t, nil }
	switch {
	case p.is("(") && p.lex.peekIs('*', '('):
		p.next()
		group, err := p.declarator(param)
		if err != nil {
			return nil, err
		}
		if err := p.expect(")"); err != nil {
			return nil, err
		}
		inner = group
	case param && p.tok.kind == tokIdent:
		p.next()
	}

	var suffixes []wrapper
	for {
		var suffix wrapper
		var err error
		switch {
		case p.is("["):
			suffix, err = p.arraySuffix()
		case p.is("("):
			suffix, err = p.funcSuffix()
		default:
			return func(t Type) (Type, error) {
				for i := len(suffixes) - 1; i >= 0; i-- {
					var err error
					if t, err = suffixes[i](t); err != nil {
						return nil, err
					}
				}
				return inner(t)
			}, nil
		}
		if err != nil {
			return nil, err
		}
		if suffixes = append(suffixes, suffix); len(suffixes) > maxTypeDepth {
			return nil, p.fail(p.tok.at, ErrTooDeep)
		}
	}
}

func (p *typeParser) arraySuffix() (wrapper, error) {
	p.next() // "["
	n := uint64(0)
	if !p.is("]") {
		if p.tok.kind != tokNumber {
			return nil, p.unexpected("the number of elements")
		}
		var err error
		if n, err = strconv.ParseUint(p.tok.text, 0, 32); err != nil {
			return nil, p.fail(p.tok.at, fmt.Errorf("%s is not a number of elements", p.tok))
		}
		p.next()
	}
	if err := p.expect("]"); err != nil {
		return nil, err
	}
	return func(t Type) (Type, error) {
		switch Underlying(t).(type) {
		case *Void, *FuncProto:
			return nil, fmt.Errorf("array of %s", t)
		}
		return NewArray(t, uint32(n)), nil
	}, nil
}

func (p *typeParser) funcSuffix() (wrapper, error) {
	p.next() // "("
	params := []Param{}
	for !p.is(")") {
		if p.accept("...") {
			params = append(params, Param{Type: theVoid})
			break
		}
		t, err := p.typeName(true)
		if err != nil {
			return nil, err
		}
		if _, void := t.(*Void); void {
			if len(params) == 0 && p.is(")") {
				break
			}
			return nil, p.fail(p.tok.at, errors.New("parameter of type void"))
		}
		params = append(params, Param{Type: t})
		if !p.is(")") {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	return func(t Type) (Type, error) {
		switch Underlying(t).(type) {
		case *Array, *FuncProto:
			return nil, fmt.Errorf("function that returns %s", t)
		}
		return &FuncProto{ret: ref{t: t}, params: params}, nil
	}, nil
}
