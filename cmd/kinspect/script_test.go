package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// childEnv makes the test's binary the program.
const childEnv = "KINSPECT_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		main()
		return
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
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SNAPSHOTS", snapshots)
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exit": wantExit, "mangle": mangle, "extract": extract, "hide": hide, "pack": pack,
		},
	})
}
