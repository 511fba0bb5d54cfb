package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"kinspect/expr"
	"kinspect/expr/probe"
	"kinspect/expr/value"
	"kinspect/repl"
)

// traceOptions are the flags of trace.
type traceOptions struct {
	cond  string // --if
	shows string // --show: all of them, with commas between
	hist  string
	ret   bool
	stack bool
}

// probeOptions are what the flags ask of a trace, and after how many events it ends.
func (o *traceOptions) probeOptions(count string) (out probe.TraceOptions, events uint64, err error) {
	out = probe.TraceOptions{If: o.cond, Ret: o.ret, Stack: o.stack, Hist: o.hist}
	if o.shows != "" {
		out.Show = probe.SplitExpressions(o.shows)
		if slices.ContainsFunc(out.Show, func(s string) bool { return strings.TrimSpace(s) == "" }) {
			return out, 0, usagef("--show takes expressions with commas between them: --show 'skb->len, skb->dev->name'")
		}
	}
	if o.hist != "" && (o.shows != "" || o.stack || count != "") {
		return out, 0, usagef("--hist counts values and tells no events: leave --show, --stack and --count out")
	}
	if count != "" {
		if events, err = strconv.ParseUint(count, 10, 64); err != nil || events == 0 {
			return out, 0, usagef("--count needs a number of events, 1 or more, after which the trace ends")
		}
	}
	return out, events, nil
}

// trace tells when a function of the kernel runs, or a tracepoint is passed.
func (a *app) trace(args []string) (int, error) {
	r := &traceRun{app: a}
	var err error
	if r.length, err = a.options.length(); err != nil {
		return exitFailed, err
	}
	if r.options, r.most, err = a.options.traceOptions.probeOptions(a.options.count); err != nil {
		return exitFailed, err
	}
	if len(a.options.core) > 0 {
		return exitFailed, usagef("%v: leave --core out", probe.ErrNotLive)
	}
	s, err := a.session()
	if err != nil {
		return exitFailed, err
	}
	if r.target, err = probe.FindTarget(s.Kernel(), args[0]); err != nil {
		return exitFailed, err
	}
	ctx, stop := watchSignals()
	defer stop()
	return r.run(ctx, s)
}

// traceRun is one run of trace.
type traceRun struct {
	app     *app
	options probe.TraceOptions
	target  *probe.Target
	length  time.Duration
	most    uint64 // events, 0 is any number
	source  *probe.Trace
	printer *probe.TracePrinter
	start   time.Time
	events  uint64
	out     bytes.Buffer // not written yet
	encoder *json.Encoder
	screen  *screen // of a histogram on a terminal
}

func (r *traceRun) run(ctx context.Context, s *expr.Session) (int, error) {
	var err error
	if r.source, err = probe.StartTrace(s, r.target, r.options); err != nil {
		return exitFailed, err
	}
	defer r.source.Close()
	a := r.app
	for _, w := range r.source.Warnings {
		fmt.Fprintln(a.stderr, "kinspect: warning:", value.Scrub(w))
	}
	notes := r.target.Notes
	if r.source.Kprobe != "" {
		notes = append(notes, fmt.Sprintf("%s is traced by a kprobe: %s", r.target.Title(), r.source.Kprobe))
	}
	for _, n := range notes {
		fmt.Fprintln(a.stderr, "kinspect: note:", value.Scrub(n))
	}
	r.printer = probe.NewTracePrinter(s.Kernel(), r.target, a.format)
	r.start = time.Now()
	fmt.Fprintf(a.stderr, "kinspect: tracing %s; Ctrl-C ends it\n", value.Printable(r.target.Title()))
	if r.length > 0 {
		var done context.CancelFunc
		ctx, done = context.WithTimeout(ctx, r.length)
		defer done()
	}
	if r.options.Hist != "" {
		err = r.watchHistogram(ctx)
	} else {
		err = r.follow(ctx)
	}
	if err != nil {
		return exitFailed, err
	}
	return r.finish()
}

// follow tells events as they come.
func (r *traceRun) follow(ctx context.Context) error {
	for ctx.Err() == nil && !r.full() {
		// What is there already is written in one piece.
		more, err := r.take(r.start)
		if err == nil && !more {
			if err = r.flush(); err == nil {
				_, err = r.take(time.Now().Add(probe.RingPoll))
			}
		}
		if err != nil {
			return err
		}
	}
	return r.flush()
}

