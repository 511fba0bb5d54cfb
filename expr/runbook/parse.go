package runbook

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"kinspect/btf"
	"kinspect/expr"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

// Parse reads a book. name is what errors call it; they are [*expr.ScriptError]s.
func Parse(name, text string) (*Book, error) {
	b := &Book{Name: name, Text: text}
	switch {
	case len(text) > MaxFile:
		return nil, b.failAt(-1, &expr.Error{Msg: fmt.Sprintf("the file is longer than %d bytes, which is the limit", MaxFile)})
	case !utf8.ValidString(text):
		return nil, b.failAt(-1, &expr.Error{Msg: "the file is not valid UTF-8"})
	}
	b.runes = []rune(text)
	p := &parser{b: b}
	if err := p.book(); err != nil {
		return nil, err
	}
	return b, nil
}

// tabWidth is how wide a tab is at the beginning of a line.
const tabWidth = 8

// byteOrderMark is what some editors begin a file with.
const byteOrderMark = '\ufeff'

type parser struct {
	b     *Book
	check *Check // that the lines belong to, or nil
	lines []line
}

// line is one line of the book.
type line struct {
	indent   int // columns of blanks before it
	from, to int // without these, and without blanks behind
}

// failure keeps a nil of one type from becoming an error of another.
func (p *parser) fail(at int, format string, args ...any) error {
	return p.b.failAt(at, &expr.Error{Msg: fmt.Sprintf(format, args...)})
}

