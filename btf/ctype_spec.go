package btf

import "fmt"

// qualSet holds qualifiers and tags until the type that they apply to is known.
type qualSet struct {
	quals [Restrict + 1]bool
	tags  []string
}

// add takes a word if it is a qualifier or one of the kernel's address spaces.
func (q *qualSet) add(word string) bool {
	switch word {
	case "const", "__const":
		q.quals[Const] = true
	case "volatile", "__volatile__":
		q.quals[Volatile] = true
	case "restrict", "__restrict", "__restrict__":
		q.quals[Restrict] = true
	case "__user", "__percpu", "__rcu":
		q.tags = append(q.tags, word[2:])
	default:
		return false
	}
	return true
}

func (q *qualSet) apply(t Type) Type {
	for _, tag := range q.tags {
		t = &TypeTag{Value: tag, target: ref{t: t}}
	}
	for qual, on := range q.quals {
		if on {
			t = &Qualifier{Qual(qual), ref{t: t}}
		}
	}
	return t
}

func (p *typeParser) qualifiers() *qualSet {
	q := new(qualSet)
	for p.tok.kind == tokIdent && q.add(p.tok.text) {
		p.next()
	}
	return q
}

// specifiers reads what stands before the declarator: qualifiers and one type in
// any order.
func (p *typeParser) specifiers() (Type, error) {
	var (
		quals qualSet
		base  Type
		words string // of an integer type
		at    = p.tok.at
	)
	for p.tok.kind == tokIdent {
		word, wordAt := p.tok.text, p.tok.at
		switch {
		case quals.add(word):
			p.next()
		case isIntWord(word) && base == nil:
			words = join(words, word)
			p.next()
		case word == "double" && words == "long" && base == nil:
			base, words = &Float{Name: "long double", Size: 16}, ""
			p.next()
		case base != nil || words != "":
			return p.finish(base, words, at, &quals)
		case word == "struct" || word == "union" || word == "enum":
			p.next()
			t, err := p.tagged(word)
			if err != nil {
				return nil, err
			}
			base = t
		case word == "void":
			base = theVoid
			p.next()
		default:
			t, err := p.named(word)
			if err != nil {
				return nil, p.fail(wordAt, err)
			}
			base = t
			p.next()
		}
	}
	return p.finish(base, words, at, &quals)
}

func (p *typeParser) finish(base Type, words string, at int, quals *qualSet) (Type, error) {
	if words != "" {
		t, err := p.spec.FindInt(words)
		if err != nil {
			return nil, p.fail(at, fmt.Errorf("%q is not a type", words))
		}
		base = t
	}
	if base == nil {
		return nil, p.unexpected("a type")
	}
	return quals.apply(base), nil
}

func isIntWord(word string) bool {
	switch word {
	case "int", "long", "short", "char", "signed", "__signed__", "unsigned", "_Bool", "__int128":
		return true
	}
	return false
}

// tagged looks a struct, union or enum up. A struct of which only a forward
// declaration is known is a type, too: one may point to it.
func (p *typeParser) tagged(keyword string) (Type, error) {
	if p.tok.kind != tokIdent {
		return nil, p.unexpected("the name of the " + keyword)
	}
	name, at := p.tok.text, p.tok.at
	p.next()
	var t Type
	var err error
	switch keyword {
	case "struct":
		t, err = p.spec.Struct(name)
	case "union":
		t, err = p.spec.Union(name)
	default:
		t, err = p.spec.Enum(name)
	}
	if err == nil {
		return t, nil
	}
	for _, f := range p.spec.All(Forwards, name) {
		if f, ok := f.(*Fwd); ok && f.Union == (keyword == "union") && keyword != "enum" {
			return f, nil
		}
	}
	return nil, p.fail(at, err)
}

// named looks a name up that stands alone: a typedef, or an integer or
// floating-point type that is not one of C's.
func (p *typeParser) named(name string) (Type, error) {
	if t, err := p.spec.Typedef(name); err == nil {
		return t, nil
	}
	if t, err := p.spec.first(Ints|Floats, name); err == nil {
		return t, nil
	}
	switch name { // which few kernels use, and so have in BTF
	case "float":
		return &Float{Name: name, Size: 4}, nil
	case "double":
		return &Float{Name: name, Size: 8}, nil
	}
	for _, tag := range []struct {
		kind    Kinds
		keyword string
	}{{Structs, "struct"}, {Unions, "union"}, {Enums, "enum"}} {
		if _, err := p.spec.first(tag.kind, name); err == nil {
			return nil, fmt.Errorf("%q needs its keyword: %s %s", name, tag.keyword, name)
		}
	}
	return nil, &NameError{Typedefs | Ints, name, p.spec}
}