func (r *traceRun) full() bool { return r.most > 0 && r.events >= r.most }

// take prints one event, for which it waits until a time, which may be over.
func (r *traceRun) take(until time.Time) (ok bool, err error) {
	ev, ok, err := r.source.Next(until)
	if err != nil || !ok {
		return false, err
	}
	r.events++
	if r.app.options.json {
		if r.encoder == nil {
			r.encoder = expr.NewJSONEncoder(&r.out)
		}
		err = r.encoder.Encode(r.printer.JSON(ev))
	} else {
		r.printer.WriteText(&r.out, ev)
	}
	if err == nil && r.out.Len() > 64<<10 {
		err = r.flush()
	}
	return true, err
}

func (r *traceRun) flush() error {
	_, err := r.app.stdout.Write(r.out.Bytes())
	r.out.Reset()
	return err
}

// histogram is what --hist has counted so far.
type histogram struct {
	src    string
	list   []probe.Bucket
	counts probe.TraceCounts
}

// Text draws it.
func (h histogram) Text() string {
	return probe.HistogramText(h.src, h.list) + fmt.Sprintf("%d calls\n", h.counts.Calls)
}

// watchHistogram waits for the end; on a terminal it draws the histogram anew every second.
func (r *traceRun) watchHistogram(ctx context.Context) error {
	if r.app.options.json || !repl.IsTerminal(r.app.stdout.file) {
		<-ctx.Done()
		return nil
	}
	r.screen = r.app.newScreen()
	defer r.screen.close()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		list, err := r.source.Histogram()
		if err != nil {
			return err
		}
		counts, err := r.source.Counts()
		if err != nil {
			return err
		}
		if err := r.screen.show(histogram{r.options.Hist, list, counts}, false); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// finish ends the trace with what is left in the ring, and a summary.
func (r *traceRun) finish() (int, error) {
	length := time.Since(r.start)
	if err := r.source.Detach(); err != nil {
		return exitFailed, err
	}
	for more := true; more && !r.full(); {
		var err error
		if more, err = r.take(r.start); err != nil {
			return exitFailed, err
		}
	}
	counts, err := r.source.Counts()
	if err != nil {
		return exitFailed, err
	}
	list, err := r.source.Histogram()
	if err != nil {
		return exitFailed, err
	}
	summary := probe.NewTraceSummary(r.target, counts, r.events, length)
	summary.Stopped = r.full()
	if r.app.options.json {
		encoder := expr.NewJSONEncoder(&r.out)
		for _, b := range list {
			if err := encoder.Encode(b.JSON()); err != nil {
				return exitFailed, err
			}
		}
		if err := encoder.Encode(summary); err != nil {
			return exitFailed, err
		}
	} else {
		text := value.Scrub(probe.HistogramText(r.options.Hist, list) + summary.Text(r.options))
		if r.screen != nil {
			text = "\x1b[H\x1b[J" + text
		}
		r.out.WriteString(text)
	}
	code := exitFine
	if counts.Lost > 0 {
		code = exitFailed // only a part was told
	}
	return code, r.flush()
}

// kallsyms has the names of functions and tracepoints.
const kallsyms = "/proc/kallsyms"

// targetWords are functions and tracepoints that begin as a word does, which is not too short to choose by.
func targetWords(file, word string) (list []completionWord) {
	const most = 1000
	prefix, name := "", word
	for _, p := range []string{"tracepoint:", "function:"} {
		if n, ok := strings.CutPrefix(word, p); ok {
			prefix, name = p, n
		}
	}
	if len(name) < 2 {
		return []completionWord{{"tracepoint:", "a tracepoint by its name"}, {"function:", "a function, where a tracepoint has the name, too"}}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	seen := map[string]bool{}
	for line := range bytes.Lines(text) {
		f := bytes.Fields(line)
		if len(f) < 3 || len(f[1]) != 1 || !bytes.ContainsAny(f[1], "tTwW") {
			continue
		}
		symbol, about := string(f[2]), ""
		if n, ok := strings.CutPrefix(symbol, "__traceiter_"); ok && prefix != "function:" {
			symbol, about = n, "tracepoint"
		} else if prefix == "tracepoint:" {
			continue
		}
		if strings.HasPrefix(symbol, name) && !seen[symbol] && len(list) < most {
			seen[symbol] = true
			list = append(list, completionWord{prefix + symbol, about})
		}
	}
	return list
}
