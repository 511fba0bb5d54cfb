package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// scriptChecks are runbooks of testdata/scripts, with what they must say.
var scriptChecks = []commandCheck{
	{at: "incident", args: []string{"bonds.ki"}, exit: 1, stdout: []string{"bond0 rx_dropped 48 of 0"}, stderr: []string{"bond0 dropped 48 frames", "1 of "}},
	{at: "incident", args: []string{"bonds.ki", "48"}, stdout: []string{"bond0 rx_dropped 48 of 48"}},
	{at: "incident", args: []string{"bonds.ki", "many"}, exit: 2, stderr: []string{"bonds.ki:7:"}},
	{at: "incident", args: []string{"softnet.ki"}, stdout: []string{"CPU 0 processed", "dropped 0"}},
	{at: "scenarios", args: []string{"softnet.ki"}, exit: 1, stdout: []string{"CPU 0 processed"}, stderr: []string{"netdev_max_backlog"}},
	{at: "scenarios", args: []string{"softnet.ki", "1000000000", "1000000000"}, stdout: []string{"CPU 1 processed"}},
	{at: "incident", args: []string{"taps.ki"}},
	{at: "scenarios", args: []string{"taps.ki"}, exit: 1, stderr: []string{`tapped0 has taps: ["`, "packet_rcv"}},
}

// checkScripts runs them: from a file on a dump, live through standard input.
func checkScripts(c *subjectContext) error {
	for _, row := range scriptChecks {
		if !contains(strings.Fields(row.at), c.capture) {
			continue
		}
		name, args := row.args[0], row.args[1:]
		file, err := filepath.Abs(filepath.Join("testdata", "scripts", name))
		if err != nil {
			return err
		}
		var a answer
		if c.live() {
			src, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			path := "/tmp/" + name
			if _, err := c.guest.run(fmt.Sprintf("cat >%s <<'END-OF-SCRIPT'\n%s\nEND-OF-SCRIPT", path, src)); err != nil {
				return err
			}
			if a, err = c.ask(append([]string{"run", path}, args...)...); err != nil {
				return err
			}
		} else if a, err = c.ask(append([]string{"run", file}, args...)...); err != nil {
			return err
		}
		if err := a.check(row.exit, row.stdout, row.stderr); err != nil {
			return err
		}
	}
	return nil
}
