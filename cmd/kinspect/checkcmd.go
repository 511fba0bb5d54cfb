package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"kinspect/btf"
	"kinspect/expr"
	"kinspect/expr/knet"
	"kinspect/expr/runbook"
	"kinspect/expr/value"
)

// checkOptions are the flags of check alone.
type checkOptions struct {
	metrics bool
	show    bool
}

// allChecks stands for every built-in check.
const allChecks = "all"

// chosen is a book with those of its checks that are run; nil is all of them.
type chosen struct {
	book *runbook.Book
	only []string
}

// check lists the built-in checks, or runs some, or those of files.
func (a *app) check(args []string) (int, error) {
	o := a.options
	switch {
	case o.metrics && o.json:
		return exitFailed, usagef("--metrics and --json are two forms of the same answer: choose one")
	case o.show && (o.metrics || o.output != "" || o.all):
		return exitFailed, usagef("--show prints the text of built-in checks, and takes their names alone: kinspect check --show bond-drops")
	case o.show:
		return a.showChecks(args)
	case len(args) == 0 && !o.all:
		if o.metrics || o.output != "" || o.set != "" {
			return exitFailed, usagef("name what to run: kinspect check all")
		}
		return a.listChecks()
	}
	if o.all {
		args = append([]string{allChecks}, args...)
	}
	books, err := a.chooseChecks(args)
	if err != nil {
		return exitFailed, err
	}
	settings, err := checkSettings(books, o.sets)
	if err != nil {
		return exitFailed, err
	}
	t, err := a.open()
	if err != nil {
		return exitFailed, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := runChecks(ctx, t.stack, a.options.netns, books, settings)
	if err != nil {
		return exitFailed, err
	}
	text, object := r.Text(), any(r)
	if o.metrics {
		text = r.Metrics()
	}
	if o.output != "" {
		err = a.writeChecks(o.output, text, object)
	} else {
		err = a.print(text, object)
	}
	return explainExit(r), err
}

// listChecks lists the built-in checks.
func (a *app) listChecks() (int, error) {
	list, err := runbook.BuiltIn()
	if err != nil {
		return exitFailed, err
	}
	if a.options.json {
		type entry struct {
			Check string `json:"check"`
			Title string `json:"title"`
		}
		entries := make([]entry, len(list))
		for i, c := range list {
			entries[i] = entry{c.Name, c.Title}
		}
		return exitFine, a.printJSON(map[string]any{"checks": entries})
	}
	wide := 0
	for _, c := range list {
		wide = max(wide, len(c.Name))
	}
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "%-*s  %s\n", wide, c.Name, c.Title)
	}
	b.WriteString("\nkinspect check NAME… runs some of them, kinspect check all every one, kinspect check FILE\nyour own; kinspect check --show NAME prints one, to be copied and changed\n")
	_, err = a.stdout.Write([]byte(b.String()))
	return exitFine, err
}

// showChecks prints built-in checks as they are written.
func (a *app) showChecks(args []string) (int, error) {
	if a.options.json {
		return exitFailed, usagef("--show prints text: leave --json out")
	}
	if len(args) == 0 {
		return exitFailed, usagef("usage: kinspect check --show NAME…")
	}
	var texts []string
	for _, name := range args {
		b, err := runbook.BuiltInBook(name)
		if err != nil {
			return exitFailed, err
		}
		if b == nil {
			return exitFailed, noCheck(name)
		}
		texts = append(texts, b.Text)
	}
	_, err := a.stdout.Write([]byte(strings.Join(texts, "\n")))
	return exitFine, err
}

// noCheck is the error for a name that neither a check nor a file has.
func noCheck(name string) error {
	list, err := runbook.BuiltIn()
	if err != nil {
		return err
	}
	var names []string
	for _, c := range list {
		names = append(names, c.Name)
	}
	if near := btf.Near(name, names); len(near) > 0 {
		return usagef("no check %s is built in: did you mean %s?", value.Quote(name), strings.Join(near, ", "))
	}
	return usagef("no check %s is built in, and there is no file of that name: kinspect check lists the checks", value.Quote(name))
}

// chooseChecks finds what the arguments name: built-in checks, all of them, or files.
func (a *app) chooseChecks(args []string) ([]*chosen, error) {
	var out []*chosen
	for _, name := range args {
		with, ok, err := withBuiltIn(out, name)
		if err != nil {
			return nil, err
		}
		if ok {
			out = with
			continue
		}
		text, err := a.readScript(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, noCheck(name)
		case err != nil:
			return nil, err
		}
		if name == "-" {
			name = "stdin"
		}
		b, err := runbook.Parse(name, text)
		if err != nil {
			return nil, err
		}
		out = append(out, &chosen{book: b})
	}
	// A name is a label of metrics: there must be one of each.
	names := map[string]string{}
	for _, c := range out {
		for _, k := range c.book.Checks {
			if c.only != nil && !slices.Contains(c.only, k.Name) {
				continue
			}
			if other, ok := names[k.Name]; ok {
				return nil, usagef("there is a check %s in %s and in %s: leave one out, or rename it", k.Name, value.Printable(other), value.Printable(c.book.Name))
			}
			names[k.Name] = c.book.Name
		}
	}
	return out, nil
}

