// Package snapshots holds snapshots of real kernels on which the bond0 incident
// was played. The lab makes them (see testdata/README.md); tests read them all,
// and the program carries one for its demo.
package snapshots

import _ "embed"

// Incident is the incident on a 6.12 kernel, as the file is.
//
//go:embed incident-6.12.kdump
var Incident []byte
