package syntax

// primary is a value without the operators around it.
func (p *parser) primary() Node {
	if p.err != nil {
		return &Nil{}
	}
	t := p.tok()
	switch t.Kind {
	case Number:
		p.next()
		if t.num != nil {
			n := *t.num
			return p.put(&n, t.From, t.From)
		}
		return p.put(&Float{Value: t.float}, t.From, t.From)
	case Text:
		p.next()
		return p.put(&String{Value: t.Text}, t.From, t.From)
	case Word:
		return p.word(t)
	}
	switch {
	case t.is("("):
		p.next()
		n := p.comma()
		p.expect(")")
		w := n.Where()
		w.From, w.To, w.Brackets = t.From, p.end(), true
		return n
	case t.is("["):
		return p.list()
	case t.is("{"):
		return p.mapping()
	case t.is("#") && len(p.scopes) > 0:
		p.next()
		p.scopes[len(p.scopes)-1]++
		name := ""
		if n := p.tok(); n.Kind == Word && n.From == t.To {
			name = p.next().Text
		}
		if name != "" && name != "index" && name != "acc" {
			return p.fail(errorf(t.From, "#%s is not in the language: # is the element, #index its index, #acc what reduce has so far", name))
		}
		return p.put(&Element{Name: name}, t.From, t.From)
	case t.is(".") && len(p.scopes) > 0:
		p.scopes[len(p.scopes)-1]++
		return p.put(&Element{}, t.From, t.From) // postfix reads the member
	case t.is("::"):
		p.next()
		if name := p.tok(); name.Kind == Word && p.ahead(1).is("(") {
			p.next()
			return p.call(name)
		}
	}
	return p.unexpected()
}

func (p *parser) word(t *Token) Node {
	if keywords[t.Text] {
		return p.unexpected()
	}
	p.next()
	switch t.Text {
	case "true", "false":
		return p.put(&Bool{Value: t.Text == "true"}, t.From, t.From)
	case "nil":
		return p.put(&Nil{}, t.From, t.From)
	}
	if p.tok().is("(") {
		if typeofWords[t.Text] {
			return p.fail(errorf(t.From, "%s is a type, and stands where one can: (%s(x))y, sizeof(%[1]s(x)); type(x) says what type a value has", t.Text, t.Text))
		}
		return p.call(t)
	}
	return p.put(&Name{Name: t.Text}, t.From, t.From)
}

// call reads the arguments of a function, whose name has been read. first is what
// a pipe passes on.
func (p *parser) call(name *Token, first ...Node) Node {
	f, _ := p.names.Function(name.Text)
	c := &Call{Name: name.Text, Args: first, Pipe: len(first) > 0}
	from := name.From
	if c.Pipe {
		from = first[0].Where().From
	}
	p.expect("(")
	typed := false
	for i := 0; p.err == nil && !p.tok().is(")"); i++ {
		if i > 0 {
			p.expect(",")
			if p.tok().is(")") {
				break // a comma behind the last one
			}
		}
		var arg Node
		arg, typed = p.argument(f, len(c.Args), typed, c.Pipe)
		c.Args = append(c.Args, arg)
	}
	p.expect(")")
	return p.put(c, name.From, from)
}

// argument reads the n-th one. typed reports whether it was a type written as in
// C, before the path of a member may stand.
func (p *parser) argument(f Function, n int, typed, pipe bool) (Node, bool) {
	t := p.tok()
	if f.Type != nil && f.Type(n) {
		if text, next, ok := p.typeName(p.i, ",", ")"); ok {
			p.i = next
			return p.put(&String{Value: text}, t.From, t.From), true
		}
		if p.startsTypeOf(p.i) {
			return p.typeOf(), true
		}
	}
	if f.Member != nil && f.Member(n) && typed || f.Own != nil && f.Own(n) {
		if text, next, ok := p.memberPath(p.i); ok {
			p.i = next
			return p.put(&String{Value: text}, t.From, t.From), false
		}
	}
	switch {
	case n != 1 || f.Predicate == Never:
	case f.Predicate == Always:
		return p.predicate(), false
	case pipe || p.firm == 0:
		p.scopes = append(p.scopes, 0)
		body := p.expression()
		used := p.scopes[len(p.scopes)-1] > 0
		p.scopes = p.scopes[:len(p.scopes)-1]
		if used {
			return p.put(&Predicate{Body: body}, t.From, t.From), false
		}
		return body, false
	}
	return p.expression(), false
}

