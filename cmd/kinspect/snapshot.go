package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"kinspect/expr/host"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// snapshot runs a command, records all that it reads, and writes that to a file
// together with the kernel's symbols and types, whole.
func (a *app) snapshot(args []string) (int, error) {
	file := a.options.output
	if file == "" {
		return exitFailed, usagef("usage: kinspect snapshot -o FILE -- COMMAND…")
	}
	format, ok := snapshotFormats[a.options.format]
	if !ok {
		return exitFailed, usagef("--format is kdump, kdump-pages or elf, not %q", a.options.format)
	}
	inner := &app{stdin: a.stdin, stdout: a.stdout, stderr: a.stderr, options: a.options, record: true}
	inner.options.output, inner.options.format, inner.options.redact = "", "", false
	// Behind the "--" flags are the command's, and may stand anywhere, too.
	rest, err := inner.options.parse(args)
	switch {
	case err != nil:
		return exitFailed, err
	case inner.options.output != "":
		return exitFailed, usagef("-o goes before the --: kinspect snapshot -o FILE -- COMMAND…")
	case inner.options.format != "" || inner.options.redact:
		return exitFailed, usagef("--format and --redact go before the --: kinspect snapshot --redact -o FILE -- COMMAND…")
	case inner.options.html != "":
		return exitFailed, usagef("--html does not go with snapshot: make the page of its file: kinspect --core %s explain DEV --html FILE", file)
	case len(rest) == 0:
		return exitFailed, usagef("usage: kinspect snapshot -o FILE -- COMMAND…")
	}
	if rest[0] != "check" {
		if inner.format, err = value.DefaultFormat.Set(inner.options.set); err != nil {
			return exitFailed, usagef("--set: %v", err)
		}
	}
	c, ok := findCommand(rest[0])
	switch {
	case !ok:
		return exitFailed, noCommand(rest[0])
	case !slices.Contains(snapshotCommands, c.name):
		return exitFailed, usagef("a snapshot is taken of eval, run, explain, handler, counters, softnet, check, snmp or netstat, not of %q", rest[0])
	case inner.options.help:
		return a.help(rest[:1])
	case inner.options.live != "":
		return exitFailed, usagef("--live watches what comes, and a snapshot is of one moment: leave --live out")
	}
	if err := inner.options.checkFlags("snapshot", c.name); err != nil {
		return exitFailed, err
	}
	inner.options.redact = a.options.redact
	rest = rest[1:]
	if len(rest) < c.min || (c.max >= 0 && len(rest) > c.max) {
		return exitFailed, usagef("usage: kinspect snapshot -o FILE -- %s %s", c.name, c.args)
	}
	a.options.json = inner.options.json // of errors of the snapshot itself
	code, err := c.run(inner, rest)
	if inner.target == nil {
		return exitFailed, err
	}
	defer inner.target.close()
	failed := err != nil
	if failed {
		// What could be read of a question that failed is worth a file, too: it shows why.
		if a.stdout.err == nil { // which run tells
			inner.fail(err)
		}
		code = exitFailed
	}
	words := inner.options.words(c.name, rest)
	// Who presses Ctrl-C now gets the file a second later, and nothing half written beside it.
	_, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	remark, err := inner.target.save(file, format, words)
	stop()
	if err != nil {
		return exitFailed, err
	}
	st, err := os.Stat(file)
	if err != nil {
		return exitFailed, err
	}
	again := commandLine(append([]string{"kinspect", "--core", file}, words...))
	const longest = 300
	if len(again) > longest {
		again = commandLine([]string{"kinspect", "--core", file, c.name}) + ", with the same arguments"
	}
	what := "which holds memory of this kernel"
	if failed {
		what = "which holds what was read until the command failed, to see or to show why"
	}
	fmt.Fprintf(a.stderr, "kinspect: wrote %s (%d KiB), %s: %s\n", value.Scrub(file), (st.Size()+1023)/1024, what, value.Scrub(again))
	if remark != "" {
		fmt.Fprintln(a.stderr, "kinspect: note:", remark)
	}
	return code, nil
}

// snapshotCommands are those that a snapshot is taken of.
var snapshotCommands = []string{"eval", "run", "explain", "handler", "counters", "softnet", "check", "snmp", "netstat"}

// snapshotFormat is what --format names.
type snapshotFormat struct {
	file kmem.SnapshotFormat
	// inPages: symbols and types are in the memory of the file as in the kernel's, which takes half
	// as much again.
	inPages bool
}

var snapshotFormats = map[string]snapshotFormat{
	"":            {kmem.SnapshotKdump, false},
	"kdump":       {kmem.SnapshotKdump, false},
	"kdump-pages": {kmem.SnapshotKdump, true},
	"elf":         {kmem.SnapshotELF, true},
}

// save writes what the target's recorder holds. Symbols and types are added whole,
// so that other questions and completion work on the file as far as its memory goes.
func (t *target) save(file string, format snapshotFormat, command []string) (remark string, err error) {
	content := &kmem.SnapshotContent{
		Info: kmem.SnapshotInfo{
			Command: command, Taken: time.Now().UTC().Truncate(time.Second),
			Source: t.image.Source(), Release: t.kernel.Release(),
		},
		VMCoreInfo: t.image.VMCoreInfo(),
		Memory:     t.memory,
		Image:      t.image,
	}
	if ns, err := t.stack.DefaultNS(); err == nil {
		content.Info.DefaultNetNS = ns.Inum
	}
	syms, err := t.kernel.Symbols()
	if err != nil {
		return "", fmt.Errorf("a snapshot needs the kernel's symbols: %w", err)
	}
	content.Symbols = syms
	if tables, ok := syms.(*kmem.Kallsyms); ok {
		if !format.inPages {
			content.Kallsyms, _ = kmem.KallsymsText(tables)
		}
		if content.Kallsyms == nil {
			if err := t.memory.AddKallsyms(tables, content.VMCoreInfo); err != nil {
				return "", fmt.Errorf("copying the symbol tables: %w", err)
			}
		}
	} else if content.Kallsyms, err = t.image.SymbolText(); err != nil {
		return "", fmt.Errorf("copying the symbols: %w", err)
	}
	add := func(start kmem.Addr, size uint64) error {
		if !format.inPages {
			content.Streams = append(content.Streams, kmem.Range{Addr: start, Len: size})
		}
		return t.memory.AddRange(start, size)
	}
	if t.kernel.TypesFile() == "" && !t.kernel.TypesFromVmlinux() { // else the snapshot needs the file, too
		start, size, err := t.kernel.BTFRange()
		if err != nil {
			return "", err
		}
		if err := add(start, size); err != nil {
			return "", fmt.Errorf("copying the kernel's types: %w", err)
		}
	}
	mods, err := t.kernel.ModuleBTFs()
	if err != nil {
		return "", fmt.Errorf("copying the modules' types: %w", err)
	}
	for _, m := range mods {
		if err := add(m.Addr, m.Size); err != nil {
			return "", fmt.Errorf("copying the types of module %s: %w", m.Module, err)
		}
	}
	facts, err := t.facts.JSON()
	if err != nil {
		return "", err
	}
	content.Info.Facts = map[string]json.RawMessage{host.FactsKey: facts}
	if err := kmem.WriteSnapshotFile(file, format.file, content); err != nil {
		return "", err
	}
	return content.Remark, nil
}
