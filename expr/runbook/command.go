package runbook

import (
	"context"
	"fmt"
	"strings"

	"kinspect/expr"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

// What next says is pasted into a shell, and names of devices and namespaces are anybody's who may make one:
// $(reboot) is a device's name. So what a book's author wrote, which is a text as it stands, is printed as it is, and all
// that is computed is a word of the command line, or a list of words, quoted where they have to be.

// written is a piece of next as its author has it.
type written struct {
	literal bool // one text and nothing else
	begins  bool // with a text, of which what is computed is a part
}

// writtenAs looks at the words of an expression.
func writtenAs(text string) written {
	words, err := syntax.Lexemes([]rune(text), 0, MaxFile)
	if err != nil || len(words) < 2 || words[0].Kind != syntax.Text {
		return written{}
	}
	return written{literal: words[1].Kind == syntax.End, begins: true}
}

// quoting is how far a shell is in its reading of a command line: within which quotes.
type quoting struct {
	in      rune // ', ", ` or 0; $ is that of $'…'
	escaped bool // by a backslash
	dollar  bool // there is one just before
}

func (q *quoting) read(s string) {
	for _, r := range s {
		dollar := q.dollar
		q.dollar = false
		switch {
		case q.escaped:
			q.escaped = false
		case r == '\\' && q.in != '\'':
			q.escaped = true
		case q.in == 0 && r == '\'' && dollar:
			q.in = '$'
		case q.in == 0 && (r == '\'' || r == '"' || r == '`'):
			q.in = r
		case q.in == 0:
			q.dollar = r == '$'
		case r == q.in || q.in == '$' && r == '\'':
			q.in = 0
		}
	}
}

// mark is what would close the quotes.
func (q *quoting) mark() rune {
	if q.in == '$' {
		return '\''
	}
	return q.in
}

// command checks a line of next: nothing that is computed stands within quotes of the author's, which would undo its own.
func (r *runner) command(c *clause) error {
	var q quoting
	for _, t := range c.texts {
		text := r.b.text(t)
		if !writtenAs(text).literal {
			if q.in != 0 {
				return r.b.failAt(t.from, &expr.Error{Msg: fmt.Sprintf("a %c before this is open, and what is computed would stand within those quotes of the shell: "+
					"close them, and write what belongs in one word as one expression, such as 'stack(' + string(.pid) + ')': it is quoted by itself", q.mark())})
			}
			continue
		}
		p, err := r.s.Prepare(text, false)
		if err != nil {
			return r.b.place(t.from, err)
		}
		v, err := p.Eval(context.Background(), nil, 0)
		if err != nil {
			return r.b.place(t.from, err)
		}
		if s, ok := v.Value.(string); ok {
			q.read(s + " ")
		}
	}
	return nil
}

// commandLine is what next says of a row.
func commandLine(ctx context.Context, list []*part, x any, i int) (string, error) {
	var words []string
	for _, p := range list {
		v, err := p.eval(ctx, x, i)
		if err != nil {
			return "", err
		}
		list, err := v.Words(plainFormat)
		if err != nil {
			return "", p.place(err)
		}
		for _, w := range list {
			switch {
			case p.written.literal:
				words = append(words, strings.TrimSpace(w.Text))
				continue
			case w.IsText && !p.written.begins && strings.HasPrefix(w.Text, "-") && !takesNext(words):
				words = append(words, "--")
			}
			words = append(words, value.ShellWord(w.Text))
		}
	}
	out := strings.Join(words, " ")
	if len(out) > maxSaid {
		return "", fmt.Errorf("the command has more than %d bytes", maxSaid)
	}
	return out, nil
}

// takesNext reports whether a command line ends in a word that the next one belongs to, whatever that begins with: an
// option, or dev and master of ip and tc. Other words that begin with a dash need -- before them.
func takesNext(words []string) bool {
	f := strings.Fields(strings.Join(words, " "))
	return len(f) > 0 && (strings.HasPrefix(f[len(f)-1], "-") || f[len(f)-1] == "dev" || f[len(f)-1] == "master")
}
