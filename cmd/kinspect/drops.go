package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kinspect/expr/check"
	"kinspect/expr/knet"
	"kinspect/expr/probe"
	"kinspect/repl"
)

// Bounds of --for.
const (
	minFor = 100 * time.Millisecond
	maxFor = 7 * 24 * time.Hour
)

// checkLive refuses what does not go together with --live.
func (o *options) checkLive() error {
	if o.live == "" {
		return nil
	}
	switch {
	case o.watch != "" || o.html != "":
		return usagef("--live is an answer of its own: leave --watch and --html out")
	case len(o.core) > 0:
		return usagef("%v: leave --live or --core out", probe.ErrNotLive)
	}
	_, err := runTime("--live", o.live)
	return err
}

// runTime is the time that a flag gives.
func runTime(flag, text string) (time.Duration, error) {
	d, err := parseTime(text, maxFor)
	if err != nil || d < minFor || d > maxFor {
		return 0, usagef("%s needs a time from %v to %v: %[1]s 10s", flag, minFor, maxFor)
	}
	return d, nil
}

// length is --for: how long a probe runs. 0 is until somebody ends it.
func (o *options) length() (time.Duration, error) {
	if o.duration == "" {
		return 0, nil
	}
	return runTime("--for", o.duration)
}

// drops counts what the running kernel drops.
func (a *app) drops(args []string) (int, error) {
	frames, err := a.newFrameKeeper()
	if err != nil {
		return exitFailed, err
	}
	length, err := a.options.length()
	if err != nil {
		return exitFailed, err
	}
	if len(a.options.core) > 0 {
		return exitFailed, usagef("%v: leave --core out; kinspect --core %s explain tells what its counters say", probe.ErrNotLive, commandLine(a.options.core[:1]))
	}
	t, err := a.open()
	if err != nil {
		return exitFailed, err
	}
	r := &dropsRun{app: a, stack: t.stack, length: length, frames: frames}
	if len(args) > 0 {
		d, err := a.device(t, args[0])
		if err != nil {
			return exitFailed, err
		}
		r.device = &d
	}
	ctx, stop := watchSignals()
	defer stop()
	return r.run(ctx)
}

// dropsRun is one run of drops.
type dropsRun struct {
	app     *app
	stack   *knet.Stack
	device  *knet.Device
	length  time.Duration
	names   *probe.Namer
	source  *probe.Drops
	watch   *check.Watch
	start   time.Time
	span    probe.Span
	oldLost probe.Missed
	screen  *screen // on a terminal
	frames  *frameKeeper
}

func (r *dropsRun) run(ctx context.Context) (int, error) {
	if err := r.begin(); err != nil {
		return exitFailed, err
	}
	defer r.source.Close()
	// Who starts it from a script has to know when.
	fmt.Fprintln(r.app.stderr, "kinspect: watching for drops; Ctrl-C ends with the summary")
	if !r.app.options.json && repl.IsTerminal(r.app.stdout.file) {
		r.screen = r.app.newScreen()
		defer r.screen.close()
	}
	if err := r.wait(ctx); err != nil {
		return exitFailed, err
	}
	rows, lost, moved, err := r.end()
	if err != nil {
		return exitFailed, err
	}
	report := probe.NewDropsReport(r.names, rows, lost, time.Since(r.start), r.device, moved)
	code := exitFine
	if report.Found() {
		code = exitFinding
	}
	var frames []probe.FrameRow
	if r.frames != nil {
		if frames, err = r.frames.end(rows, lost, r.stack.K.Release(), r.start); err != nil {
			code = exitFailed
		}
		report.Kept(len(frames), r.frames.cut)
	}
	return code, errors.Join(r.print(report, frames), err)
}

// begin attaches, and looks at the counters.
func (r *dropsRun) begin() (err error) {
	if r.names, err = probe.NewNamer(r.stack); err != nil {
		return err
	}
	o := probe.DropsOptions{Device: r.device}
	if r.frames != nil {
		o.Frames = r.frames.limit
		if err := r.frames.open(); err != nil {
			return err
		}
	}
	if r.source, err = probe.StartDrops(r.stack.K, o); err != nil {
		return err
	}
	// The first look takes its time, as it finds types and symbols. The run begins with the second one: what was dropped
	// before belongs to none.
	for range 2 {
		r.watch = check.NewWatch(r.stack, r.device, r.app.watchedNamespaces)
		if r.span.Before, r.oldLost, err = r.source.Read(); err != nil {
			break
		}
		r.start = time.Now()
		if _, err = r.watch.Sample(r.start); err != nil {
			break
		}
		if r.span.Since, _, err = r.source.Read(); err != nil {
			break
		}
	}
	if err != nil {
		r.source.Close()
		return err
	}
	if k := r.frames; k != nil {
		k.names, k.source, k.since = r.names, r.source, r.start
		go k.run()
	}
	return nil
}