func (p *parser) predicate() Node {
	t := p.tok()
	p.scopes = append(p.scopes, 0)
	p.firm++
	defer func() { p.scopes, p.firm = p.scopes[:len(p.scopes)-1], p.firm-1 }()
	if !p.accept("{") {
		body := p.expression()
		if p.tok().is(";") {
			return p.fail(errorf(p.tok().From, "a predicate of several expressions needs braces around it: { … }"))
		}
		return p.put(&Predicate{Body: body}, t.From, t.From)
	}
	body := p.sequence()
	p.expect("}")
	return p.put(&Predicate{Body: body}, t.From, t.From)
}

func (p *parser) list() Node {
	t := p.next()
	n := &List{}
	for p.err == nil && !p.tok().is("]") {
		if len(n.Items) > 0 {
			p.expect(",")
			if p.tok().is("]") {
				break
			}
		}
		n.Items = append(n.Items, p.expression())
	}
	p.expect("]")
	return p.put(n, t.From, t.From)
}

func (p *parser) mapping() Node {
	open := p.next()
	n := &Map{}
	for p.err == nil && !p.tok().is("}") {
		if len(n.Keys) > 0 {
			p.expect(",")
			if p.tok().is("}") {
				break
			}
		}
		var key Node
		switch t := p.tok(); {
		case t.Kind == Word, t.Kind == Text, t.Kind == Number && t.num == nil:
			p.next()
			key = p.put(&String{Value: t.Text}, t.From, t.From)
		case t.Kind == Number:
			key = p.primary()
		case t.is("("):
			key = p.primary()
		case t.Kind == End:
			return p.unexpected()
		default:
			return p.fail(errorf(t.From, "the key of a map is a name, a string or a number, or an expression in brackets: {(x): 1}"))
		}
		p.expect(":")
		n.Keys = append(n.Keys, key)
		n.Values = append(n.Values, p.expression())
	}
	p.expect("}")
	return p.put(n, open.From, open.From)
}

// postfix reads the members and indices behind a value.
func (p *parser) postfix(x Node) Node {
	from := x.Where().From
	for p.err == nil {
		t := p.tok()
		switch {
		case t.is("?.") && p.ahead(1).is("["):
			p.next()
			x = p.index(x, from, true)
		case t.is(".", "->", "?."):
			p.next()
			name := p.tok()
			if name.Kind != Word {
				if name.Kind == End {
					return p.unexpected()
				}
				return p.fail(errorf(name.From, "the name of a member is missing"))
			}
			p.next()
			if p.tok().is("(") {
				return p.fail(errorf(name.From, "a function of the kernel cannot be called: nothing runs in it"))
			}
			x = p.put(&Member{X: x, Name: name.Text, Optional: t.Text == "?."}, name.From, from)
		case t.is("["):
			x = p.index(x, from, false)
		default:
			return x
		}
	}
	return x
}

// index reads x[i] or x[a:b].
func (p *parser) index(x Node, from int, optional bool) Node {
	at := p.next().From
	var lo, hi Node
	if !p.tok().is(":") {
		lo = p.expression()
	}
	if p.accept(":") {
		if !p.tok().is("]") {
			hi = p.expression()
		}
		p.expect("]")
		return p.put(&Slice{X: x, From: lo, To: hi}, at, from)
	}
	p.expect("]")
	return p.put(&Index{X: x, I: lo, Optional: optional}, at, from)
}
