package main

import (
	"strings"

	"kinspect/expr/doctor"
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
		r = doctor.Examine(t.stack)
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
