package repl

import (
	"fmt"
	"io"
	"strings"

	"kinspect/expr"
)

// helpTopic is what help tells of beside functions and commands.
type helpTopic struct {
	name, about string
	write       func(out io.Writer, all []expr.Function)
}

// helpTopics are set below: what lists them all needs them.
var helpTopics []helpTopic

func init() {
	text := func(s string) func(io.Writer, []expr.Function) {
		return func(out io.Writer, _ []expr.Function) { fmt.Fprint(out, s) }
	}
	helpTopics = []helpTopic{
		{"language", "the language in brief", text(helpLanguage)},
		{"keyboard", "keys, several lines, history", text(helpKeys)},
		{"commands", "what is no expression", writeCommands},
		{"functions", "all functions by topic", func(out io.Writer, all []expr.Function) {
			Overview(out, all)
			fmt.Fprint(out, "\nhelp NAME (or ? NAME) tells more of a function, or of a topic.\n")
		}},
		{"variables", "what is kept between expressions", text(helpVariables)},
	}
}

const helpIntro = `Write an expression, such as one of these:
  netdev('bond0').rx_dropped                         a device's counter
  netdevs() | filter(.rx_dropped > 0) | map(.name)   devices that drop
  init_net.dev_base_head                             a global variable, by name
  per_cpu(softnet_data, 0).processed                 one CPU's copy
  let d = netdev('lo')                               a variable (_: last value)

Commands, which show the expression that they stand for:
`

const helpEnd = `
help NAME (or ? NAME) tells more of a function, a command or a topic.
Tab completes names, members and what stands in quotes; Ctrl-R looks back.
exit, quit and Ctrl-D leave; Ctrl-C stops an evaluation.
`

// overview fits a screen of 80 columns and 24 lines, the prompt included.
func overview(out io.Writer, all []expr.Function) {
	fmt.Fprint(out, helpIntro)
	var names []string
	for _, c := range commands() {
		if c.name == "x" {
			names = append(names, "x/16gx")
		} else if c.name != "quit" {
			names = append(names, c.name)
		}
	}
	fmt.Fprint(out, Indent(names))
	fmt.Fprint(out, "Functions by topic (help TOPIC, or help functions for all names):\n")
	topics, _ := topicsOf(all)
	fmt.Fprint(out, Indent(topics))
	names = nil
	for _, t := range helpTopics {
		names = append(names, t.name)
	}
	fmt.Fprint(out, "More: help "+strings.Join(names, ", ")+"\n"+helpEnd)
}

// writeCommands lists the commands by the program that has them.
func writeCommands(out io.Writer, _ []expr.Function) {
	fmt.Fprint(out, `A word is a command where it cannot begin an expression: log alone, or ps -k,
not log.x or log + 1; and not where a variable of let has that name. Before
its answer a command shows the expression that it stands for: = dmesg()
`)
	for _, c := range commands() {
		about := c.about
		if c.like != "" {
			about += " (" + c.like + ")"
		}
		const column = 36
		lines := Wrap(strings.Fields(about), maxHelpWidth-2-column)
		usage := c.usage
		if len(usage)+2 > column-2 {
			fmt.Fprintf(out, "  %s\n", usage)
			usage = ""
		}
		for _, l := range lines {
			fmt.Fprintf(out, "  %-*s%s\n", column-2, usage, l)
			usage = ""
		}
	}
}

// helpLanguage is the reference of the language in brief; package expr's
// documentation has it all.
const helpLanguage = `p.x and p->x     a member, through a pointer too; a?.x is nil where a is NULL
a[i], a[i:j]     an element, a part
*p, &x           what a pointer points to, and an address
(struct T *)p    a cast; sizeof(struct T), offsetof(struct T, m), (typeof(x))p
NULL, nil        C's null pointer; what there is where there is nothing
+ - * / %        C's integers: unsigned, promotion, wrap-around; ** is the power
& | ^ ~ << >>    C's; x | f(…) is a pipe where f is a function
== != < <= > >=  also strings with char arrays, enums with an enumerator's name
&& || ! ?:       also written and, or, not
in, contains, startsWith, endsWith, matches
list | f(…)      f(list, …)
#, .x, #index    in a predicate: the element, its member, its index
let d = …; …     a variable
1..5, [1, 2], {key: 1}, 'text', "text"
                 ranges, lists, maps, strings
Members in network order (__be16, __be32, __be64) compare raw, as in C: compare
them with htons(0x0800), not with 0x0800. Arrays of char are strings.
`

const helpKeys = `Enter            evaluates; while a bracket, a string or a comment is open, or
                 an operator lacks its right side, the next line goes on: ...>
Ctrl-C           drops what is typed, all lines of it; stops an evaluation
Ctrl-D           leaves; with lines of an expression, ends that
Tab              completes, and lists what there is, with types
Up, Down         the history, of what begins as the line does
Ctrl-R           searches the history: type a part; Ctrl-R again goes further
                 back, Enter takes it, Ctrl-G gives up
Ctrl-A, Ctrl-E   begin and end of the line; Alt-B, Alt-F a word
Ctrl-W, Ctrl-U, Ctrl-K
                 delete the word before, all before, all behind (Ctrl-Y: back)
Ctrl-L           clears the screen
What is longer than the screen goes through $PAGER, else less, else more;
PAGER=cat wants none. Text that is pasted may have several lines, and several
expressions.
`

const helpVariables = `let x = EXPRESSION   alone, keeps a variable for the session
_ and $              are the last value
vars                 lists the variables, unset NAME takes one away
let x = …; EXPRESSION  keeps x for that expression alone
A variable goes before what the kernel has under its name. One that keeps a
value of the kernel reads it anew each time; a sequence is walked anew.
`
