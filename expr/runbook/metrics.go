package runbook

import (
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"

	"kinspect/expr/value"
)

// Metrics is the report as OpenMetrics text, in the part of that format which is Prometheus' text format, too:
// node_exporter's textfile collector reads the latter. There are no timestamps of samples, which it refuses.
func (r *Report) Metrics() string {
	var b strings.Builder
	head := func(name, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
	}
	each := func(name, help string, n func(o *Outcome) int) {
		head(name, help)
		for _, o := range r.Checks {
			sample(&b, name, o.Check, nil, fmt.Sprint(n(o)))
		}
	}
	rows := func(name, help string, n func(row *Row) *big.Rat) {
		first := true
		for _, o := range r.Checks {
			for _, row := range o.Rows {
				if v := n(row); v != nil {
					if first {
						head(name, help)
						first = false
					}
					sample(&b, name, o.Check, row.Labels, text(v))
				}
			}
		}
	}
	head("kinspect_check_run_timestamp_seconds", "When the checks were run, in seconds since 1970.")
	fmt.Fprintf(&b, "kinspect_check_run_timestamp_seconds %d\n", r.Time.Unix())
	head("kinspect_check_kernel_info", "The kernel that the checks were run on.")
	fmt.Fprintf(&b, "kinspect_check_kernel_info{release=\"%s\"} 1\n", escape(r.Kernel))
	each("kinspect_check_ok", "1 where a check was answered and has no finding, 0 where it has one or was not answered.", func(o *Outcome) int {
		return bit(o.Answered && o.Findings == 0)
	})
	each("kinspect_check_answered", "1 where all that a check looks at could be answered, else 0.", func(o *Outcome) int { return bit(o.Answered) })
	each("kinspect_check_findings", "Of how many things that a check looks at its value is out of bounds.", func(o *Outcome) int { return o.Findings })
	each("kinspect_check_looked_at", "How many things a check looked at.", func(o *Outcome) int { return len(o.Rows) })
	head("kinspect_check_seconds", "How long a check took.")
	for _, o := range r.Checks {
		sample(&b, "kinspect_check_seconds", o.Check, nil, fmt.Sprintf("%.6f", o.Seconds))
	}
	rows("kinspect_check_value", "What a check measured of each thing that it looks at; 1 and 0 are true and false.", func(row *Row) *big.Rat { return row.Value })
	rows("kinspect_check_max", "The most that the value may be.", func(row *Row) *big.Rat { return row.Max })
	rows("kinspect_check_min", "The least that the value has to be.", func(row *Row) *big.Rat { return row.Min })
	b.WriteString("# EOF\n")
	return b.String()
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func sample(b *strings.Builder, name, check string, labels []Label, n string) {
	fmt.Fprintf(b, "%s{check=\"%s\"", name, escape(check))
	for _, l := range labels {
		fmt.Fprintf(b, ",%s=\"%s\"", l.Name, escape(l.Value))
	}
	fmt.Fprintf(b, "} %s\n", n)
}

var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// escape is a label's value: UTF-8, with a backslash before three characters.
func escape(s string) string {
	s = value.Scrub(strings.ToValidUTF8(s, string(utf8.RuneError)))
	return escaper.Replace(s)
}
