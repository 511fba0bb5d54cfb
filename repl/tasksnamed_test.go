package repl

import (
	"fmt"
	"testing"
)

func TestPsArguments(t *testing.T) {
	r := runner{Config: Config{Session: session()}}
	const columns = " | map([.pid, .real_parent.tgid, #, task_state(#), .comm]) | table('PID', 'PPID', 'TASK', 'STATE', 'COMM')"
	for args, want := range map[string]string{
		"":         "tasks('all')" + columns,
		"1":        "[task(1)]" + columns,
		"-k":       "tasks('all') | filter(!.mm)" + columns,
		"1 0x2":    "let found = concat(tasks('all') | filter(.pid in [1, 2])); len(found) == 0 ? 'no task matches: 1 0x2' : found" + columns,
		"nosuch":   "let found = concat(tasks('all') | filter(.comm in ['nosuch'])); len(found) == 0 ? 'no task matches: nosuch' : found" + columns,
		"'a b' 7":  `let found = concat(tasks('all') | filter(.pid in [7] || .comm in ['a b'])); len(found) == 0 ? 'no task matches: \'a b\' 7' : found` + columns,
		"-G sh 'x": `let found = concat(tasks() | filter(.comm in ['sh', 'x'])); len(found) == 0 ? 'no task matches: sh \'x' : found` + columns,
	} {
		list, err := expandPs(&r, args)
		if got := fmt.Sprint(list, err); got != "["+want+"] <nil>" {
			t.Errorf("ps %s is\n%s, want\n%s", args, got, want)
		}
	}
}
