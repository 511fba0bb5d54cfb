package syntax

import "strings"

// typeWords are words that only types begin with.
var typeWords = map[string]bool{
	"struct": true, "union": true, "enum": true, "const": true, "volatile": true, "unsigned": true, "signed": true,
	"char": true, "short": true, "int": true, "long": true, "void": true, "_Bool": true, "bool": true,
	"float": true, "double": true, "__int128": true,
}

// typeName reads a type that starts at token i and ends before one of the tokens
// in ends; next is that token. ok is false where there is no type.
func (p *parser) typeName(i int, ends ...string) (text string, next int, ok bool) {
	first := &p.toks[i]
	if first.Kind != Word || keywords[first.Text] {
		return "", 0, false
	}
	known := typeWords[first.Text]
	if !known && !p.names.IsType(first.Text) {
		return "", 0, false
	}
	var words []string
	stars, tagged := false, false
	for ; ; i++ {
		switch t := &p.toks[i]; {
		case t.Kind == Word && !keywords[t.Text]:
			qualifier := t.Text == "const" || t.Text == "volatile"
			if stars && !qualifier || !known && len(words) > 0 && !qualifier {
				return "", 0, false
			}
			tagged = tagged || !qualifier && len(words) > 0
			words = append(words, t.Text)
		case t.is("*", "**"):
			stars = true
			words = append(words, t.Text)
		case t.is("(") && len(words) > 0 && !stars: // char (*)[20]
			group, next, ok := p.starGroup(i)
			if !ok {
				return "", 0, false
			}
			stars, i = true, next-1
			words = append(words, group)
		case t.is("[") && p.toks[min(i+1, len(p.toks)-1)].num != nil && p.toks[min(i+2, len(p.toks)-1)].is("]"):
			words = append(words, "["+p.toks[i+1].Text+"]")
			i += 2
		case t.is(ends...):
			switch first.Text {
			case "struct", "union", "enum":
				if !tagged {
					return "", 0, false
				}
			}
			return strings.Join(words, " "), i, true
		default:
			return "", 0, false
		}
	}
}

// starGroup reads the declarator (*) at token i, with the parameters of a function behind it; next is
// the token behind.
func (p *parser) starGroup(i int) (text string, next int, ok bool) {
	from := i
	for i++; p.toks[i].is("*", "**"); i++ {
		continue
	}
	if i == from+1 || !p.toks[i].is(")") {
		return "", 0, false
	}
	i++
	for depth := 0; p.toks[i].is("(") || depth > 0; i++ {
		switch t := &p.toks[i]; {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case t.Kind != Word && t.num == nil && !t.is("*", "**", ",", "[", "]", "..."):
			return "", 0, false
		}
	}
	if next := &p.toks[i]; !next.is("[", ")", ",") {
		return "", 0, false
	}
	return string(p.src[p.toks[from].From:p.toks[i-1].To]), i, true
}

// memberPath reads the path of a member, a.b[2].c, that ends before a comma or the
// closing bracket.
func (p *parser) memberPath(i int) (text string, next int, ok bool) {
	from := p.toks[i].From
	for first := true; ; first = false {
		if p.toks[i].Kind != Word && !(first && p.toks[i].Kind == Word) {
			return "", 0, false
		}
		i++
		for p.toks[i].is("[") {
			if p.toks[i+1].num == nil || !p.toks[min(i+2, len(p.toks)-1)].is("]") {
				return "", 0, false
			}
			i += 3
		}
		if p.toks[i].is(",", ")") {
			return strings.Join(strings.Fields(string(p.src[from:p.toks[i-1].To])), ""), i, true
		}
		if !p.toks[i].is(".") {
			return "", 0, false
		}
		i++
	}
}
