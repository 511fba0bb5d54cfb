package repl

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"kinspect/expr"
	"kinspect/expr/value"
)

// complete completes a line: the arguments of commands, the prompt's own words, and what
// the language completes. The lines before, of an expression that is not complete yet,
// count.
func (r *runner) complete(line string, pos int) (head string, candidates []expr.Candidate, tail string) {
	runes := []rune(line)
	pos = max(0, min(pos, len(runes)))
	before, after := string(runes[:pos]), string(runes[pos:])
	if r.pending != "" && strings.TrimSpace(before) == "" { // it indents
		return before, []expr.Candidate{{Text: "  "}}, after
	}
	if r.pending != "" {
		skip := []rune(r.pending + "\n")
		head, candidates, tail = r.Session.Candidates(string(skip)+line, len(skip)+pos)
		whole := []rune(head)
		if len(whole) < len(skip) { // a string that began on a line before
			return before, nil, after
		}
		return string(whole[len(skip):]), candidates, tail
	}
	if head, candidates, ok := r.completeCommand(before); ok {
		return head, candidates, after
	}
	head, candidates, tail = r.Session.Candidates(line, pos)
	if strings.TrimSpace(head) == "" && before != "" {
		var first []expr.Candidate
		for _, c := range commands() {
			if strings.HasPrefix(c.name, strings.TrimSpace(before)) && c.name != "x" {
				first = append(first, expr.Candidate{Text: c.name, Note: "command: " + c.about})
			}
		}
		slices.SortFunc(first, func(a, b expr.Candidate) int { return strings.Compare(a.Text, b.Text) })
		candidates = append(first, candidates...)
	}
	return head, candidates, tail
}

// completeCommand completes the argument of a command; ok is false for what is none.
func (r *runner) completeCommand(before string) (head string, candidates []expr.Candidate, ok bool) {
	trimmed := strings.TrimLeft(before, " \t")
	name, arg, found := strings.Cut(trimmed, " ")
	if !found {
		return "", nil, false
	}
	name = strings.TrimSuffix(name, "!")
	if strings.HasPrefix(name, "x/") {
		name = "x"
	}
	c, isCommand := findCommand(name)
	if _, hides := r.Session.Variable(name); isCommand && !hides {
		if head, candidates, ok := completeOption(c, before, arg); ok {
			return head, candidates, true
		}
	}
	if _, hides := r.Session.Variable(name); !isCommand || hides || arg != "" && !startsArgument(arg, c) {
		return "", nil, false
	}
	// The word before the cursor, and what stands before it.
	cut := strings.LastIndexAny(arg, " ,") + 1
	word, first := arg[cut:], strings.TrimSpace(arg[:cut]) == ""
	head = before[:len(before)-len(word)]
	switch c.arg {
	case argFile:
		return before[:len(before)-len(arg)], fileNames(arg), true
	case argFormat:
		for _, o := range value.FormatOptions {
			text, _, hasValue := strings.Cut(o[0], "=")
			if hasValue {
				text += "="
			}
			if strings.HasPrefix(text, word) {
				candidates = append(candidates, expr.Candidate{Text: text, Note: o[1]})
			}
		}
		return head, candidates, true
	case argTopic:
		return before[:len(before)-len(arg)], r.topics(arg), true
	case argVariable:
		for _, n := range r.Session.Variables() {
			if strings.HasPrefix(n, word) {
				candidates = append(candidates, expr.Candidate{Text: n})
			}
		}
		return head, candidates, true
	case argStruct, argUnion:
		tag := map[argKind]string{argStruct: "struct ", argUnion: "union "}[c.arg]
		if strings.Contains(arg, " ") {
			return "", nil, false // an address
		}
		if dot := strings.IndexByte(arg, '.'); dot >= 0 { // NAME.member,member
			cut = max(cut, dot+1)
			src := "offsetof(" + tag + arg[:dot] + ", " + arg[cut:]
			_, candidates, _ = r.Session.Candidates(src, len([]rune(src)))
			return before[:len(before)-len(arg)+cut], candidates, true
		}
		_, candidates = r.Session.TypeNames(tag + word)
		return head, candidates, true
	case argType:
		h, names := r.Session.TypeNames(arg)
		if h == "" && arg != "" { // the tag may be left out
			for _, tag := range []string{"struct ", "union ", "enum "} {
				_, tagged := r.Session.TypeNames(tag + arg)
				names = append(names, tagged...)
			}
			slices.SortFunc(names, func(a, b expr.Candidate) int { return strings.Compare(a.Text, b.Text) })
			names = slices.Compact(names)
		}
		return before[:len(before)-len(arg)] + h, names, true
	case argSymbol:
		if strings.ContainsAny(word, "(.>'\"") || !first {
			return "", nil, false // an expression
		}
		return head, r.Session.SymbolNames(word), true
	}
	return head, nil, true
}