// split finds the lines. Comments become blanks, in the expressions too that go on behind them.
func (p *parser) split() {
	runes := p.b.runes
	from := 0
	if len(runes) > 0 && runes[0] == byteOrderMark {
		runes[0] = ' '
		from = 1
	}
	for from <= len(runes) {
		if len(p.b.starts) == 0 {
			p.b.starts = append(p.b.starts, 0)
		} else {
			p.b.starts = append(p.b.starts, from)
		}
		end := from
		for end < len(runes) && runes[end] != '\n' {
			end++
		}
		l := line{from: from, to: end}
		for l.from < end && isBlank(runes[l.from]) {
			if runes[l.from] == '\t' {
				l.indent += tabWidth - l.indent%tabWidth
			} else {
				l.indent++
			}
			l.from++
		}
		for l.to > l.from && isBlank(runes[l.to-1]) {
			l.to--
		}
		if l.from < l.to && runes[l.from] == '#' {
			for i := l.from; i < l.to; i++ {
				runes[i] = ' '
			}
			l.to = l.from
		}
		if l.from < l.to {
			p.lines = append(p.lines, l)
		}
		from = end + 1
	}
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' || r == '\r' }

func (p *parser) book() error {
	p.split()
	for i := 0; i < len(p.lines); {
		first := p.lines[i]
		last := first
		i++
		for i < len(p.lines) && p.goesOn(first, p.lines[i]) {
			last = p.lines[i]
			i++
		}
		if err := p.item(first, last.to); err != nil {
			return err
		}
	}
	if len(p.b.Checks) == 0 {
		return p.fail(-1, "there is no check in the file: a check begins with check NAME \"what has to be so\"")
	}
	return p.complete()
}

// goesOn reports whether a line belongs to the one above: it stands further to the right, or closes a bracket.
func (p *parser) goesOn(first, l line) bool {
	if p.word(first.from) == "check" {
		return false
	}
	return l.indent > first.indent || l.indent == first.indent && strings.ContainsRune(")]}", p.b.runes[l.from])
}

// word is the word that begins at a rune.
func (p *parser) word(at int) string {
	end := at
	for end < len(p.b.runes) && syntax.IsWord(p.b.runes[end]) {
		end++
	}
	return string(p.b.runes[at:end])
}

// clauseWords are what a line of a check begins with.
var clauseWords = []string{"let", "when", "each", "label", "value", "holds", "max", "min", "unit", "found", "next"}

// item reads a line with those that it goes on in.
func (p *parser) item(l line, to int) error {
	c := clause{word: p.word(l.from), at: l.from}
	at := l.from + len([]rune(c.word))
	top := l.indent == 0
	switch {
	case c.word == "check" && top:
		return p.begin(c, at, to)
	case c.word == "check":
		return p.fail(l.from, "check stands at the beginning of a line")
	case top && (c.word == "let" || c.word == "fn"):
		if p.check != nil {
			return p.fail(l.from, "%s for all checks stands above the first one; of one check alone, it stands in that check's lines", c.word)
		}
		return p.above(c, at, to)
	case top && slices.Contains(clauseWords, c.word):
		return p.fail(l.from, "the lines of a check are indented: %s belongs to a check NAME above it", c.word)
	case top:
		return p.fail(l.from, "a line here begins with check, let, fn or #, not with %s", p.show(l.from, to))
	case p.check == nil:
		return p.fail(l.from, "this line is indented, and there is no check above that it could belong to")
	}
	return p.clause(c, at, to)
}

// show names what stands at a place.
func (p *parser) show(at, to int) string {
	if w := p.word(at); w != "" {
		return value.Quote(cut(w, maxName))
	}
	return value.Quote(string(p.b.runes[at:min(at+1, to)]))
}

// skip goes over blanks and ends of lines.
func (p *parser) skip(at, to int) int {
	for at < to && (isBlank(p.b.runes[at]) || p.b.runes[at] == '\n') {
		at++
	}
	return at
}

// begin reads check NAME "TITLE".
func (p *parser) begin(c clause, at, to int) error {
	from := p.skip(at, to)
	end := from
	for end < to && !isBlank(p.b.runes[end]) && p.b.runes[end] != '"' {
		end++
	}
	name := string(p.b.runes[from:end])
	switch {
	case from == at || name == "":
		return p.fail(from, "the check needs a name: check NAME \"what has to be so\"")
	case !isName(name):
		return p.fail(from, "the name of a check is of small letters, digits and dashes, begins with a letter, and has at most %d", maxName)
	case p.b.Find(name) != nil:
		return p.fail(from, "there is a check %s in this file already", name)
	case len(p.b.Checks) == maxChecks:
		return p.fail(c.at, "the file has more than %d checks", maxChecks)
	}
	from = p.skip(end, to)
	title := string(p.b.runes[from:to])
	if len(title) < 3 || title[0] != '"' || title[len(title)-1] != '"' || strings.Contains(title[1:len(title)-1], `"`) {
		return p.fail(from, "what has to be so stands behind the name, in \"…\": check %s \"no drops on bonds\"", name)
	}
	if len(title) > maxTitle {
		return p.fail(from, "this is longer than %d bytes: a comment has room for more", maxTitle)
	}
	p.check = &Check{Name: name, Title: title[1 : len(title)-1], at: c.at}
	p.b.Checks = append(p.b.Checks, p.check)
	return nil
}

// isName reports whether a name is good for a check: for a shell and a label, too.
func isName(s string) bool {
	return len(s) <= maxName && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// above reads a let or fn for all checks.
func (p *parser) above(c clause, at, to int) error {
	if len(p.b.prelude) == maxClauses {
		return p.fail(c.at, "more than %d lines stand above the first check", maxClauses)
	}
	if c.word == "fn" {
		c.texts = []span{{c.at, to}} // the language reads all of it
		p.b.prelude = append(p.b.prelude, c)
		return nil
	}
	err := p.named(&c, at, to)
	p.b.prelude = append(p.b.prelude, c)
	return err
}

// named reads NAME = EXPR.
func (p *parser) named(c *clause, at, to int) error {
	at = p.skip(at, to)
	c.name = p.word(at)
	if c.name == "" || c.name[0] >= '0' && c.name[0] <= '9' || len(c.name) > maxName || strings.ContainsFunc(c.name, func(r rune) bool { return r > 127 }) {
		return p.fail(at, "a name is missing here: %s NAME = EXPRESSION", c.word)
	}
	if c.word == "let" && syntax.IsKeyword(c.name) {
		return p.fail(at, "%s is a word of the language, and cannot be a name", c.name)
	}
	equals := p.skip(at+len(c.name), to)
	if equals == to || p.b.runes[equals] != '=' || equals+1 < to && p.b.runes[equals+1] == '=' {
		return p.fail(equals, "a = is missing here: %s %s = EXPRESSION", c.word, c.name)
	}
	from := p.skip(equals+1, to)
	if from == to {
		return p.fail(to, "an expression is missing here: %s %s = EXPRESSION", c.word, c.name)
	}
	c.texts = []span{{from, to}}
	return nil
}

// clause reads a line of a check.
func (p *parser) clause(c clause, at, to int) error {
	if !slices.Contains(clauseWords, c.word) {
		if near := btf.Near(c.word, clauseWords); len(near) > 0 {
			return p.fail(c.at, "there is no %s in a check: did you mean %s?", value.Quote(cut(c.word, maxName)), near[0])
		}
		return p.fail(c.at, "a line of a check begins with %s or #, not with %s", strings.Join(clauseWords, ", "), p.show(c.at, to))
	}
	from := p.skip(at, to)
	if from == to {
		return p.fail(to, "something is missing behind %s", c.word)
	}
	if from == at {
		return p.fail(from, "a blank is missing behind %s", c.word)
	}
	k := p.check
	one := func(to_ **clause) error {
		if *to_ != nil {
			return p.fail(c.at, "the check %s has a %s already", k.Name, c.word)
		}
		*to_ = &c
		return nil
	}
	switch c.word {
	case "let", "label":
		if err := p.named(&c, at, to); err != nil {
			return err
		}
		list := &k.lets
		if c.word == "label" {
			list = &k.labels
			if c.name == "check" || strings.HasPrefix(c.name, "__") {
				return p.fail(from, "a label cannot be called %s: that is what metrics call the check, or their own", c.name)
			}
		}
		if slices.ContainsFunc(*list, func(o clause) bool { return o.name == c.name }) {
			return p.fail(from, "the check %s has a %s %s already", k.Name, c.word, c.name)
		}
		if len(*list) == maxClauses {
			return p.fail(c.at, "the check %s has more than %d of %s", k.Name, maxClauses, c.word)
		}
		*list = append(*list, c)
		return nil
	case "unit":
		if k.unit != "" {
			return p.fail(c.at, "the check %s has a unit already", k.Name)
		}
		k.unit = string(p.b.runes[from:to])
		if len(k.unit) > maxName || strings.ContainsAny(k.unit, "\n\t'\"") || value.Printable(k.unit) != k.unit {
			return p.fail(from, "a unit is a word or two, without quotes: unit frames")
		}
		return nil
	case "when", "found", "next":
		texts, err := p.list(from, to)
		if err != nil {
			return err
		}
		c.texts = texts
		if c.word == "when" && len(texts) != 2 {
			return p.fail(from, "when takes a condition and the reason, with a comma between them: when len(bonds) > 0, 'there are no bonds'")
		}
		return one(map[string]**clause{"when": &k.when, "found": &k.found, "next": &k.next}[c.word])
	}
	c.texts = []span{{from, to}}
	return one(map[string]**clause{"each": &k.each, "value": &k.value, "holds": &k.holds, "max": &k.max, "min": &k.min}[c.word])
}

// list splits a text at the commas outside of brackets.
func (p *parser) list(from, to int) ([]span, error) {
	words, err := syntax.Lexemes(p.b.runes[:to], from, MaxFile)
	if err != nil {
		var at *syntax.Error
		if !errors.As(err, &at) {
			return nil, p.fail(from, "%v", err)
		}
		return nil, p.fail(at.At, "%s", at.Msg)
	}
	var out []span
	depth := 0
	begin := from
	for _, w := range words {
		switch {
		case w.Is("(", "[", "{"):
			depth++
		case w.Is(")", "]", "}"):
			depth--
		case w.Is(",") && depth == 0, w.Kind == syntax.End:
			end := w.From
			if w.Kind == syntax.End {
				end = to
			}
			if p.skip(begin, end) == end {
				return nil, p.fail(end, "an expression is missing here")
			}
			out = append(out, span{p.skip(begin, end), end})
			begin = w.To
			if len(out) > maxLists {
				return nil, p.fail(w.From, "more than %d expressions in one line", maxLists)
			}
		}
	}
	return out, nil
}

// complete looks at what each check has to have.
func (p *parser) complete() error {
	for _, c := range p.b.Checks {
		bounds := c.max != nil || c.min != nil
		switch {
		case c.value == nil && c.holds == nil:
			return p.fail(c.at, "the check %s looks at nothing: it needs value EXPRESSION with a max or min, or holds CONDITION", c.Name)
		case c.value != nil && c.holds != nil:
			return p.fail(c.holds.at, "the check %s has a value, which is a number with bounds, and holds, which is a condition: it takes one of them", c.Name)
		case c.value != nil && !bounds:
			return p.fail(c.value.at, "the value needs a max or a min; a condition stands behind holds")
		case c.holds != nil && bounds:
			return p.fail(c.holds.at, "holds is a condition and has no max or min: value takes a number")
		case len(c.labels) > 0 && c.each == nil:
			return p.fail(c.labels[0].at, "labels tell the rows of each apart: without each there is one row alone")
		}
	}
	return nil
}

// cut shortens a text to n bytes, at the end of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
