package main

import (
	"strings"
	"testing"
)

// TestFlagsOfCommands: a flag is refused where it means nothing, with the command that it is for and an example, and
// each example is one.
func TestFlagsOfCommands(t *testing.T) {
	for _, f := range flagInfos {
		for _, c := range commands() {
			o := options{given: []string{f.name}}
			mine := false
			for _, g := range flagInfos {
				mine = mine || g.name == f.name && g.of(c.name)
			}
			err := o.checkFlags(c.name)
			if mine != (err == nil) || err != nil && (!strings.HasPrefix(err.Error(), f.name+" belongs to ") || !strings.Contains(err.Error(), ": kinspect ")) {
				t.Errorf("%s %s: %v", c.name, f.name, err)
			}
		}
		if f.command == "" {
			continue
		}
		var o options
		words := strings.Fields(f.example)
		rest, err := o.parse(words)
		if err != nil || len(rest) == 0 || !f.of(rest[0]) {
			t.Errorf("%s: the example %q: %v, %v", f.name, f.example, rest, err)
			continue
		}
		if err := o.checkFlags(rest[0]); err != nil {
			t.Errorf("%s: the example %q: %v", f.name, f.example, err)
		}
	}
	// A snapshot's flags are its own and those of the command that it is of.
	o := options{given: []string{"--output", "--redact", "--all"}}
	if err := o.checkFlags("snapshot", "snmp"); err != nil {
		t.Error(err)
	}
	if err := o.checkFlags("snapshot", "explain"); err == nil {
		t.Error("explain has no --all")
	}
}
