package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// emptyDirs removes what an earlier run left of some rows.
func (r *runner) emptyDirs(dirs ...string) error {
	var errs []error
	for _, dir := range dirs {
		dir = filepath.Join(r.dir, dir)
		errs = append(errs, os.RemoveAll(dir), os.MkdirAll(dir, 0o755))
	}
	return errors.Join(errs...)
}

// dumpAll dumps a capture, and where it is the incident, in every format, all of the
// same memory, page by page, which a test of kmem compares.
func (r *runner) dumpAll(g *guest, name string) (err error) {
	dir := map[string]string{"incident": formatsDir, "noinfo": noinfoDir}[name]
	dump := filepath.Join(r.dir, name+".elf")
	if dir == "" {
		return g.dumpMemory(dump)
	}
	if err := r.emptyDirs(dir); err != nil {
		return err
	}
	if _, err := g.command("stop", nil); err != nil {
		return err
	}
	defer func() {
		_, contErr := g.command("cont", nil)
		err = errors.Join(err, contErr)
	}()
	if name == "incident" {
		if err := errors.Join(g.dumpMemory(dump), digHoles(dump)); err != nil {
			return err
		}
	}
	start := time.Now()
	able, err := g.dumpFormats()
	if err != nil {
		return err
	}
	list := rowsOf(r.kernel.series, dir, byQEMU)
	for _, d := range list {
		if !contains(able, d.how) {
			return fmt.Errorf("%s: this QEMU cannot write %s, but %s", d.file(), d.how, strings.Join(able, ", "))
		}
		to := filepath.Join(r.dir, d.file())
		if err := g.dumpAs(to, d.how, d.paging); err != nil {
			return err
		}
		if d.how == "elf" {
			if err := digHoles(to); err != nil {
				return err
			}
		}
	}
	r.progress(fmt.Sprintf("%d dumps in %s", len(list), dir), start)
	return nil
}

// digHoles gives back the disk's blocks that hold zeroes alone, as much of a guest's
// memory does.
func digHoles(file string) error {
	_, err := output(context.Background(), "", "fallocate", "--dig-holes", file)
	return err
}

// dumpFormats are the formats that this QEMU writes.
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

// compareRows asks each of the rows what the capture that it is made of is asked.
func (r *runner) compareRows(ctx context.Context, capture string, t *truth, list []row) error {
	start := time.Now()
	for _, d := range list {
		for _, f := range d.files() {
			if st, err := os.Stat(filepath.Join(r.dir, f)); err != nil || st.Size() == 0 {
				return fmt.Errorf("%s: nothing was made (%w)", f, err)
			}
		}
		r.result.made = append(r.result.made, d.file())
		if r.kinspect == "" {
			continue
		}
		c := r.dumpContext(ctx, capture, t, d)
		var failures []error
		passed := 0
		if d.incomplete() {
			failures, passed = compareIncomplete(c)
		} else {
			failures, passed = compare(c)
		}
		r.result.dump.passed += passed
		r.result.dump.failures = append(r.result.dump.failures, failures...)
	}
	if r.kinspect != "" && len(list) > 0 {
		r.progress(fmt.Sprintf("%d dumps of %s asked", len(list), capture), start)
	}
	return nil
}

// dumpContext is what checks need to ask a row.
func (r *runner) dumpContext(ctx context.Context, capture string, t *truth, d row) *subjectContext {
	var files []string
	for _, f := range d.files() {
		files = append(files, filepath.Join(r.dir, f))
	}
	slices.Reverse(files) // the headers of a split dump's files tell their order
	facts := filepath.Join(r.dir, "facts", capture)
	if d.by == byPacker {
		capture = packedDir // unpacking takes long: fewer questions
	}
	return &subjectContext{
		subject: dumpSubject{ctx: ctx, kinspect: r.kinspect, cores: files},
		kernel:  r.kernel, capture: capture, file: d.file(), truth: t,
		facts: facts,
		host:  hostTools{ctx: ctx, kinspect: r.kinspect, dir: r.dir},
	}
}

// incompleteChecks are what a dump is asked that ends in the middle.
var incompleteChecks = []commandCheck{
	{args: []string{"eval", "netdev('bond0').rx_dropped"}, stdout: []string{"48"}},
	{args: []string{"explain", "bond0"}, exit: 1, stdout: []string{"rx_dropped 53 = 48 of its own (core) + 5 from its slaves"}},
	{args: []string{"handler", "0x0004", "bond0"}, exit: 1, stdout: []string{"none"}},
}

// compareIncomplete wants the right answer, or none with the reason: that the dump is
// incomplete. An answer in part may not say another number.
func compareIncomplete(c *subjectContext) (failures []error, passed int) {
	for _, check := range incompleteChecks {
		a, err := c.ask(check.args...)
		if err == nil && a.check(check.exit, check.stdout, check.stderr) != nil {
			err = a.saysIncomplete()
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("%s, %s: %s: %w", c.kernel.series, c.file, strings.Join(check.args, " "), err))
			continue
		}
		passed++
	}
	return failures, passed
}

func (a answer) saysIncomplete() error {
	if err := a.check(2, nil, nil); err != nil {
		return err
	}
	if !strings.Contains(a.stdout+a.stderr, "incomplete") {
		return a.fail("neither the right answer nor a word of an incomplete dump")
	}
	if strings.TrimSpace(a.stdout) != "" {
		return a.fail("an answer from a dump that lacks pages")
	}
	return nil
}
