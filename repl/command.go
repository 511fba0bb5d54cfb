package repl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// command is a word that begins a line at the prompt, and is no expression. Help,
// completion and tests go through the table of them.
type command struct {
	name  string
	usage string // "rd [-8|-16|-32|-64] ADDR [COUNT]"
	about string // one line
	like  string // the program that has it: "crash", "gdb", or "" for kinspect's own
	more  string // what help adds: what is not supported, what differs
	arg   argKind
	// example is a line that works on any kernel.
	example string

	// expand returns the expressions that the command stands for.
	expand func(r *runner, args string) ([]string, error)
	// run does what is no expression; it returns false where the run ends.
	run func(ctx context.Context, r *runner, args string) bool
}

// argKind says what an argument names, for completion.
type argKind uint8

const (
	argNone     argKind = iota
	argExpr             // an expression
	argType             // a type
	argStruct           // the name of a struct
	argUnion            // the name of a union
	argSymbol           // a symbol, or an expression
	argFile             // a file
	argFormat           // an option of the format
	argTopic            // what help tells of
	argVariable         // a variable of the session
)

// commands lists the commands in the order of help.
func commands() []command {
	return slices.Concat(promptCommands, ownCommands, crashCommands)
}

func findCommand(name string) (command, bool) {
	for _, c := range commands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

// operatorWords begin no argument: what stands before one is an operand.
var operatorWords = []string{"in", "and", "or", "not", "contains", "startsWith", "endsWith", "matches"}

// command reports whether a line is a command. A word is one only where it cannot begin
// an expression: alone, or before a blank and a name, a number, a string or an option,
// which can follow no operand; and never where a variable of the session has that name.
func (r *runner) command(line string) (c command, args string, ok bool) {
	line = strings.TrimSpace(line)
	end := strings.IndexFunc(line, func(c rune) bool { return c < 'a' || c > 'z' })
	if end < 0 {
		end = len(line)
	}
	name, rest := line[:end], line[end:]
	if c, ok = findCommand(name); !ok {
		return c, "", false
	}
	if _, hides := r.Session.Variable(name); hides {
		return c, "", false
	}
	switch {
	case name == "x":
		// x/8 ADDR: without a blank behind the format it divides.
		format, addr, found := strings.Cut(rest, " ")
		ok = found && strings.HasPrefix(format, "/") && startsArgument(strings.TrimSpace(addr), c)
		return c, strings.TrimPrefix(rest, "/"), ok
	case rest == "":
		return c, "", true
	case name == "exit" && strings.TrimSpace(rest) != "": // the statement, with a code
		return c, "", false
	case name == "save" && (rest == "!" || strings.HasPrefix(rest, "! ")):
		return c, rest, true
	case rest[0] != ' ' && rest[0] != '\t':
		return c, "", false
	}
	args = strings.TrimSpace(rest)
	return c, args, startsArgument(args, c)
}

// startsArgument reports whether a text can follow a command, and no operand.
func startsArgument(args string, c command) bool {
	if args == "" {
		return false
	}
	first := rune(args[0])
	word, _, _ := strings.Cut(args, " ")
	switch {
	case c.arg == argFile && strings.ContainsRune("/.~", first):
		return !strings.HasPrefix(args, "/ ") && !strings.HasPrefix(args, "~ ")
	case slices.Contains(operatorWords, word):
		return false
	case first == '-':
		return len(args) > 1 && (unicode.IsLetter(rune(args[1])) || unicode.IsDigit(rune(args[1])))
	}
	return first == '_' || first == '$' || first == '\'' || first == '"' || unicode.IsLetter(first) || unicode.IsDigit(first)
}

// errUsage is the error for arguments that a command does not take.
var errUsage = errors.New("usage")

// runCommand runs one. It returns false where the run ends.
func (r *runner) runCommand(ctx context.Context, c command, args string) bool {
	if c.run != nil {
		return c.run(ctx, r, args)
	}
	list, err := c.expand(r, args)
	if err != nil {
		r.failed = true
		if !errors.Is(err, errUsage) {
			fmt.Fprintf(r.Err, "%s: %v\n", c.name, err)
		}
		fmt.Fprintf(r.Err, "usage: %s\n", c.usage)
		return true
	}
	for _, src := range list {
		// The answer alone is on standard output, unless a person reads both.
		to := r.Err
		if r.Interactive && !r.JSON {
			to = r.Out
		}
		fmt.Fprintln(to, "= "+src)
		if !r.evaluate(ctx, src) {
			break
		}
	}
	return true
}
