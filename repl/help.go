package repl

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"kinspect/btf"
	"kinspect/expr"
	"kinspect/expr/value"
)

const helpIntro = `Write an expression, such as one of these:
  netdev('bond0').rx_dropped                         a device's counter
  netdevs() | filter(.rx_dropped > 0) | map(.name)   devices that drop
  init_net.dev_base_head                             a global variable, by name
  per_cpu(softnet_data, 0).processed                 one CPU's copy
Tab completes names, members and what stands in quotes.
`

const helpEnd = `help NAME (or ? NAME) tells more of a function, help language of the language.
exit, quit and Ctrl-D leave; Ctrl-C stops an evaluation.
`

// helpLanguage is the reference of the language in brief; package expr's
// documentation has it all.
const helpLanguage = `p.x and p->x     a member, through a pointer too; a?.x is nil where a is NULL
a[i], a[i:j]     an element, a part
+ - * / % **     C's integers: unsigned ones, promotion, wrap-around; ** is the power
== != < <= > >=  also strings with char arrays, enums with an enumerator's name
&& || ! ?:       also written and, or, not
in, contains, startsWith, endsWith, matches
list | f(…)      f(list, …)
#, .x, #index    in a predicate: the element, its member, its index
let d = …; …     a variable
1..5, [1, 2], {key: 1}, 'text', "text"
                 ranges, lists, maps, strings
C's & | ^ ~ << >>, casts, sizeof and offsetof are functions:
                 bitand bitor bitxor bitnot bitshl bitshr cast sizeof offsetof
Members in network order (__be16, __be32, __be64) compare raw, as in C: compare
them with htons(0x0800), not with 0x0800. Arrays of char are strings.
`

// help prints the overview, or what there is about one name.
func (r *runner) help(name string) {
	if err := Help(r.Out, r.Session.Functions(), name); err != nil {
		r.failed = true
		fmt.Fprintln(r.Err, err)
	}
}

// Help writes what there is about one name: a function, a topic, or "language";
// the overview where the name is empty. The error is that there is nothing.
func Help(out io.Writer, all []expr.Function, name string) error {
	name = strings.Trim(name, "()")
	switch name {
	case "":
		fmt.Fprint(out, helpIntro+"\n")
		Overview(out, all)
		fmt.Fprint(out, "\n"+helpEnd)
		return nil
	case "language":
		fmt.Fprint(out, helpLanguage)
		return nil
	case "help", "exit", "quit":
		fmt.Fprint(out, helpEnd)
		return nil
	}
	var names []string
	found := false
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
	msg := fmt.Sprintf("there is no help on %s", value.Quote(name))
	if near := btf.Near(name, names); len(near) > 0 {
		msg += "; did you mean " + strings.Join(near, ", ") + "?"
	}
	return errors.New(msg)
}

// summary prints how a function is called, and what it is.
func summary(out io.Writer, f expr.Function) {
	fmt.Fprintf(out, "%s\n    %s\n", f.Signature, strings.Join(wrap(strings.Fields(f.Doc), 72), "\n    "))
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

// Overview lists functions by topic, their names alone.
func Overview(out io.Writer, all []expr.Function) {
	var topics []string
	names := map[string][]string{}
	width := 0
	for _, f := range all {
		if names[f.Topic] == nil {
			topics = append(topics, f.Topic)
		}
		names[f.Topic] = append(names[f.Topic], f.Name)
		width = max(width, len(f.Topic))
	}
	slices.Sort(topics)
	for _, t := range topics {
		lines := wrap(names[t], 76-width)
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
	return "  " + strings.Join(wrap(words, 76), "\n  ") + "\n"
}

// wrap puts words into lines of a width.
func wrap(words []string, width int) []string {
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

// complete adds the prompt's own words to what the language completes.
func (r *runner) complete(line string, pos int) (head string, completions []string, tail string) {
	runes := []rune(line)
	pos = max(0, min(pos, len(runes)))
	before := string(runes[:pos])
	if prefix, ok := strings.CutPrefix(before, "help "); ok && isTopic(prefix) {
		words := []string{"language"}
		for _, f := range r.Session.Functions() {
			words = append(words, f.Name, f.Topic)
		}
		slices.Sort(words)
		for _, w := range slices.Compact(words) {
			if strings.HasPrefix(w, prefix) {
				completions = append(completions, w)
			}
		}
		return "help ", completions, string(runes[pos:])
	}
	head, completions, tail = r.Session.Complete(line, pos)
	if head == "" && before != "" {
		for _, w := range []string{"help", "exit", "quit"} {
			if strings.HasPrefix(w, before) {
				completions = append(completions, w)
			}
		}
	}
	return head, completions, tail
}
