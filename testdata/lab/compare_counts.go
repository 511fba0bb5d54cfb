package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A countRow is a line of /proc/interrupts or /proc/softirqs.
type countRow struct {
	counts []float64
	rest   string
}

// countRows reads the lines whose name is wanted.
func countRows(text string, wanted func(string) bool) map[string]countRow {
	out := map[string]countRow{}
	cpus := 0
	for i, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		if i == 0 {
			cpus = len(f)
			continue
		}
		if len(f) <= cpus || !wanted(strings.TrimSuffix(f[0], ":")) {
			continue
		}
		var r countRow
		for _, n := range f[1 : 1+cpus] {
			v, err := strconv.ParseFloat(n, 64)
			if err != nil {
				break
			}
			r.counts = append(r.counts, v)
		}
		r.rest = strings.Join(f[1+cpus:], " ")
		out[strings.TrimSuffix(f[0], ":")] = r
	}
	return out
}

// between tells whether counters that only rise are not below what they were, nor above
// what they are later, where that is known.
func between(have []any, before, after countRow, live bool) bool {
	if len(have) != len(before.counts) || live && len(have) != len(after.counts) {
		return false
	}
	for i, n := range have {
		v, ok := n.(float64)
		if !ok || v < before.counts[i] || live && v > after.counts[i] {
			return false
		}
	}
	return true
}

// checkInterrupts compares the counts of interrupts and softirqs with those of /proc from
// before, and live also with those from after.
func checkInterrupts(c *subjectContext) error {
	isNumber := func(s string) bool { _, err := strconv.Atoi(s); return err == nil }
	var errs []error
	for _, t := range []struct {
		file, src string
		wanted    func(string) bool
	}{
		{"interrupts", "interrupts() | map([.irq, .counts, .chip + ' ' + .actions])", isNumber},
		{"softirqs", "softirqs() | map([.name, .counts, ''])", func(string) bool { return true }},
	} {
		text, err := c.systemFact(t.file)
		if err != nil {
			return err
		}
		var rows [][3]any
		a, err := evaluate(c, &rows, t.src)
		if err != nil {
			return err
		}
		before, after := countRows(text, t.wanted), map[string]countRow{}
		if c.live() {
			text, err := c.guest.run("cat /proc/" + t.file)
			if err != nil {
				return err
			}
			after = countRows(string(text), t.wanted)
		}
		if len(rows) != len(before) || len(rows) == 0 {
			errs = append(errs, a.fail("%d lines, /proc/%s has %d", len(rows), t.file, len(before)))
		}
		for _, r := range rows {
			name := fmt.Sprint(r[0])
			w, ok := before[name]
			counts, _ := r[1].([]any)
			if !ok || !between(counts, w, after[name], c.live()) {
				errs = append(errs, a.fail("%v, /proc/%s had %v, and has %v", r, t.file, w, after[name]))
			}
			// /proc has columns of its own between the chip and the names.
			for _, word := range strings.Fields(fmt.Sprint(r[2])) {
				if !strings.Contains(w.rest, strings.TrimSuffix(word, ",")) {
					errs = append(errs, a.fail("%s: no %s in %q of /proc/%s", name, word, w.rest, t.file))
				}
			}
		}
	}
	return errors.Join(errs...)
}
