package syntax

// typeofWords are C23's name for it, GCC's and the kernel's.
var typeofWords = map[string]bool{
	"typeof": true, "__typeof__": true, "__typeof": true, "typeof_unqual": true, "__typeof_unqual__": true,
}

// IsTypeOf reports whether a word is typeof, in whatever spelling.
func IsTypeOf(word string) bool { return typeofWords[word] }

// startsTypeOf reports whether a type that is a typeof stands at token i.
func (p *parser) startsTypeOf(i int) bool {
	for p.toks[i].Kind == Word && (p.toks[i].Text == "const" || p.toks[i].Text == "volatile") {
		i++
	}
	return p.toks[i].Kind == Word && typeofWords[p.toks[i].Text] && p.toks[i+1].is("(")
}

// typeOf reads such a type: typeof(x), the qualifiers around it, and the pointers and
// arrays behind.
func (p *parser) typeOf() *TypeOf {
	n := &TypeOf{}
	if !p.enter() { // an error came before it: nothing moves on
		return n
	}
	defer p.leave()
	from := p.tok().From
	p.qualifiers()
	at := p.next().From
	p.expect("(")
	switch text, next, ok := p.typeName(p.i, ")"); {
	case ok:
		n.Type, p.i = text, next
	case p.startsTypeOf(p.i): // typeof(typeof(x) *)
		n.X = p.typeOf()
	default:
		n.X = p.comma()
	}
	p.expect(")")
	p.qualifiers()
	for p.err == nil && p.tok().is("*", "**") {
		n.Stars += len(p.next().Text)
		p.qualifiers()
	}
	for p.err == nil && p.tok().is("[") && p.ahead(1).num != nil && p.ahead(2).is("]") {
		length := p.ahead(1)
		if length.num.Bits > 1<<32-1 {
			p.fail(errorf(length.From, "an array of %s elements is larger than any memory", length.Text))
			break
		}
		n.Len = append(n.Len, uint32(length.num.Bits))
		p.i += 3
	}
	p.put(n, at, from)
	return n
}

// qualifiers skips const and volatile, which change nothing here.
func (p *parser) qualifiers() {
	for p.accept("const", "volatile") {
		continue
	}
}
