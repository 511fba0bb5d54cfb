package check

import (
	"fmt"
	"strings"
)

// A bond's number for its slaves is a sum that the bond keeps: what slaves that left had brought stays in it, and what
// a slave counted before it joined never was. So a slave's own number is a part of it only where the numbers add up.

// addsUp reports whether what a bond's slaves count now is what they brought it: then each one's number is its part.
func (c *Counter) addsUp() bool {
	sum, known := c.slaveSum()
	return known && c.Slaves != nil && sum == *c.Slaves
}

// slaveSum adds up what the slaves count now. It is not known where one of them is not.
func (c *Counter) slaveSum() (sum uint64, known bool) {
	known = true
	for _, s := range c.SlaveTotals {
		if s.Total == nil {
			known = false
			continue
		}
		sum += *s.Total
	}
	return sum, known
}

// loneSlave is the one slave that brought all of a bond's number, "" where it was none, or several, or is not known.
func (c *Counter) loneSlave() string {
	if !c.addsUp() {
		return ""
	}
	name := ""
	for _, s := range c.SlaveTotals {
		switch {
		case *s.Total == 0:
		case name != "":
			return ""
		default:
			name = s.Device
		}
	}
	return name
}

// ofSlave is what a page says of a slave's own number of the counter, "" for nothing.
func (c *Counter) ofSlave(n *uint64, bond string) string {
	switch {
	case n == nil && c.quiet(), n != nil && *n == 0:
		return ""
	case n == nil:
		return c.Counter + " is not known"
	case c.addsUp():
		return fmt.Sprintf("lost here: %s %d", c.Counter, *n)
	case c.Slaves != nil && *c.Slaves == 0:
		return fmt.Sprintf("%s %d, none of it in that of %s", c.Counter, *n, bond)
	}
	return fmt.Sprintf("%s %d; how much of it is in that of %s is not known", c.Counter, *n, bond)
}

// sums are what the slaves together brought to the counters of frames that are received, where that is no single
// one's; before says that it is not, or may not be, what the present ones count.
func (v *deviceView) sums() (lines []string, before bool) {
	for i := range v.report.Counters {
		c := &v.report.Counters[i]
		if c.quiet() || strings.HasPrefix(c.Counter, "tx_") || v.report.Kind != "bond" || c.loneSlave() != "" {
			continue
		}
		sum, known := c.slaveSum()
		switch {
		case c.Slaves == nil:
			lines, before = append(lines, c.Counter+": how many is not known"), true
		case *c.Slaves == 0:
		case sum == *c.Slaves && known:
			lines = append(lines, fmt.Sprintf("%s %d: what its slaves count now adds up to it", c.Counter, *c.Slaves))
		case !known:
			lines, before = append(lines, fmt.Sprintf("%s %d; what all its slaves count now is not known", c.Counter, *c.Slaves)), true
		default:
			lines, before = append(lines, fmt.Sprintf("%s %d; what its slaves count now adds up to %d: some have left, or counted before they joined", c.Counter, *c.Slaves, sum)), true
		}
	}
	return lines, before
}
