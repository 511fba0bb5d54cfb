package main

import (
	"slices"
	"strings"

	"kinspect/expr/doctor"
	"kinspect/kmem"
	"kinspect/kmem/bpfmem"
	"kinspect/kmem/privilege"
)

// doctor reports what can be seen. Its exit code is 0 where nothing is missing, 1
// where answers lack something, 2 where there are none.
func (a *app) doctor([]string) (int, error) {
	source := strings.Join(a.options.core, ", ")
	if source == "" {
		source = "the running kernel"
	}
	var r *doctor.Report
	if t, err := a.open(); err != nil {
		r = doctor.NotOpened(source, err)
	} else {
		r = doctor.Examine(t.stack, a.noKcore)
	}
	if len(a.options.core) == 0 {
		r.Privileges(privilege.AtStart(), strings.Join(probeNames(), ", "), a.tryProbes)
	}
	code := exitFine
	switch r.Status {
	case doctor.Limited:
		code = exitFinding
	case doctor.Missing:
		code = exitFailed
	}
	return code, a.print(r.Text(), r)
}

// tryProbes tells why live probes cannot be, nil where they can. The program that reads memory takes the same
// rights as they do, and nothing is attached to try it.
func (a *app) tryProbes() *kmem.HostError {
	var m *bpfmem.Memory
	var err error
	privilege.With(probing, func() { m, err = bpfmem.Open() })
	if err != nil {
		return noBPF("cannot load a BPF program", "ask explain, check or --watch, which read memory alone", err)
	}
	_ = m.Close()
	return nil
}

// probeNames are the commands that are live probes.
func probeNames() []string {
	var names []string
	for _, c := range commands() {
		if slices.Contains(probeCommands, c.name) {
			names = append(names, c.name)
		}
	}
	return names
}
