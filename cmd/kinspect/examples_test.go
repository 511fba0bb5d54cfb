package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kinspect/testdata/kernels"
)

const examples = "../../testdata/examples"

// needExamples makes a program that is not there an error: .ci/run installs them.
const needExamples = "KINSPECT_NEED_EXAMPLES"

// program finds a program that an example is for, or skips the test.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv(needExamples) != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

// installed is a directory with a kinspect that looks at the snapshot of 6.12, and with an example that calls that
// one in place of the one in /usr/local/bin.
func installed(t *testing.T, example string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\n" + childEnv + "=1 exec " + commandLine([]string{self, "--core", kernels.Path(t, "6.12")}) + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "kinspect"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(examples, example))
	if err != nil {
		t.Fatal(err)
	}
	const path = "/usr/local/bin/kinspect"
	if strings.HasSuffix(example, ".timer") == strings.Contains(string(text), path) {
		t.Fatalf("%s: whether it calls %s is not as it was", example, path)
	}
	if err := os.WriteFile(filepath.Join(dir, example), []byte(strings.ReplaceAll(string(text), path, dir+"/kinspect")), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestExampleChecks: the checks can be read, and find what the snapshot is of.
func TestExampleChecks(t *testing.T) {
	out, _ := child(t, "", "--core", kernels.Path(t, "6.12"), "--json", "check", filepath.Join(examples, "site.check"))
	var r struct {
		Checks []struct{ Check, Status string } `json:"checks"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := ""
	for _, c := range r.Checks {
		got += c.Check + " " + c.Status + "\n"
	}
	if got != "uplink fine\nuplink-drops finding\nlldp finding\n" {
		t.Errorf("%s", got)
	}
}

// TestExampleAlerts: each metric that an alert asks for is one that check prints.
func TestExampleAlerts(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(examples, "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	out, _ := child(t, "", "--core", kernels.Path(t, "6.12"), "check", "--metrics", "bond-drops")
	names := regexp.MustCompile(`kinspect_check_\w+`).FindAllString(string(text), -1)
	if len(names) < 4 {
		t.Errorf("%d metrics", len(names))
	}
	for _, name := range names {
		if !strings.Contains(out, "\n"+name+"{") && !strings.Contains(out, "\n"+name+" ") {
			t.Errorf("there is no metric %s", name)
		}
	}
}

// TestExampleUnits: systemd finds nothing wrong with the service and its timer.
func TestExampleUnits(t *testing.T) {
	verify := program(t, "systemd-analyze")
	service, timer := installed(t, "kinspect-check.service"), installed(t, "kinspect-check.timer")
	if err := os.Rename(filepath.Join(timer, "kinspect-check.timer"), filepath.Join(service, "kinspect-check.timer")); err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{"kinspect-check.service", "kinspect-check.timer"} {
		out, err := exec.Command(verify, "verify", filepath.Join(service, unit)).CombinedOutput()
		if err != nil || strings.Contains(string(out), "kinspect") {
			t.Errorf("%s: %v: %s", unit, err, out)
		}
	}
}

// TestExamplePlaybook: Ansible takes the playbook, and played on this machine it tells a finding from what is fine and
// from what could not be answered.
func TestExamplePlaybook(t *testing.T) {
	skipToPlain(t)
	ansible := program(t, "ansible-playbook")
	dir := installed(t, "check.yml")
	play := func(args ...string) (string, error) {
		cmd := exec.Command(ansible, append([]string{"-i", "localhost,", "-c", "local", "-e", "ansible_become=false", "check.yml"}, args...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir, "LC_ALL=C.UTF-8", "ANSIBLE_NOCOLOR=1", "ANSIBLE_LOCALHOST_WARNING=false")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := play("--syntax-check"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, c := range []struct {
		checks string
		fine   bool
		says   []string
	}{
		{"[bond-slaves, handlers]", true, []string{"2 checks are fine"}},
		{"[bond-drops, handlers]", false, []string{"bond-drops: bonds dropped no frames?", "48 unhandled-protocol"}},
		{"[kernel-log]", false, []string{"kernel-log could not be answered: kernel-log.check:"}},
		{"[nonesuch]", false, []string{"no check", "nonesuch"}},
	} {
		out, err := play("-e", `{"kinspect_checks": `+c.checks+`}`)
		if (err == nil) != c.fine {
			t.Errorf("%s: %v: %s", c.checks, err, out)
		}
		for _, want := range c.says {
			if !strings.Contains(out, want) {
				t.Errorf("%s: it does not say %q: %s", c.checks, want, out)
			}
		}
	}
}
