//go:build !unix

package main

import "os"

// maxRSS is not known.
func maxRSS(*os.ProcessState) int64 { return 0 }
