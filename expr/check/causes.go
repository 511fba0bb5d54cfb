package check

import (
	"fmt"
	"strings"
)

// Causes are the verdicts of the report in a line for each counter that is not zero: how many frames took which
// path, and how sure that is.
func (r *Report) Causes() []string {
	var out []string
	for _, c := range r.Counters {
		if c.AtLeast == 0 && c.Total != nil {
			continue
		}
		var fired, open []string
		for _, p := range c.Paths {
			switch p.Verdict {
			case Fired:
				fired = append(fired, fmt.Sprintf("%s %s (%s)", amount(p), p.ID, p.sure()))
			case Possible:
				open = append(open, p.ID)
			}
		}
		if len(open) > 0 {
			fired = append(fired, "cannot tell whether "+strings.Join(open, ", "))
		}
		if len(fired) == 0 {
			fired = append(fired, "cannot tell")
		}
		out = append(out, fmt.Sprintf("%s: %s", c.Counter, strings.Join(fired, ", ")))
	}
	return out
}
