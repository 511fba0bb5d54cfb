package runbook

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"kinspect/expr/value"
)

// Status is what came of a check.
type Status string

// The statuses, the gravest first. A check with a finding may have rows beside that could not be answered:
// [Outcome.Answered] tells.
const (
	Finding    Status = "finding"
	Unanswered Status = "unanswered"
	Nothing    Status = "nothing" // there was nothing to look at
	Fine       Status = "fine"
)

// Report is the answer of a run. Its JSON form is stable: fields are added, never renamed. Strings that come from
// the kernel are escaped for a terminal.
type Report struct {
	Kernel string     `json:"kernel"`
	Source string     `json:"source"`
	Time   time.Time  `json:"time"` // of the run
	Checks []*Outcome `json:"checks"`
	// How many checks there are of each status, and how many of all were not answered, or not in full.
	Fine       int `json:"fine"`
	Findings   int `json:"findings"`
	Nothing    int `json:"nothing"`
	Unanswered int `json:"unanswered"`
}

// Outcome is what came of one check.
type Outcome struct {
	Check    string `json:"check"`
	Title    string `json:"title"`
	Status   Status `json:"status"`
	Answered bool   `json:"answered"` // of all that it looks at
	// Reason is why there was nothing to look at, or why the check, or a part of it, could not be answered.
	Reason   string  `json:"reason"`
	Unit     string  `json:"unit"`
	Findings int     `json:"findings"` // rows
	Rows     []*Row  `json:"rows"`
	Seconds  float64 `json:"seconds"` // that it took

	failed bool
}

// Row is one thing that a check looked at.
type Row struct {
	Labels    []Label
	Condition bool     // the value is 1 or 0, for true or false
	Value     *big.Rat // nil where it is not known
	Max, Min  *big.Rat // nil where there is none
	Finding   bool
	Found     string // of a finding, what is to be told
	Next      string // of a finding, what to do
	Reason    string // why it could not be answered, or ""
}

// Label tells a row from others.
type Label struct{ Name, Value string }

func (r *Row) unanswered(err error) {
	if r.Reason == "" {
		r.Reason = cut(value.Scrub(err.Error()), maxSaid)
	}
}

// MarshalJSON has the row as an object: labels, value (null where it is not known; true or false of a condition), max,
// min, status, found, next and reason.
func (r *Row) MarshalJSON() ([]byte, error) {
	labels := map[string]string{}
	for _, l := range r.Labels {
		labels[l.Name] = l.Value
	}
	out := struct {
		Labels map[string]string `json:"labels"`
		Value  any               `json:"value"`
		Max    any               `json:"max"`
		Min    any               `json:"min"`
		Status Status            `json:"status"`
		Found  string            `json:"found"`
		Next   string            `json:"next"`
		Reason string            `json:"reason"`
	}{labels, jsonNumber(r.Value), jsonNumber(r.Max), jsonNumber(r.Min), r.status(), r.Found, r.Next, r.Reason}
	if r.Condition && r.Value != nil {
		out.Value = r.Value.Sign() != 0
	}
	return json.Marshal(out)
}

func (r *Row) status() Status {
	switch {
	case r.Finding:
		return Finding
	case r.Reason != "":
		return Unanswered
	}
	return Fine
}

func jsonNumber(n *big.Rat) any {
	if n == nil {
		return nil
	}
	return json.Number(text(n))
}

