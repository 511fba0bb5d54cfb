package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestNothingAtStart: package rlimit makes a BPF map when a program that has it starts, whatever that is asked. kinspect
// asks the kernel for BPF only where a probe is wanted.
func TestNothingAtStart(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Skip("no go command: ", err)
	}
	for pkg := range strings.Lines(string(out)) {
		if strings.TrimSpace(pkg) == "github.com/cilium/ebpf/rlimit" {
			t.Error("github.com/cilium/ebpf/rlimit is part of kinspect")
		}
	}
}
