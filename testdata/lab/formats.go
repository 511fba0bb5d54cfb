package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A dumpFormat is one that QEMU writes, as a file formats/NAME beside the captures.
type dumpFormat struct {
	name   string
	format string // dump-guest-memory's
	paging bool
	series string // "" for every kernel
}

// dumpFormats are made of the incident, while the guest stands still: each holds the
// same memory as incident.elf, page by page, which a test of kmem compares.
// QEMU 7.2 writes its kdump formats flattened, whatever one asks for.
var dumpFormats = []dumpFormat{
	{name: "paging.elf", format: "elf", paging: true, series: "6.12"},
	{name: "zlib.kdump", format: "kdump-zlib"},
	{name: "lzo.kdump", format: "kdump-lzo"},
	{name: "snappy.kdump", format: "kdump-snappy", series: "6.12"},
}

// formatsDir takes the dumps of the same memory in other formats.
func (r *runner) formatsDir() string { return filepath.Join(r.dir, "formats") }

// dumpAll dumps a capture, and where it is the incident, in every format.
func (r *runner) dumpAll(g *guest, name string) (err error) {
	dump := filepath.Join(r.dir, name+".elf")
	if name != "incident" {
		return g.dumpMemory(dump)
	}
	if err := errors.Join(os.RemoveAll(r.formatsDir()), os.MkdirAll(r.formatsDir(), 0o755)); err != nil {
		return err
	}
	if _, err := g.command("stop", nil); err != nil {
		return err
	}
	defer func() {
		_, contErr := g.command("cont", nil)
		err = errors.Join(err, contErr)
	}()
	if err := g.dumpMemory(dump); err != nil {
		return err
	}
	start := time.Now()
	able, err := g.dumpFormats()
	if err != nil {
		return err
	}
	for _, f := range dumpFormats {
		if !contains(able, f.format) {
			continue // QEMU was built without the library
		}
		if f.series != "" && f.series != r.kernel.series {
			continue
		}
		if err := g.dumpAs(filepath.Join(r.formatsDir(), f.name), f.format, f.paging); err != nil {
			return err
		}
	}
	r.progress("dumps in other formats", start)
	return nil
}

// dumpFormats are the formats that this QEMU writes: lzo and snappy are up to who built it.
func (q *qemu) dumpFormats() ([]string, error) {
	raw, err := q.command("query-dump-guest-memory-capability", nil)
	if err != nil {
		return nil, err
	}
	var able struct {
		Formats []string `json:"formats"`
	}
	return able.Formats, json.Unmarshal(raw, &able)
}

// compareFormats asks each of the other dumps the incident's question.
func (r *runner) compareFormats(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(r.formatsDir(), "*"))
	if r.kinspect == "" || err != nil {
		return err
	}
	slices.Sort(files)
	for _, file := range files {
		explain := commandCheck{args: []string{"explain", "bond0"}, exit: 1, stdout: []string{"rx_dropped 53 = 48 of its own (core) + 5 from its slaves"}}
		if r.kernel.series == "5.10" { // its modules have no BTF
			explain.exit, explain.stdout = 2, []string{"48 of its own (core)"}
		}
		for _, row := range []commandCheck{
			{args: []string{"eval", "netdev('bond0').rx_dropped"}, stdout: []string{"48"}},
			explain,
		} {
			a, err := (dumpSubject{ctx: ctx, kinspect: r.kinspect, core: file}).ask(row.args...)
			if err != nil {
				return err
			}
			if err := a.check(row.exit, row.stdout, row.stderr); err != nil {
				r.result.dump.failures = append(r.result.dump.failures, fmt.Errorf("%s, %s: %w", r.kernel.series, filepath.Base(file), err))
				continue
			}
			r.result.dump.passed++
		}
	}
	return nil
}
