package main

import (
	"bytes"
	"fmt"

	"kinspect/expr/check"
	"kinspect/kmem"
	"kinspect/testdata/snapshots"
)

const demoStory = `The incident that kinspect was made for, from a snapshot of a real kernel.
netstat -i shows bond0's RX-DRP growing while its slaves show next to none. Why?

$ kinspect explain bond0
`

// demo explains the embedded incident and, on a terminal, goes on interactively.
func (a *app) demo([]string) (int, error) {
	if o := a.options; len(o.core) > 0 || o.netns != "" || o.symbols != "" || o.btf != "" {
		return exitFailed, usagef("demo brings its own snapshot: it takes neither --core nor --netns, --symbols or --btf")
	}
	t, err := a.openDemo()
	if err != nil {
		return exitFailed, err
	}
	d, err := a.device(t, "bond0")
	if err != nil {
		return exitFailed, err
	}
	r, err := check.Explain(t.stack, d)
	if err != nil {
		return exitFailed, err
	}
	text := demoStory + r.Text()
	page := func() *check.Page { return check.ReportPage(t.stack, r, pageInfo()) }
	if err := a.printPage(text, r, page); err != nil || a.options.json || a.options.html == "-" {
		return exitFine, err
	}
	if !a.interactive() {
		return exitFine, nil
	}
	fmt.Fprint(a.stdout, "\nThis is the same snapshot, to look around in. Try:\n  handler(0x0004, 'bond0')\n  netdevs() | filter(.rx_dropped > 0) | map(.name)\n  netdev('bond0').rx_<Tab>\n\n")
	return a.repl(nil)
}

func (a *app) openDemo() (*target, error) {
	img, err := kmem.OpenReaderAt(bytes.NewReader(snapshots.Incident), int64(len(snapshots.Incident)), "embedded snapshot")
	if err != nil {
		return nil, err
	}
	return a.use(img)
}
