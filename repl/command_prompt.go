package repl

import (
	"context"
	"fmt"
	"strings"

	"kinspect/expr"
	"kinspect/expr/value"
)

// promptCommands are about the prompt itself. They are set below, since what they do needs
// the table of all commands.
var promptCommands []command

func init() {
	promptCommands = []command{
		{
			name: "help", usage: "help [TOPIC or NAME]", arg: argTopic, example: "help language",
			about: "this, or what there is on a topic, a function or a command",
			run:   func(_ context.Context, r *runner, args string) bool { r.help(args); return true },
		},
		{
			name: "set", usage: "set [OPTION …]", arg: argFormat, example: "set hex depth=2",
			about: "how values are printed: set hex depth=2, set default",
			run:   func(_ context.Context, r *runner, args string) bool { r.set(args); return true },
		},
		{
			name: "vars", usage: "vars", example: "vars",
			about: "the variables that let made",
			run:   func(_ context.Context, r *runner, args string) bool { r.vars(args); return true },
		},
		{
			name: "unset", usage: "unset NAME …", arg: argVariable,
			about: "take variables away",
			run:   func(_ context.Context, r *runner, args string) bool { r.unset(args); return true },
		},
		{
			name: "save", usage: "save FILE, save! FILE", arg: argFile,
			about: "the last result to a file, or the session to a script (.ki)",
			more:  "To FILE.json the result goes as JSON. A file that is there already is replaced by save! alone.",
			run:   func(ctx context.Context, r *runner, args string) bool { r.save(ctx, args); return true },
		},
		{
			name: "exit", usage: "exit [CODE]", about: "leave, as Ctrl-D does; CODE is the program's exit code",
			run: func(_ context.Context, r *runner, args string) bool { return r.noArguments("exit", args) },
		},
		{
			name: "quit", usage: "quit", about: "the same",
			run: func(_ context.Context, r *runner, args string) bool { return r.noArguments("quit", args) },
		},
	}
}

// usage tells how a command is used.
func (r *runner) usage(name string) {
	c, _ := findCommand(name)
	r.failed = true
	fmt.Fprintf(r.Err, "usage: %s\n", c.usage)
}

// noArguments ends the run, unless there is an argument that it would not heed.
func (r *runner) noArguments(name, args string) bool {
	if args == "" {
		return false
	}
	r.usage(name)
	return true
}

// set changes how values are printed, or tells it.
func (r *runner) set(options string) {
	if options == "" {
		for _, o := range value.FormatOptions {
			fmt.Fprintf(r.Out, "%-10s  %s\n", o[0], o[1])
		}
		fmt.Fprintln(r.Out, "now: "+formatText(r.Format))
		return
	}
	f, err := r.Format.Set(options)
	if err != nil {
		r.failed = true
		fmt.Fprintln(r.Err, "error:", err)
		return
	}
	r.Format = f
}

// formatText is a format as options.
func formatText(f value.Format) string {
	o := []string{fmt.Sprintf("depth=%d", f.Depth)}
	const many = 1 << 30
	if f.Elements > many {
		o = append(o, "full")
	} else {
		o = append(o, fmt.Sprintf("elements=%d", f.Elements))
	}
	if f.Width > many {
		o = append(o, "oneline")
	} else {
		o = append(o, fmt.Sprintf("width=%d", f.Width))
	}
	o = append(o, map[bool]string{true: "hex", false: "dec"}[f.Hex], map[bool]string{true: "notypes", false: "types"}[f.NoTypes])
	return strings.Join(o, " ")
}

// vars lists the variables of the session.
func (r *runner) vars(args string) {
	if args != "" {
		r.usage("vars")
		return
	}
	for _, name := range r.Session.Variables() {
		v, _ := r.Session.Variable(name)
		fmt.Fprintf(r.Out, "%-12s %s\n", value.Printable(name), expr.Describe(v))
	}
}

func (r *runner) unset(args string) {
	if args == "" {
		r.usage("unset")
		return
	}
	for _, name := range strings.FieldsFunc(args, func(c rune) bool { return c == ' ' || c == ',' || c == '\t' }) {
		if !r.Session.Unset(name) {
			r.failed = true
			fmt.Fprintf(r.Err, "there is no variable %s\n", value.Quote(name))
		}
	}
}
