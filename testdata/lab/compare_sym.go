package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// checkSym asks `sym` for functions of the kernel and of a module with their neighbours,
// and compares those with /proc/kallsyms: none is missing, none is another's.
func checkSym(c *subjectContext) error {
	const around = 300
	text, err := readFact(c.facts, "kallsyms")
	if err != nil {
		return err
	}
	type symbol struct{ address, name, kind, module string }
	said := make(map[symbol]bool)
	var lines []symbol
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 {
			return fmt.Errorf("kallsyms of %s: line %q", c.facts, line)
		}
		s := symbol{address: "0x" + strings.TrimLeft(f[0], "0"), kind: f[1], name: f[2]}
		if len(f) > 3 {
			s.module = strings.Trim(f[3], "[]")
		}
		said[s] = true
		// What is made while the kernel runs is no part of a module.
		if s.module != "bpf" && !strings.HasPrefix(s.module, "__builtin") {
			lines = append(lines, s)
		}
	}
	for _, name := range []string{"net_rx_action", "bond_handle_frame [bonding]", "veth_xmit"} {
		a, err := c.ask("sym", "--json", "--around", fmt.Sprint(around), name)
		if err != nil {
			return err
		}
		var answer struct {
			Found  bool
			Around []struct{ Address, Symbol, Type, Module string }
		}
		if err := json.Unmarshal([]byte(a.stdout), &answer); err != nil || !answer.Found || len(answer.Around) < around {
			return a.fail("%d symbols around it (%v)", len(answer.Around), err)
		}
		listed := make(map[symbol]bool)
		for _, m := range answer.Around {
			s := symbol{m.Address, m.Symbol, m.Type, m.Module}
			listed[s] = true
			if s.module == "bpf" && strings.HasSuffix(s.name, "_kinspect_read") {
				continue // by which it reads this moment
			}
			if !said[s] {
				return a.fail("/proc/kallsyms has no %+v", s)
			}
		}
		// At both ends there may be more of one address.
		first, last := answer.Around[0].Address, answer.Around[len(answer.Around)-1].Address
		for _, s := range lines {
			if len(s.address) == len(first) && first < s.address && s.address < last && !listed[s] {
				return a.fail("it lacks %+v of /proc/kallsyms", s)
			}
		}
		// By address, the same symbol.
		middle := answer.Around[len(answer.Around)/2]
		b, err := c.ask("sym", middle.Address)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(b.stdout, middle.Address+" ") || !strings.Contains(b.stdout, "+0x0") {
			return b.fail("want a symbol that begins there, such as %s", middle.Symbol)
		}
	}
	return nil
}
