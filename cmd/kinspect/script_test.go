package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// childEnv makes the test's binary the program.
const childEnv = "KINSPECT_TEST_CHILD"

// statusEnv names a file in which it leaves what Linux knows of its process in the end. (What the parent
// is told of it has the parent's own memory in it, from before exec.)
const statusEnv = "KINSPECT_TEST_STATUS"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		code := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
		if file := os.Getenv(statusEnv); file != "" {
			status, _ := os.ReadFile("/proc/self/status")
			_ = os.WriteFile(file, status, 0o600)
		}
		os.Exit(code)
	}
	if os.Getenv(watchEnv) != "" {
		os.Exit(playWatch(os.Args[1:]))
	}
	testscript.Main(m, map[string]func(){"kinspect": main})
}

// TestScripts runs the command lines in testdata/script, on the snapshots of real
// kernels. `go test ./cmd/kinspect -update` writes the golden files anew.
func TestScripts(t *testing.T) {
	snapshots, err := filepath.Abs("../../testdata/snapshots")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Abs("../../testdata/scripts")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files:               scripts(t),
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SNAPSHOTS", snapshots)
			env.Setenv("SCRIPTS", examples)
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exit": wantExit, "mangle": mangle, "extract": extract, "hide": hide, "pack": pack,
		},
	})
}

// TestReadmeScripts: the scripts that the README shows are those of testdata/scripts.
func TestReadmeScripts(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../testdata/scripts/*.ki")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var shown strings.Builder
		for line := range strings.Lines(strings.ReplaceAll(string(src), "\t", "    ")) {
			if line != "\n" {
				line = "    " + line
			}
			shown.WriteString(line)
		}
		if !strings.Contains(string(readme), shown.String()) {
			t.Errorf("the README does not show %s as it is", file)
		}
	}
}
