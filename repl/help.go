package repl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"kinspect/btf"
	"kinspect/expr"
	"kinspect/expr/value"
)

// maxHelpWidth is the widest that help is: the texts are written for it.
const maxHelpWidth = 80

// help prints the overview, or what there is about one name.
func (r *runner) help(name string) {
	width := maxHelpWidth
	if r.Interactive && r.editor == nil {
		if cols, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && cols > 0 {
			width = min(cols, maxHelpWidth)
		}
	}
	if r.screen != nil {
		if cols, _, ok := r.screen.size(); ok {
			width = min(cols, maxHelpWidth)
		}
	}
	var text bytes.Buffer
	if err := Help(&text, r.Session.Functions(), name); err != nil {
		r.failed = true
		fmt.Fprintln(r.Err, err)
		return
	}
	_, werr := r.paged(func(w io.Writer) error {
		_, err := io.WriteString(w, Fit(text.String(), width))
		return err
	})
	r.wrote(werr)
}

// Help writes what there is about one name: a topic, a command, a function or a topic of
// functions; the overview where the name is empty. The error is that there is nothing.
func Help(out io.Writer, all []expr.Function, name string) error {
	name = strings.Trim(name, "() ")
	if name == "" {
		overview(out, all)
		return nil
	}
	found := false
	for _, t := range helpTopics {
		if t.name == name {
			t.write(out, all)
			return nil
		}
	}
	if c, ok := findCommand(strings.TrimSuffix(name, "!")); ok {
		c.help(out)
		found = true
	}
	var names []string
	for _, f := range all {
		if f.Name == name {
			function(out, f)
			return nil
		}
		names = append(names, f.Name)
	}
	for _, f := range all {
		if f.Topic == name {
			summary(out, f)
			found = true
		}
	}
	if found {
		return nil
	}
	for _, c := range commands() {
		names = append(names, c.name)
	}
	msg := fmt.Sprintf("there is no help on %s", value.Quote(name))
	if near := btf.Near(name, names); len(near) > 0 {
		msg += "; did you mean " + strings.Join(near, ", ") + "?"
	}
	return errors.New(msg)
}

// summary prints how a function is called, and what it is.
func summary(out io.Writer, f expr.Function) {
	fmt.Fprintf(out, "%s\n    %s\n", f.Signature, strings.Join(Wrap(strings.Fields(f.Doc), 72), "\n    "))
}

func function(out io.Writer, f expr.Function) {
	summary(out, f)
	for i, e := range f.Examples {
		label := "example: "
		if i > 0 {
			label = "         "
		}
		fmt.Fprintf(out, "%s%s\n", label, e)
	}
}

// help prints what there is about a command.
func (c command) help(out io.Writer) {
	about := c.about
	if c.like != "" {
		about += ", as " + c.like + " has it"
	}
	fmt.Fprintf(out, "%s\n    %s\n", c.usage, strings.Join(Wrap(strings.Fields(about), 72), "\n    "))
	if c.more != "" {
		fmt.Fprintf(out, "    %s\n", strings.Join(Wrap(strings.Fields(c.more), 72), "\n    "))
	}
	if c.example != "" {
		fmt.Fprintf(out, "example: %s\n", c.example)
	}
}

// topicsOf are the topics of functions, in order, and their names.
func topicsOf(all []expr.Function) (topics []string, names map[string][]string) {
	names = map[string][]string{}
	for _, f := range all {
		if names[f.Topic] == nil {
			topics = append(topics, f.Topic)
		}
		names[f.Topic] = append(names[f.Topic], f.Name)
	}
	slices.Sort(topics)
	return topics, names
}

// Overview lists functions by topic, their names alone.
func Overview(out io.Writer, all []expr.Function) {
	topics, names := topicsOf(all)
	width := 0
	for _, t := range topics {
		width = max(width, len(t))
	}
	for _, t := range topics {
		lines := Wrap(names[t], 76-width)
		for i, l := range lines {
			label := ""
			if i == 0 {
				label = t
			}
			fmt.Fprintf(out, "%-*s  %s\n", width, label, l)
		}
	}
}

// Indent puts words into indented lines.
func Indent(words []string) string {
	return "  " + strings.Join(Wrap(words, 76), "\n  ") + "\n"
}

// Wrap puts words into lines of a width.
func Wrap(words []string, width int) []string {
	var lines []string
	line := ""
	for _, w := range words {
		if line != "" && len(line)+1+len(w) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}

// Fit breaks the lines of a text that are longer than a width: between two columns where
// it has them, else at blanks. What follows is indented further.
func Fit(text string, width int) string {
	width = max(width, 10)
	var out []string
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		indent := strings.Repeat(" ", min(len(line)-len(strings.TrimLeft(line, " ")), width/2))
		for utf8.RuneCountInString(line) > width {
			runes := []rune(line)
			start := len([]rune(indent))
			cut := width
			for i := width; i > start; i-- {
				if runes[i] == ' ' {
					cut = i
					break
				}
			}
			if i := strings.Index(strings.TrimLeft(line, " "), "   "); i > 0 { // a second column
				if i += len(line) - len(strings.TrimLeft(line, " ")); i <= width && len([]rune(line[:i])) <= width {
					cut = len([]rune(line[:i]))
				}
			}
			out = append(out, strings.TrimRight(string(runes[:cut]), " "))
			if len(indent) < width/2 && !strings.HasPrefix(indent, "      ") {
				indent += "    "
			}
			line = indent + strings.TrimLeft(string(runes[cut:]), " ")
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n") + "\n"
}
