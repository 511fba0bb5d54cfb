package main

import "os"

// resizeSignals are none: a watch needs a live Linux kernel.
var resizeSignals []os.Signal