// end looks at the counters again, and detaches.
func (r *dropsRun) end() (rows []probe.Drop, lost probe.Missed, moved *check.WatchReport, err error) {
	if r.span.Until, _, err = r.source.Read(); err != nil {
		return nil, lost, nil, err
	}
	if moved, err = r.watch.Sample(time.Now()); err != nil {
		return nil, lost, nil, err
	}
	// No frame is kept that is not counted.
	if err = r.source.Detach(); err != nil {
		return nil, lost, nil, err
	}
	if lost, err = r.read(); err != nil {
		return nil, lost, nil, err
	}
	return r.span.Rows(), lost, moved, nil
}

// read is the table and what was lost since the start.
func (r *dropsRun) read() (lost probe.Missed, err error) {
	r.span.Now, lost, err = r.source.Read()
	lost.Rows -= r.oldLost.Rows
	lost.Nested -= r.oldLost.Nested
	lost.Samples -= r.oldLost.Samples
	lost.Devices -= r.oldLost.Devices
	return lost, err
}

// wait lasts until the run ends; on a terminal it draws the table anew every second.
func (r *dropsRun) wait(ctx context.Context) error {
	if r.length > 0 {
		var done context.CancelFunc
		ctx, done = context.WithTimeout(ctx, r.length)
		defer done()
	}
	if r.screen == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		lost, err := r.read()
		if err != nil {
			return err
		}
		rows := probe.SinceDrops(r.span.Now, r.span.Before)
		report := probe.NewDropsReport(r.names, rows, lost, time.Since(r.start), r.device, nil)
		text := report.Text()
		if r.frames != nil {
			text += r.frames.latest(rows)
		}
		if err := r.screen.show(shownText(text), false); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// shownText is a text for a screen.
type shownText string

// Text is the text.
func (s shownText) Text() string { return string(s) }

func (r *dropsRun) print(report *probe.DropsReport, frames []probe.FrameRow) error {
	text := report.Text() + framesText(frames)
	switch {
	case r.screen != nil:
		return r.screen.show(shownText(text), true)
	case !r.app.options.json:
		return r.app.print(text, nil)
	}
	for _, f := range frames {
		if err := r.app.printJSON(f); err != nil {
			return err
		}
	}
	for _, row := range report.Rows {
		if err := r.app.printJSON(row); err != nil {
			return err
		}
	}
	return r.app.printJSON(report.Summary)
}

// explainLive adds to a verdict what the next drops are.
func (a *app) explainLive(t *target, d knet.Device, report *check.Report) (int, error) {
	length, err := runTime("--live", a.options.live)
	if err != nil {
		return exitFailed, err
	}
	r := &dropsRun{app: a, stack: t.stack, device: &d, length: length}
	if err := r.begin(); err != nil {
		if !a.options.json {
			err = errors.Join(err, a.print(report.Text(), nil))
		}
		return exitFailed, err
	}
	defer r.source.Close()
	if !a.options.json { // the verdict need not wait for its proof
		if err := a.print(report.Text(), nil); err != nil {
			return exitFailed, err
		}
	}
	fmt.Fprintln(a.stderr, "kinspect: watching for drops; Ctrl-C ends it sooner")
	ctx, stop := watchSignals()
	defer stop()
	if err := r.wait(ctx); err != nil {
		return exitFailed, err
	}
	rows, lost, moved, err := r.end()
	if err != nil {
		return exitFailed, err
	}
	live := probe.NewLive(r.names, rows, lost, time.Since(r.start), &d, moved)
	code := explainExit(report)
	if code == exitFine && (live.Drops > 0 || live.Disagrees()) {
		code = exitFinding
	}
	return code, a.print(live.Text(), struct {
		*check.Report
		Live *probe.Live `json:"live"`
	}{report, live})
}
