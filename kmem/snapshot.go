package kmem

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A snapshot is an ELF core file with the pages that a command read as PT_LOADs of
// virtual addresses (p_paddr unknown), the kernel's VMCOREINFO note, and two
// notes of ours: noteSnapshot with a SnapshotInfo in JSON, and, where VMCOREINFO
// does not lead to the kernel's own symbol table, noteSymbols with the text of
// /proc/kallsyms, compressed with zstd.
const (
	noteSnapshot = "KINSPECT"
	noteSymbols  = "KINSPECT_SYMS"

	// SnapshotVersion is the version of SnapshotInfo that this package writes. It
	// reads all versions up to it.
	SnapshotVersion = 1

	// maxSnapshotInfo and maxSymbolText bound the notes, in bytes, the latter unpacked.
	maxSnapshotInfo = 16 << 20
	maxSymbolText   = 256 << 20
)

// SnapshotInfo tells how a snapshot was made.
type SnapshotInfo struct {
	Version int       `json:"version"`
	Command []string  `json:"command"` // what was run, without the program's name
	Taken   time.Time `json:"taken"`
	Source  string    `json:"source"`  // the file that was read
	Release string    `json:"release"` // of the kernel
	// DefaultNetNS is the inode number of the network namespace that the command
	// ran in; 0 where it is unknown.
	DefaultNetNS uint64 `json:"default_netns,omitempty"`
	// Facts are what the command learned from the host and not from memory, by
	// names that its packages choose.
	Facts map[string]json.RawMessage `json:"facts,omitempty"`
}

// commandLine is the command, fit for a message.
func (s *SnapshotInfo) commandLine() string {
	if len(s.Command) == 0 {
		return "no command is known"
	}
	return fmt.Sprintf("%q", strings.Join(s.Command, " "))
}

// readSnapshotInfo sets img.snapshot where the file is one.
func (img *Image) readSnapshotInfo() error {
	n := img.core.note(noteSnapshot)
	if n == nil || img.live {
		return nil
	}
	raw, err := img.noteBytes(n, maxSnapshotInfo)
	if err != nil {
		return err
	}
	var info SnapshotInfo
	if err := json.Unmarshal(raw, &info); err != nil {
		return &FormatError{Source: img.source, Off: n.off, What: "damaged snapshot: " + err.Error()}
	}
	if info.Version > SnapshotVersion {
		return &FormatError{Source: img.source, Off: n.off, What: fmt.Sprintf("a snapshot of version %d: this kinspect reads up to %d, a newer one is needed", info.Version, SnapshotVersion)}
	}
	img.snapshot = &info
	return nil
}
