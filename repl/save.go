package repl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"kinspect/expr"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

// statement is an expression that succeeded.
type statement struct {
	let string // the variable that it sets, or ""
	src string // on one line

	block bool // no expression, but what a script alone has
}

// maxStatements bounds what a session keeps for save.
const maxStatements = 10_000

// succeeded keeps an expression for save.
func (r *runner) succeeded(s statement) {
	if len(r.script) < maxStatements {
		s.src = strings.TrimSpace(oneLine(expr.Semicolons(strings.TrimSpace(s.src)) + "\n"))
		r.script = append(r.script, s)
	}
}

// save writes the session's expressions, or the last result, to a file.
func (r *runner) save(ctx context.Context, args string) {
	name, replace := strings.CutPrefix(args, "! ")
	name = strings.TrimSpace(name)
	if strings.HasPrefix(args, "!") && !replace || name == "" {
		r.usage("save")
		return
	}
	if n := len(name); n > 1 && (name[0] == '\'' || name[0] == '"') && name[n-1] == name[0] {
		name = name[1 : n-1]
	}
	if home, err := os.UserHomeDir(); err == nil && strings.HasPrefix(name, "~/") {
		name = filepath.Join(home, name[2:])
	}
	if err := r.saveTo(ctx, name, replace); err != nil {
		r.failed = true
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("it is there already: save! %s replaces it", value.Printable(args))
		}
		fmt.Fprintf(r.Err, "not saved to %s: %v\n", value.Quote(name), err)
	}
}

func (r *runner) saveTo(ctx context.Context, name string, replace bool) error {
	script := filepath.Ext(name) == ".ki"
	switch {
	case script && len(r.script) == 0:
		return errors.New("no expression succeeded yet")
	case !script && !r.last:
		return errors.New("there is no result yet")
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if replace {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	mode := fs.FileMode(0o600) // a result is memory of the kernel
	if script {
		mode = 0o755
	}
	f, err := os.OpenFile(name, flags, mode)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	if script {
		_, err = io.WriteString(w, scriptText(r.script))
	} else {
		err = r.writeLast(ctx, w, filepath.Ext(name) == ".json")
	}
	if ferr := w.Flush(); err == nil {
		err = ferr
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// writeLast writes the last result, which is read anew where it is in the kernel's memory.
func (r *runner) writeLast(ctx context.Context, w io.Writer, json bool) error {
	ctx, done := r.interruptible(ctx)
	defer done()
	result, err := r.Session.Eval(ctx, lastNames[0])
	if err != nil {
		return err
	}
	warned := func(w string) { fmt.Fprintln(r.Err, "warning:", w) }
	var part error
	if json {
		part, err = result.WriteJSON(w)
	} else {
		part, err = result.WriteText(w, r.Format, warned)
	}
	r.partly(part)
	return err
}

// scriptText is a script of expressions. Where one speaks of the last result, each of
// them keeps its own for the next.
func scriptText(list []statement) string {
	usesLast := false
	for _, s := range list {
		usesLast = usesLast || withLast(s.src) != s.src || namesLast(s.src)
	}
	var b strings.Builder
	b.WriteString("#!/usr/bin/env -S kinspect run\n")
	declared := map[string]bool{}
	have := false
	for _, s := range list {
		src := withLast(strings.TrimRight(s.src, "; "))
		switch {
		case s.let != "":
			// A variable is declared once, and set from then on.
			if !declared[s.let] {
				b.WriteString("let ")
			}
			declared[s.let] = true
			b.WriteString(s.let + " = " + src + ";\n")
		case s.block:
			b.WriteString(src + ";\n")
		case usesLast && have:
			b.WriteString("_ = " + src + "; print _;\n")
		case usesLast:
			b.WriteString("let _ = " + src + "; print _;\n")
			have = true
		default:
			b.WriteString(src + ";\n")
		}
	}
	return b.String()
}

// namesLast reports whether an expression speaks of _.
func namesLast(src string) bool { return replaceName(src, "_", "$") != src }

// withLast is an expression with _ in place of $.
func withLast(src string) string { return replaceName(src, "$", "_") }

// replaceName replaces a name where it stands for a variable.
func replaceName(src, name, by string) string {
	runes := []rune(src)
	var b strings.Builder
	for i := 0; i < len(runes); {
		end := i + 1
		switch r := runes[i]; {
		case r == '\'' || r == '"' || r == '`':
			end, _ = syntax.SkipString(runes, i)
		case syntax.IsComment(runes, i):
			end, _ = syntax.SkipComment(runes, i)
		case syntax.IsWord(r):
			end = syntax.SkipWord(runes, i)
			if string(runes[i:end]) == name {
				b.WriteString(by)
				i = end
				continue
			}
		}
		b.WriteString(string(runes[i:end]))
		i = end
	}
	return b.String()
}
