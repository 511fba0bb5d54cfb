package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"kinspect/expr"
	"kinspect/expr/probe"
	"kinspect/expr/value"
	"kinspect/repl"
)

// countOptions are the flags of count.
type countOptions struct {
	by     string
	preset string
}

// counts counts how often functions of the kernel run.
func (a *app) counts(args []string) (int, error) {
	r := &countRun{app: a}
	var err error
	if r.length, err = a.options.length(); err != nil {
		return exitFailed, err
	}
	switch o := a.options.countOptions; {
	case len(args) == 0 && o.preset == "":
		return exitFailed, usagef("count needs functions: kinspect count tcp_sendmsg 'tcp_retransmit_*', or kinspect count --preset tcp")
	case o.preset != "" && o.by != "":
		return exitFailed, usagef("--by takes functions that are called with the same, and a preset has others: leave one of them out")
	case len(a.options.core) > 0:
		return exitFailed, usagef("%v: leave --core out", probe.ErrNotLive)
	}
	s, err := a.session()
	if err != nil {
		return exitFailed, err
	}
	var plan *probe.CountPlan
	if a.options.preset != "" {
		plan, err = probe.FindPreset(s.Kernel(), a.options.preset, args)
	} else {
		plan, err = probe.FindCounted(s.Kernel(), args)
	}
	if err != nil {
		return exitFailed, err
	}
	ctx, stop := watchSignals()
	defer stop()
	return r.run(ctx, s, plan)
}

// countRun is one run of count.
type countRun struct {
	app     *app
	length  time.Duration
	source  *probe.Count
	printer *probe.TracePrinter
	start   time.Time
	screen  *screen // on a terminal
}

func (r *countRun) run(ctx context.Context, s *expr.Session, plan *probe.CountPlan) (int, error) {
	a := r.app
	var err error
	if r.source, err = probe.StartCount(s, plan, a.options.by); err != nil {
		return exitFailed, err
	}
	defer r.source.Close()
	r.start = time.Now()
	for _, w := range r.source.Warnings {
		fmt.Fprintln(a.stderr, "kinspect: warning:", value.Scrub(w))
	}
	for _, n := range plan.Notes {
		fmt.Fprintln(a.stderr, "kinspect: note:", value.Scrub(n))
	}
	r.printer = probe.NewCountPrinter(s.Kernel(), a.format)
	// Who starts it from a script has to know when.
	fmt.Fprintf(a.stderr, "kinspect: watching %s; Ctrl-C ends with the summary\n", value.Printable(countedNames(plan)))
	if r.length > 0 {
		var done context.CancelFunc
		ctx, done = context.WithTimeout(ctx, r.length)
		defer done()
	}
	if !a.options.json && repl.IsTerminal(a.stdout.file) {
		r.screen = a.newScreen()
		defer r.screen.close()
	}
	if err := r.wait(ctx); err != nil {
		return exitFailed, err
	}
	result, err := r.source.Read()
	if err != nil {
		return exitFailed, err
	}
	report := r.report(result)
	if err := r.detach(); err != nil {
		return exitFailed, err
	}
	code := exitFine
	if report.Found() {
		code = exitFinding
	}
	return code, r.print(report)
}

// patience is how long a terminal may stay still before it is told why.
const patience = time.Second

// detach takes the probes away. The kernel waits for all CPUs at each kprobe, so that many take seconds; who has
// pressed Ctrl-C at a terminal sees that something happens.
func (r *countRun) detach() error {
	if r.screen != nil {
		slow := time.AfterFunc(patience, func() {
			fmt.Fprintf(r.app.stderr, "kinspect: removing the probes of %s …\n", value.Printable(countedNames(r.source.Plan)))
		})
		defer slow.Stop()
	}
	return r.source.Detach()
}

// countedNames are functions, or how many they are.
func countedNames(p *probe.CountPlan) string {
	const most = 4
	if len(p.Funcs) > most {
		return fmt.Sprintf("%d functions", len(p.Funcs))
	}
	var out []string
	for _, f := range p.Funcs {
		out = append(out, f.Title())
	}
	return strings.Join(out, ", ")
}

func (r *countRun) report(result probe.CountResult) *probe.CountReport {
	out := probe.NewCountReport(r.source, r.printer, result, time.Since(r.start))
	out.Zeros, out.Expr = r.app.options.all, r.app.options.by
	return out
}

// wait lasts until the run ends; on a terminal it draws the table anew every second, with the rates of the last one.
func (r *countRun) wait(ctx context.Context) error {
	if r.screen == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var old *probe.CountResult
	var at time.Time
	for ctx.Err() == nil {
		select { // first of all: the rates of a moment would be no rates
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		result, err := r.source.Read()
		if err != nil {
			return err
		}
		now := time.Now()
		report := r.report(result)
		if old != nil {
			recent := result.Since(*old)
			report.Recent, report.RecentSeconds = &recent, now.Sub(at).Seconds()
		}
		old, at = &result, now
		if err := r.screen.show(report, false); err != nil {
			return err
		}
	}
	return nil
}

func (r *countRun) print(report *probe.CountReport) error {
	switch {
	case r.screen != nil:
		return r.screen.show(report, true)
	case !r.app.options.json:
		return r.app.print(report.Text(), nil)
	}
	for _, l := range report.JSON() {
		if err := r.app.printJSON(l); err != nil {
			return err
		}
	}
	return nil
}

// functionWords are functions that begin as a word does, which is not too short to choose by.
func functionWords(file, word string) []completionWord {
	const only = "function:"
	if len(word) < 2 || strings.HasPrefix(only, word) {
		return nil
	}
	list := targetWords(file, only+strings.TrimPrefix(word, only))
	for i := range list {
		list[i].name = strings.TrimPrefix(list[i].name, only)
	}
	return list
}