// text is a number as it is printed: an integer in full, another one in the shortest form of a double.
func text(n *big.Rat) string {
	if n.IsInt() && n.Num().BitLen() <= 64 {
		return n.Num().String()
	}
	f, _ := n.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// short is a number for people.
func short(n *big.Rat) string {
	if n.IsInt() && n.Num().BitLen() <= 64 {
		return n.Num().String()
	}
	f, _ := n.Float64()
	return strconv.FormatFloat(f, 'g', 4, 64)
}

func (o *Outcome) unanswered(err error) {
	o.failed = true
	if o.Reason == "" {
		o.Reason = cut(value.Scrub(err.Error()), maxSaid)
	}
}

// settle makes up the check's status from its rows.
func (o *Outcome) settle() {
	open := 0
	for _, r := range o.Rows {
		if r.Finding {
			o.Findings++
		}
		if r.Reason != "" {
			open++
			if o.Reason == "" {
				o.Reason = r.Reason
			}
		}
	}
	o.Answered = open == 0 && !o.failed
	switch {
	case o.Findings > 0:
		o.Status = Finding
	case !o.Answered:
		o.Status = Unanswered
	case len(o.Rows) == 0:
		o.Status = Nothing
		if o.Reason == "" {
			o.Reason = "there is nothing to look at"
		}
	default:
		o.Status = Fine
	}
}

// tellApart gives rows that have the same labels a number, as metrics need one for each.
func (o *Outcome) tellApart() {
	type rows struct{ all []*Row }
	same := map[string]*rows{}
	for _, r := range o.Rows {
		key := fmt.Sprintf("%q", r.Labels)
		if same[key] == nil {
			same[key] = &rows{}
		}
		same[key].all = append(same[key].all, r)
	}
	for _, s := range same {
		if len(s.all) == 1 {
			continue
		}
		name := rowLabel
		for s.all[0].has(name) {
			name += "_"
		}
		for i, r := range s.all {
			r.Labels = append(r.Labels, Label{name, strconv.Itoa(i)})
		}
	}
}

// rowLabel is the label that tells rows apart which have no other.
const rowLabel = "row"

func (r *Row) has(name string) bool {
	for _, l := range r.Labels {
		if l.Name == name {
			return true
		}
	}
	return false
}

// NewReport is the report of outcomes.
func NewReport(kernel, source string, at time.Time, outcomes []*Outcome) *Report {
	r := &Report{Kernel: value.Printable(kernel), Source: value.Printable(source), Time: at.UTC().Truncate(time.Second), Checks: outcomes}
	if r.Checks == nil {
		r.Checks = []*Outcome{}
	}
	for _, o := range r.Checks {
		switch o.Status {
		case Finding:
			r.Findings++
		case Nothing:
			r.Nothing++
		case Fine:
			r.Fine++
		}
		if !o.Answered {
			r.Unanswered++
		}
	}
	return r
}

// Partial reports whether something could not be answered.
func (r *Report) Partial() bool { return r.Unanswered > 0 }

// Drops reports whether there is a finding, as the other reports call theirs.
func (r *Report) Drops() bool { return r.Findings > 0 }

// shownRows is how many findings of a check are told to people.
const shownRows = 20

// Text prints the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	w := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	w("checks of kernel %s (%s)", r.Kernel, r.Source)
	w("")
	wide := 0
	for _, o := range r.Checks {
		wide = max(wide, len(o.Check))
	}
	for _, o := range r.Checks {
		o.print(w, wide)
	}
	w("")
	sum := []string{fmt.Sprintf("%d fine", r.Fine)}
	for _, part := range []struct {
		n    int
		text string
	}{
		{r.Findings, "with findings"},
		{r.Nothing, "with nothing to look at"},
		{r.Unanswered, "not answered, or not in full"},
	} {
		if part.n > 0 {
			sum = append(sum, fmt.Sprintf("%d %s", part.n, part.text))
		}
	}
	w("%s: %s", count(len(r.Checks), "check"), strings.Join(sum, ", "))
	return b.String()
}

// marks are what stands before a check.
var marks = map[Status]string{Fine: "fine", Finding: "FOUND", Nothing: "-", Unanswered: "?"}

func (o *Outcome) print(w func(string, ...any), wide int) {
	head := fmt.Sprintf("%-5s  %-*s  %s", marks[o.Status], wide, o.Check, o.Title)
	switch {
	case o.Status == Nothing:
		w("%s: %s", head, o.Reason)
	case o.Status == Fine && len(o.Rows) == 1 && len(o.Rows[0].Labels) == 0 && !o.Rows[0].Condition:
		w("%s: %s", head, o.Rows[0].amount(o.Unit))
	case o.Status == Fine && len(o.Rows) > 1:
		w("%s: all %d", head, len(o.Rows))
	default:
		w("%s", head)
	}
	const in = "       "
	told := 0
	for _, row := range o.Rows {
		if !row.Finding {
			continue
		}
		if told++; told > shownRows {
			w("%sand %d more", in, o.Findings-shownRows)
			break
		}
		w("%s%s", in, row.verdict(o.Unit))
		for _, line := range []struct{ label, text string }{{"", row.Found}, {"next: ", row.Next}} {
			if line.text != "" {
				w("%s  %s%s", in, line.label, value.Scrub(strings.ReplaceAll(line.text, "\n", "\n"+in+"  ")))
			}
		}
	}
	if !o.Answered {
		w("%scould not be answered%s: %s", in, o.open(), brief(o.Reason))
	}
}

// shownReason bounds a reason for people; --json has all of it.
const shownReason = 240

// brief is the first line of a reason.
func brief(s string) string {
	first, rest, _ := strings.Cut(s, "\n")
	if rest != "" && len(first) <= shownReason {
		return first + " …"
	}
	return cut(first, shownReason)
}

// open says how much of a check could not be answered.
func (o *Outcome) open() string {
	n := 0
	first := ""
	for _, r := range o.Rows {
		if r.Reason != "" {
			if n++; n == 1 {
				first = r.name()
			}
		}
	}
	switch {
	case o.failed || n == 0 || first == "":
		return ""
	case n == 1:
		return " of " + first
	}
	return fmt.Sprintf(" of %s and %d more", first, n-1)
}

// name is what a row is called: by its labels.
func (r *Row) name() string {
	var parts []string
	for i, l := range r.Labels {
		text := l.Value
		if i > 0 || strings.Trim(text, "0123456789") == "" {
			text = l.Name + " " + text // a number says nothing by itself
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// verdict is the row with what is wrong with it.
func (r *Row) verdict(unit string) string {
	name := r.name()
	if r.Condition {
		if name == "" {
			return "it does not hold"
		}
		return name
	}
	if name != "" {
		name += ": "
	}
	return name + r.amount(unit)
}

// amount is the value with its bounds.
func (r *Row) amount(unit string) string {
	out := short(r.Value)
	if unit != "" {
		out += " " + unit
	}
	if r.Max != nil {
		out += ", at most " + short(r.Max)
	}
	if r.Min != nil {
		out += ", at least " + short(r.Min)
	}
	return out
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