// option is one as the usage of a command has it.
var option = regexp.MustCompile(`-[0-9A-Za-z]+`)

// completeOption completes an option of a command, where before it there are options alone.
func completeOption(c command, before, arg string) (head string, candidates []expr.Candidate, ok bool) {
	words := strings.Fields(arg)
	if len(words) == 0 || strings.HasSuffix(arg, " ") || !strings.HasPrefix(words[len(words)-1], "-") {
		return "", nil, false
	}
	all := option.FindAllString(c.usage, -1)
	for _, w := range words[:len(words)-1] {
		if !slices.Contains(all, w) {
			return "", nil, false
		}
	}
	word := words[len(words)-1]
	for _, o := range all {
		if strings.HasPrefix(o, word) {
			candidates = append(candidates, expr.Candidate{Text: o})
		}
	}
	return before[:len(before)-len(word)], candidates, len(all) > 0
}

// topics are what help tells of.
func (r *runner) topics(prefix string) []expr.Candidate {
	notes := map[string]string{}
	for _, t := range helpTopics {
		notes[t.name] = t.about
	}
	for _, c := range commands() {
		notes[c.name] = "command: " + c.about
	}
	for _, f := range r.Session.Functions() {
		notes[f.Topic] = "functions"
		notes[f.Name] = f.Doc
	}
	var out []expr.Candidate
	for name, note := range notes {
		if strings.HasPrefix(name, prefix) {
			out = append(out, expr.Candidate{Text: name, Note: note})
		}
	}
	slices.SortFunc(out, func(a, b expr.Candidate) int { return strings.Compare(a.Text, b.Text) })
	return out
}

// maxFiles bounds a list of files.
const maxFiles = 200

// fileNames are the files that begin with a path; directories end with a slash.
func fileNames(prefix string) []expr.Candidate {
	dir, base := filepath.Split(prefix)
	in := dir
	if in == "" {
		in = "."
	}
	if home, err := os.UserHomeDir(); err == nil && strings.HasPrefix(in, "~/") {
		in = home + in[1:]
	}
	entries, err := os.ReadDir(in)
	if err != nil {
		return nil
	}
	var out []expr.Candidate
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, base) || base == "" && strings.HasPrefix(name, ".") || strings.ContainsFunc(name, isControl) || !utf8.ValidString(name) {
			continue
		}
		if e.IsDir() {
			name += "/"
		}
		if out = append(out, expr.Candidate{Text: dir + name}); len(out) == maxFiles {
			break
		}
	}
	return out
}

// candidateTable lists candidates: with their notes one a line where they fit on the
// screen, else names alone in columns, and of too many the first.
func candidateTable(candidates []expr.Candidate, cols, rows int) string {
	rows = max(rows-3, 1)
	longest, noted := 0, false
	for _, c := range candidates {
		longest = max(longest, utf8.RuneCountInString(c.Text))
		noted = noted || c.Note != ""
	}
	var b strings.Builder
	if noted && len(candidates) <= rows && longest+4 < cols {
		for _, c := range candidates {
			line := fmt.Sprintf("%-*s  %s", longest, c.Text, c.Note)
			b.WriteString(strings.TrimRight(cutTo(line, cols-1), " ") + "\n")
		}
		return b.String()
	}
	width := longest + 2
	columns := max(1, (cols-1)/width)
	shown := candidates
	if max := columns * rows; len(shown) > max {
		shown = shown[:max-columns]
	}
	lines := (len(shown) + columns - 1) / columns
	for i := range lines {
		line := ""
		for j := i; j < len(shown); j += lines {
			line += fmt.Sprintf("%-*s", width, shown[j].Text)
		}
		b.WriteString(strings.TrimRight(cutTo(line, cols-1), " ") + "\n")
	}
	if more := len(candidates) - len(shown); more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	return b.String()
}

// cutTo is the first n runes of a line.
func cutTo(s string, n int) string {
	r := []rune(s)
	if n < 1 || len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
