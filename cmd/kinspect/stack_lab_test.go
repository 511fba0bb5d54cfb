package main

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kinspect/testdata/lab/results"
)

// frameText is a frame of stack() with its lines: what the symbol table says of it, then the debug information,
// innermost function first.
var frameText = regexp.MustCompile(`^(?:\? )?(\S+)\+0x[0-9a-f]+(?: \[\w+\])?  .* in (\w+)$`)

// TestLabStackLines: the lines of a stack are those of the calls, not of what they return to, so that the outermost
// function of each is the one that the symbol table names.
func TestLabStackLines(t *testing.T) {
	dump, debug := results.Dump(t, "6.12"), results.Debug(t)
	out, _ := child(t, "", "--core", dump, "--vmlinux", filepath.Join(debug, "vmlinux"), "--json",
		"eval", "tasks('all') | filter(!fault(stack(#))) | map(stack(#))")
	var answer struct {
		Value [][]string `json:"value"`
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("%v: %.300s", err, out)
	}
	frames, inlined := 0, 0
	for _, stack := range answer.Value {
		for _, f := range stack {
			m := frameText.FindStringSubmatch(f)
			if m == nil || strings.Contains(m[1], ".part.") {
				continue // a module's, assembly, or a part of a function that gcc has made one with another's
			}
			frames++
			if strings.Contains(f, "inlined into") {
				inlined++
			}
			name, _, _ := strings.Cut(m[1], ".") // of foo.cold
			if m[2] != name {
				t.Errorf("%s is in %s by its lines", f, m[2])
			}
		}
	}
	if frames < 100 || inlined == 0 {
		t.Errorf("%d frames with lines, %d of inlined functions", frames, inlined)
	}
}

// TestLabStackOfCPU: what runs on a CPU is unwound from the registers that a dump has of that, up to where the kernel
// began: an idle task's by QEMU's notes, and by those that a crash has left.
func TestLabStackOfCPU(t *testing.T) {
	for _, name := range []string{"incident.elf", "scenarios.elf", "vmcore.elf", "formats/zlib.kdump", "vmcore-formats/zlib31", "vmcore-formats/raw31"} {
		files, err := filepath.Glob(filepath.Join(results.Dir(t), "*", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			out, _ := child(t, "", "--core", file, "--json", "eval", "[stack(0), tasks('all') | filter(.on_cpu != 0) | map(stack(#))]")
			var answer struct {
				Value []json.RawMessage `json:"value"`
			}
			var idle []string
			var running [][]string
			if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer.Value) != 2 {
				t.Fatalf("%s: %v: %.300s", file, err, out)
			}
			if err := json.Unmarshal(answer.Value[0], &idle); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(answer.Value[1], &running); err != nil {
				t.Fatal(err)
			}
			if len(idle) < 5 || !strings.HasPrefix(idle[len(idle)-1], "common_startup_64+") && !strings.HasPrefix(idle[len(idle)-1], "secondary_startup_64") {
				t.Errorf("%s: the idle task: %q", file, idle)
			}
			for _, stack := range append(running, idle) {
				// What is called again on the way, as a wake-up of an epoll that another one waits for, stands there twice;
				// no guess does, and nothing behind itself.
				seen, last := map[string]int{}, ""
				for _, f := range stack {
					where := strings.TrimPrefix(f, "? ")
					if seen[where]++; where == last || seen[where] > 1 && where != f || seen[where] > 2 {
						t.Errorf("%s: %s again in %q", file, where, stack)
					}
					last = where
				}
			}
		}
	}
}