// withBuiltIn adds a built-in check, or all of them; ok is false for another name.
func withBuiltIn(out []*chosen, name string) (with []*chosen, ok bool, err error) {
	if name == allChecks {
		all, err := allBuiltIn() // single ones before it are among them
		return all, true, err
	}
	b, err := runbook.BuiltInBook(name)
	if err != nil || b == nil {
		return out, false, err
	}
	i := slices.IndexFunc(out, func(c *chosen) bool { return c.book == b })
	switch {
	case i < 0:
		out = append(out, &chosen{b, []string{name}})
	case out[i].only != nil && !slices.Contains(out[i].only, name):
		out[i].only = append(out[i].only, name)
	}
	return out, true, nil
}

func allBuiltIn() ([]*chosen, error) {
	list, err := runbook.BuiltIn()
	if err != nil {
		return nil, err
	}
	var out []*chosen
	for _, k := range list {
		b, err := runbook.BuiltInBook(k.Name)
		if err != nil {
			return nil, err
		}
		if len(out) == 0 || out[len(out)-1].book != b {
			out = append(out, &chosen{book: b})
		}
	}
	return out, nil
}

// checkSettings reads --set, and makes sure that each sets something.
func checkSettings(books []*chosen, sets []string) ([]runbook.Setting, error) {
	var out []runbook.Setting
	for _, text := range sets {
		s, err := runbook.ParseSetting(text)
		if err != nil {
			return nil, usagef("--set %v", err)
		}
		found := false
		for _, c := range books {
			if c.only != nil && !slices.Contains(c.only, s.Check) {
				continue
			}
			takes, err := c.book.Takes(s)
			if err != nil {
				return nil, usagef("--set: %v", err)
			}
			found = found || takes
		}
		if !found {
			return nil, usagef("--set: no check %s is run here", value.Quote(s.Check))
		}
		out = append(out, s)
	}
	return out, nil
}

// runChecks runs books on a kernel, each with a session of its own: what one defines, another does not see. Where no
// namespace is named, all are looked at.
func runChecks(ctx context.Context, stack *knet.Stack, netns string, books []*chosen, settings []runbook.Setting) (*runbook.Report, error) {
	if netns == "" {
		netns = "all"
	}
	if netns != "all" { // refused here, not by each check that looks into a namespace
		if _, err := stack.ResolveNS(netns); err != nil {
			return nil, err
		}
	}
	var out []*runbook.Outcome
	begun := time.Now()
	for _, c := range books {
		s := expr.NewSession(stack.K, stack, expr.Options{NetNS: netns})
		registerChecks(s, stack, netns)
		o, err := c.book.Run(ctx, s, runbook.Config{Only: c.only, Settings: settings})
		if err != nil {
			return nil, err
		}
		out = append(out, o...)
	}
	return runbook.NewReport(stack.K.Release(), stack.K.Image.Source(), begun, out), nil
}

// writeChecks writes an answer to a file that others may read: node_exporter is somebody else.
func (a *app) writeChecks(name, text string, object any) error {
	err := replaceFile(name, 0o644, func(w io.Writer) error {
		if a.options.json {
			return expr.NewJSONEncoder(w).Encode(object)
		}
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		return fmt.Errorf("writing the answer: %s: %w", name, err)
	}
	return nil
}

// registerRunbook adds to the language what checks use, and check itself.
func registerRunbook(s *expr.Session, stack *knet.Stack, netns string) {
	device := func(x any) (knet.Device, error) { return argDevice(stack, x, netns) }
	for _, f := range runbook.Functions(stack, netns, device, argEthertype) {
		if f.Name == "handled" || f.Name == "taken_by" {
			f.Words = ethertypeNames
		}
		s.Register(f)
	}
	s.Register(expr.Function{
		Name: "check", Signature: "check('NAME', …)", Topic: "checks", Slow: true,
		Doc:      "runs built-in checks, or all of them ('all'), as kinspect check does; in all network namespaces, unless --netns names one",
		Examples: []string{"check('bond-drops')", "check('all')"}, MinArgs: 1, MaxArgs: -1, Args: []expr.ArgKind{expr.WordArg},
		Words: func(*expr.Session) []expr.Candidate {
			var out []expr.Candidate
			for _, w := range checkWords() {
				out = append(out, expr.Candidate{Text: w.name, Note: w.about})
			}
			return out
		},
		Call: func(c *expr.Call) (any, error) { return callCheck(c, stack, netns) },
	})
}

func callCheck(c *expr.Call, stack *knet.Stack, netns string) (any, error) {
	var books []*chosen
	for i := range c.Args {
		name, err := c.String(i, "the name of a check")
		if err != nil {
			return nil, err
		}
		var ok bool
		switch books, ok, err = withBuiltIn(books, name); {
		case err != nil:
			return nil, err
		case !ok:
			return nil, noCheck(name)
		}
	}
	r, err := runChecks(c.Context, stack, netns, books, nil)
	if err != nil {
		return nil, err
	}
	return answer{r.Text, r}, nil
}

// checkWords are the names of the built-in checks, for completion.
func checkWords() []completionWord {
	out := []completionWord{{allChecks, "every built-in check"}}
	list, err := runbook.BuiltIn()
	if err != nil {
		return out
	}
	for _, c := range list {
		out = append(out, completionWord{c.Name, c.Title})
	}
	return out
}
