package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A matrix is what explain made of each cause of each scenario, on each kernel, live and on a dump. It is a table of
// the README, and every run prints the same table into matrix.md.
type matrix struct {
	kernels []string // series, in the order of the columns
	rows    []matrixRow
}

type matrixRow struct {
	title, what string
	cells       map[string]string // by "6.12 live"
}

// What explain may make of a cause, without contradicting it.
const (
	cellProved = "proved"
	cellOnly   = "only path"
	cellBounds = "bounds"
	cellOpen   = "open"
	cellNow    = "now"     // ruled out as the host is set up now, which is told: it was set up otherwise
	cellTold   = "told"    // of frames that are counted nowhere
	cellPart   = "in part" // the counter could not be read in full
	cellNone   = "–"       // this kernel does not have the counter
	cellWrong  = "WRONG"
)

// add records what an explanation makes of a device's causes, that of the first capture which has them: later ones add
// drops of other devices. Rows in other formats, which have no matrix, add nothing.
func (m *matrix) add(c *subjectContext, title string, want expect, e explanation, wrong bool) {
	if m == nil {
		return
	}
	column := c.kernel.series + " dump"
	if c.live() {
		column = c.kernel.series + " live"
	}
	set := func(what, cell string) {
		row := m.row(title, what)
		if wrong {
			cell = cellWrong
		}
		if row.cells[column] == "" || wrong {
			row.cells[column] = cell
		}
	}
	for _, cause := range want.Causes {
		n := fmt.Sprint(cause.Frames)
		switch {
		case cause.Measured:
			n = "some"
		case cause.AtLeast:
			n += " or more"
		}
		set(fmt.Sprintf("%s %s: %s by `%s`", want.Device, cause.Counter, n, cause.Path), e.tells(cause))
	}
	if len(want.Says) > 0 {
		set(fmt.Sprintf("%s: counted nowhere", want.Device), cellTold)
	}
}

func (m *matrix) row(title, what string) *matrixRow {
	at := len(m.rows)
	for i := range m.rows {
		if r := &m.rows[i]; r.title != title {
			continue
		} else if r.what == what {
			return r
		}
		at = i + 1
	}
	m.rows = slices.Insert(m.rows, at, matrixRow{title, what, map[string]string{}})
	return &m.rows[at]
}

// tells is how much an explanation tells of a cause.
func (e explanation) tells(c cause) string {
	for _, counter := range e.Counters {
		if counter.Counter != c.Counter {
			continue
		}
		for _, p := range counter.Paths {
			if p.ID != c.Path {
				continue
			}
			switch {
			case p.Verdict == "fired" && p.Level == "proved":
				return cellProved
			case p.Verdict == "fired" && p.Count != nil:
				return cellOnly
			case p.Verdict == "ruled out" && p.Now:
				return cellNow
			case p.Min > 0 || p.Max != nil && counter.Own != nil && *p.Max < *counter.Own:
				return cellBounds
			}
			return cellOpen
		}
		return cellPart
	}
	return cellNone
}

// join puts the columns of a kernel beside those that are there, in the order of the first one's scenarios.
func (m *matrix) join(series string, other *matrix) {
	m.kernels = append(m.kernels, series)
	for _, r := range other.rows {
		row := m.row(r.title, r.what)
		for column, cell := range r.cells {
			row.cells[column] = cell
		}
	}
}

// text is the table in Markdown, two columns a kernel.
func (m *matrix) text() string {
	var columns []string
	for _, series := range m.kernels {
		columns = append(columns, series+" live", series+" dump")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| scenario | what the lab did | %s |\n|---|---%s|\n", strings.Join(columns, " | "), strings.Repeat("|---", len(columns)))
	title := ""
	for _, r := range m.rows {
		shown := r.title
		if shown == title {
			shown = ""
		}
		title = r.title
		fmt.Fprintf(&b, "| %s | %s ", shown, r.what)
		for _, column := range columns {
			cell := r.cells[column]
			if cell == "" {
				cell = cellNone
			}
			fmt.Fprintf(&b, "| %s ", cell)
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// The lines of a document between which its table stands.
const (
	matrixBegins = "<!-- made by testdata/lab/run --matrix README.md -->\n"
	matrixEnds   = "<!-- end of the table -->\n"
)

// writeMatrix writes the table of a run into the results, and into a document that has a place for it.
func writeMatrix(m *matrix, cache, document string) error {
	if err := os.WriteFile(filepath.Join(cache, "matrix.md"), []byte(m.text()), 0o644); err != nil || document == "" {
		return err
	}
	content, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	head, rest, begins := bytes.Cut(content, []byte(matrixBegins))
	_, tail, ends := bytes.Cut(rest, []byte(matrixEnds))
	if !begins || !ends {
		return fmt.Errorf("%s has no lines %q and %q for the table", document, strings.TrimSpace(matrixBegins), strings.TrimSpace(matrixEnds))
	}
	return os.WriteFile(document, slices.Concat(head, []byte(matrixBegins), []byte(m.text()), []byte(matrixEnds), tail), 0o644)
}
