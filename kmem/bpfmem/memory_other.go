//go:build !linux

package bpfmem

import (
	"errors"

	"kinspect/kmem"
)

// Memory is the running kernel's memory, which only Linux gives.
type Memory struct{ kmem.RunningMemory }

// Open fails.
func Open() (*Memory, error) { return nil, errors.New("this system is not Linux: it has no BPF") }

// Try is not reached: there is no Memory.
func (*Memory) Try() error { return errors.New("this system is not Linux: it has no BPF") }
