package probe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"kinspect/expr/value"
)

// A CountReport is what a run of count shows.
type CountReport struct {
	Plan    *CountPlan
	Result  CountResult
	Values  []CountedValue // the most frequent first
	By      string         // how they are attached to
	Expr    string         // of --by
	Seconds float64
	// Recent are the counts of the last moments, for the rates of a table that is drawn anew; nil for those
	// of the whole run.
	Recent        *CountResult
	RecentSeconds float64
	Zeros         bool // show functions of patterns that never ran, too
	Readings      []Reading
}

// A CountedValue is a row of --by as it is printed.
type CountedValue struct {
	Func  CountFunc
	Text  string
	Count uint64
	json  map[string]any
}

// NewCountReport makes one; the printer prints values.
func NewCountReport(c *Count, p *TracePrinter, r CountResult, length time.Duration) *CountReport {
	out := &CountReport{Plan: c.Plan, Result: r, By: c.By, Seconds: length.Seconds()}
	// What prints alike is one row: bytes behind the end of a string are no difference.
	index := map[string]int{}
	for _, v := range r.Values {
		text := strings.Join(strings.Fields(p.valueText(&v.Value)), " ")
		key := fmt.Sprintf("%d %s", v.Func, text)
		i, ok := index[key]
		if !ok {
			i = len(out.Values)
			index[key] = i
			out.Values = append(out.Values, CountedValue{Func: r.Rows[v.Func].CountFunc, Text: text, json: p.valueJSON(&v.Value)})
		}
		out.Values[i].Count += v.Count
	}
	slices.SortStableFunc(out.Values, func(a, b CountedValue) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Func.Name, b.Func.Name), strings.Compare(a.Text, b.Text))
	})
	if c.Plan.Preset != "" {
		out.Readings = Readings(c.Plan, r, out.Seconds)
	}
	return out
}

// NewCountPrinter is a printer for values of --by.
func NewCountPrinter(k *value.Kernel, f value.Format) *TracePrinter {
	return NewTracePrinter(k, &Target{}, f)
}

// Found reports whether a reading of a preset is a finding.
func (r *CountReport) Found() bool {
	return slices.ContainsFunc(r.Readings, func(x Reading) bool { return x.Finding })
}

// Calls is the sum.
func (r *CountReport) Calls() (n uint64) {
	for _, row := range r.Result.Rows {
		n += row.Count
	}
	return n
}

// rows are those to show, the most frequent first, and those of a preset by their roles; zeros are those of
// patterns that are left out.
func (r *CountReport) rows() (rows []CountRow, rates []float64, zeros int) {
	type rated struct {
		row  CountRow
		rate float64
	}
	var list []rated
	for i, row := range r.Result.Rows {
		if row.Count == 0 && row.Pattern && !r.Zeros {
			zeros++
			continue
		}
		n, s := row.Count, r.Seconds
		if r.Recent != nil && i < len(r.Recent.Rows) {
			n, s = r.Recent.Rows[i].Count, r.RecentSeconds
		}
		list = append(list, rated{row, perSecond(n, s)})
	}
	if r.Plan.Preset == "" {
		slices.SortStableFunc(list, func(a, b rated) int {
			return cmp.Or(cmp.Compare(b.row.Count, a.row.Count), strings.Compare(a.row.Name, b.row.Name))
		})
	}
	for _, l := range list {
		rows, rates = append(rows, l.row), append(rates, l.rate)
	}
	return rows, rates, zeros
}

func perSecond(n uint64, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(n) / seconds
}

// maxCPUColumns is how many CPUs have a column, the busiest ones; the others share one.
const maxCPUColumns = 8

// cpus are the CPUs with a column, by number.
func (r *CountReport) cpus() (list []int, more bool) {
	var sums []uint64
	for _, row := range r.Result.Rows {
		for n, c := range row.CPUs {
			for len(sums) <= n {
				sums = append(sums, 0)
			}
			sums[n] += c
		}
	}
	for n, c := range sums {
		if c > 0 {
			list = append(list, n)
		}
	}
	if len(list) > maxCPUColumns {
		slices.SortStableFunc(list, func(a, b int) int { return cmp.Compare(sums[b], sums[a]) })
		list, more = list[:maxCPUColumns], true
		slices.Sort(list)
	}
	return list, more
}

