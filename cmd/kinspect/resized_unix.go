//go:build !windows

package main

import (
	"os"
	"syscall"
)

// resizeSignals are those after which a terminal may look otherwise: another size, or another program had it.
var resizeSignals = []os.Signal{syscall.SIGWINCH, syscall.SIGCONT}
