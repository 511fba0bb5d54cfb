package main

import (
	"context"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"kinspect/expr/check"
	"kinspect/expr/knet"
	"kinspect/repl"
)

// Bounds of --watch: more often the samples would be most of what a small machine does.
const (
	minInterval = 100 * time.Millisecond
	maxInterval = 24 * time.Hour
)

// watchCommands are those that have --watch.
var watchCommands = []string{"explain", "counters", "softnet", "snmp", "netstat"}

// sampled is one look at what is watched.
type sampled interface {
	Text() string
	Drops() bool
	Partial() bool
	End()
}

// sampler is what is watched.
type sampler func(at time.Time) (sampled, error)

// watched runs a command's watch where there is --watch; ok is false where there is none.
func (a *app) watched(what func(t *target) (sampler, error)) (code int, ok bool, err error) {
	if a.options.watch == "" {
		return 0, false, nil
	}
	code, err = a.startWatch(what)
	return code, true, err
}

func (a *app) startWatch(what func(t *target) (sampler, error)) (int, error) {
	interval, count, err := a.options.watchTimes()
	if err != nil {
		return exitFailed, err
	}
	const why = "a watch tells what the running kernel counts from now on"
	switch {
	case a.record:
		return exitFailed, usagef("%s, and a snapshot is of one moment: leave --watch out", why)
	case len(a.options.core) > 0:
		return exitFailed, usagef("%s, and nothing moves in a dump: leave --watch out", why)
	}
	t, err := a.open()
	if err != nil {
		return exitFailed, err
	}
	sample, err := what(t)
	if err != nil {
		return exitFailed, err
	}
	ctx, stop := watchSignals()
	defer stop()
	return a.watchLoop(ctx, realClock{}, interval, count, sample)
}

// exitSignal and its number is how a shell tells that a program ended by a signal.
const exitSignal = 128

// watchSignals are those that end a watch, with a last sample; the second one does at once. A terminal that is closed
// (SIGHUP) and Ctrl-\ (SIGQUIT) are among them: the latter would print the Go program's stacks. nohup stays in force.
func watchSignals() (context.Context, context.CancelFunc) {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT}
	if !signal.Ignored(syscall.SIGHUP) {
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	context.AfterFunc(ctx, func() {
		quit := make(chan os.Signal, 1)
		signal.Notify(quit, ends...) // before they are let go: a shell lets what it starts in the background ignore SIGINT
		stop()
		os.Exit(exitSignal + int((<-quit).(syscall.Signal)))
	})
	return ctx, stop
}

// parseTime reads a time with its unit, or a number of seconds up to most.
func parseTime(text string, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil {
		return d, nil
	}
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || !(s > 0 && s <= most.Seconds()) {
		return 0, err
	}
	return time.Duration(s * float64(time.Second)), nil
}

// watchTimes are --watch and --count.
func (o *options) watchTimes() (interval time.Duration, count int, err error) {
	interval, err = parseTime(o.watch, maxInterval)
	if err != nil || interval < minInterval || interval > maxInterval {
		return 0, 0, usagef("--watch needs the time between two samples, from %v to %v: --watch 2s", minInterval, maxInterval)
	}
	if o.count == "" {
		return interval, 0, nil
	}
	if count, err = strconv.Atoi(o.count); err != nil || count < 1 {
		return 0, 0, usagef("--count needs a number of samples, 1 or more, after which the watch ends: --watch 2s --count 10")
	}
	return interval, count, nil
}

// clock is the time, and waiting for it.
type clock interface {
	now() time.Time
	// until waits for a time; it ends sooner with the context.
	until(ctx context.Context, at time.Time)
}

type realClock struct{}

func (realClock) now() time.Time { return time.Now() }

func (realClock) until(ctx context.Context, at time.Time) {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// watchLoop samples until count is reached, or somebody ends it: then there is one more sample, the last.
func (a *app) watchLoop(ctx context.Context, c clock, interval time.Duration, count int, sample sampler) (int, error) {
	show := a.watchLine
	if !a.options.json && repl.IsTerminal(a.stdout.file) {
		s := a.newScreen()
		defer s.close()
		show = func(r sampled, final bool) error { return s.show(r, final) }
	}
	start := c.now()
	next := start
	for i := 0; ; i++ {
		// Who ends the watch wants to see what was counted until then: a sample that was begun before is not the last.
		final := ctx.Err() != nil || count > 0 && i >= count
		r, err := sample(c.now())
		if err != nil {
			return exitFailed, err
		}
		if final {
			r.End()
		}
		if err := show(r, final); err != nil {
			return exitFailed, err
		}
		if final {
			return explainExit(r), nil
		}
		for next = next.Add(interval); next.Before(c.now()); { // what could not be kept up with is left out
			next = next.Add(interval)
		}
		c.until(ctx, next)
	}
}

// watchLine prints a sample as a line of JSON.
func (a *app) watchLine(r sampled, _ bool) error { return a.printJSON(r) }

// watchExplain is what explain watches.
func (a *app) watchExplain(args []string) func(t *target) (sampler, error) {
	return func(t *target) (sampler, error) {
		var d *knet.Device
		if len(args) > 0 {
			found, err := a.device(t, args[0])
			if err != nil {
				return nil, err
			}
			d = &found
		}
		w := check.NewWatch(t.stack, d, a.watchedNamespaces)
		return func(at time.Time) (sampled, error) { return w.Sample(at) }, nil
	}
}

// watchedNamespaces are those of explain without a device, which come and go.
func (a *app) watchedNamespaces(s *knet.Stack) ([]knet.NetNS, error) {
	spec := a.options.netns
	if spec == "" {
		spec = "all"
	}
	return s.ResolveNS(spec)
}

// watchRows is a watch of a list of numbers.
func watchRows(w *check.Rows) sampler {
	return func(at time.Time) (sampled, error) { return w.Sample(at) }
}

// watchSNMP is what snmp and netstat watch.
func (a *app) watchSNMP(command string, files []string, o check.SNMPOptions) func(t *target) (sampler, error) {
	return func(t *target) (sampler, error) {
		ns, err := a.oneNamespace(t, command)
		if err != nil {
			return nil, err
		}
		return watchRows(check.WatchSNMP(t.stack, ns, command, files, o)), nil
	}
}