// Text is the table, the values of --by, what the figures allow to say, and a line of all.
func (r *CountReport) Text() string {
	cpus, more := r.cpus()
	head := []string{"FUNCTION", "COUNT", "PER SECOND"}
	for _, n := range cpus {
		head = append(head, fmt.Sprintf("CPU %d", n))
	}
	if more {
		head = append(head, "OTHERS")
	}
	if r.Plan.Preset != "" {
		head = append(head, "  WHAT")
	}
	table := [][]string{head}
	rows, rates, zeros := r.rows()
	for i, row := range rows {
		line := []string{row.Title(), fmt.Sprint(row.Count), fmt.Sprintf("%.1f", rates[i])}
		rest := row.Count
		for _, n := range cpus {
			line = append(line, fmt.Sprint(row.CPUs[n]))
			rest -= row.CPUs[n]
		}
		if more {
			line = append(line, fmt.Sprint(rest))
		}
		if r.Plan.Preset != "" {
			line = append(line, "  "+string(row.Role))
		}
		table = append(table, line)
	}
	var b strings.Builder
	b.WriteString(columns(table, r.Plan.Preset != ""))
	if zeros > 0 {
		fmt.Fprintf(&b, "%s never ran (--all lists them)\n", plural(uint64(zeros), "other function"))
	}
	if r.Expr != "" {
		b.WriteString("\n" + r.valuesText())
	}
	b.WriteString(r.readingsText())
	fmt.Fprintf(&b, "%s in %.1f s: %s (%s)\n", plural(uint64(len(r.Result.Rows)), "function"), r.Seconds, plural(r.Calls(), "call"), r.By)
	if n := r.Result.Unsplit; n > 0 {
		fmt.Fprintf(&b, "%s are in no row of --by: there was no room for more values\n", plural(n, "call"))
	}
	switch {
	case r.Result.Nested > 0:
		fmt.Fprintf(&b, "%s were not counted, as a program ran on that CPU already\n", plural(r.Result.Nested, "call"))
	case !r.Result.Known:
		b.WriteString("a call in an interrupt that came just while another one was counted is missed: this kernel does not tell how many\n")
	}
	return b.String()
}

// maxValuesText bounds the rows of --by that people are shown; JSON has all.
const maxValuesText = 100

func (r *CountReport) valuesText() string {
	label := value.Scrub(strings.Join(strings.Fields(r.Expr), " "))
	table := [][]string{{"FUNCTION", "COUNT", "PER SECOND", "  " + label}}
	for i, v := range r.Values {
		if i == maxValuesText {
			break
		}
		table = append(table, []string{v.Func.Title(), fmt.Sprint(v.Count), fmt.Sprintf("%.1f", perSecond(v.Count, r.Seconds)), "  " + v.Text})
	}
	out := columns(table, true)
	if n := len(r.Values) - maxValuesText; n > 0 {
		out += fmt.Sprintf("and %s (--json has them)\n", plural(uint64(n), "more value"))
	}
	return out
}

func (r *CountReport) readingsText() string {
	if len(r.Readings) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\nWhat these figures say:\n")
	for _, x := range r.Readings {
		mark := "-"
		if x.Finding {
			mark = "!"
		}
		sure := x.Sure
		if sure == Open {
			sure = "these figures do not tell"
		}
		fmt.Fprintf(&b, "%s %s [%s]: %s\n", mark, x.Name, sure, x.Text)
	}
	b.WriteByte('\n')
	return b.String()
}

// columns sets a table: names to the left, numbers to the right, and the last column as it is where it is text.
func columns(table [][]string, lastText bool) string {
	var widths []int
	for _, line := range table {
		for i, s := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len(s))
		}
	}
	var b strings.Builder
	for _, line := range table {
		for i, s := range line {
			switch {
			case i == 0:
				fmt.Fprintf(&b, "%-*s", widths[0], s)
			case lastText && i == len(line)-1:
				b.WriteString(s)
			default:
				fmt.Fprintf(&b, "  %*s", widths[i], s)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// JSON are the lines: functions, values, readings, and the summary.
func (r *CountReport) JSON() (lines []any) {
	rows, rates, _ := (&CountReport{Plan: r.Plan, Result: r.Result, Seconds: r.Seconds, Zeros: true}).rows()
	for i, row := range rows {
		cpus := map[string]uint64{}
		for n, c := range row.CPUs {
			if c > 0 {
				cpus[fmt.Sprint(n)] = c
			}
		}
		line := map[string]any{"kind": "function", "name": value.Printable(row.Name), "count": row.Count, "rate": rates[i], "cpus": cpus}
		if row.Module != "" {
			line["module"] = value.Printable(row.Module)
		}
		if row.Role != "" {
			line["role"] = row.Role
		}
		lines = append(lines, line)
	}
	for _, v := range r.Values {
		line := map[string]any{"kind": "value", "name": value.Printable(v.Func.Name), "count": v.Count, "rate": perSecond(v.Count, r.Seconds), "by": v.json}
		if v.Func.Module != "" {
			line["module"] = value.Printable(v.Func.Module)
		}
		lines = append(lines, line)
	}
	for _, x := range r.Readings {
		lines = append(lines, struct {
			Kind string `json:"kind"`
			Reading
		}{"reading", x})
	}
	var nested *uint64
	if r.Result.Known {
		nested = &r.Result.Nested
	}
	return append(lines, CountSummary{
		Kind: "summary", Seconds: r.Seconds, Functions: len(r.Result.Rows), Calls: r.Calls(), Attached: r.By,
		Values: len(r.Values), Unsplit: r.Result.Unsplit, Nested: nested,
	})
}

// CountSummary is the last line.
type CountSummary struct {
	Kind      string  `json:"kind"` // "summary"
	Seconds   float64 `json:"seconds"`
	Functions int     `json:"functions"`
	Calls     uint64  `json:"calls"`
	Attached  string  `json:"attached"` // fentry, kprobe.multi or kprobe
	Values    int     `json:"values"`   // rows of --by
	Unsplit   uint64  `json:"unsplit"`  // calls that no row of --by had room for
	Nested    *uint64 `json:"nested"`   // calls that were not seen; null where the kernel does not tell
}
