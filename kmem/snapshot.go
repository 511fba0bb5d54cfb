package kmem

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A snapshot is a kdump-compressed dump (see snapshotkdump.go), or an ELF core file with the
// ranges of memory that a command read as PT_LOADs of virtual addresses (p_paddr
// unknown). Either has the kernel's VMCOREINFO note, and notes of ours: noteSnapshot with a
// SnapshotInfo in JSON, and, where the memory in the file does not have the kernel's own symbol
// table, noteSymbols with the text of /proc/kallsyms, compressed with zstd: a third of the size.
const (
	noteSnapshot = "KINSPECT"
	noteSymbols  = "KINSPECT_SYMS"
	// noteType is theirs: a number that no reader of cores takes for one of its own.
	noteType = 0x4b494e53

	// The versions of SnapshotInfo that this package writes; it reads all up to the
	// last. What version 1 says of an ELF core is still all there is to say.
	snapshotVersionELF    = 1
	snapshotVersionKdump  = 2
	snapshotVersionStream = 3 // kdump, with a noteStream
	snapshotVersion       = snapshotVersionStream

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
	// Redacted: of the pages that the command read only the bytes that it asked for
	// are in the snapshot.
	Redacted bool `json:"redacted,omitempty"`
	// DefaultNetNS is the inode number of the network namespace that the command
	// ran in; 0 where it is unknown.
	DefaultNetNS uint64 `json:"default_netns,omitempty"`
	// Facts are what the command learned from the host and not from memory, by
	// names that its packages choose.
	Facts map[string]json.RawMessage `json:"facts,omitempty"`
	// Faults are the reads that failed when the snapshot was made, by address:
	// they fail in the same way on it. WriteSnapshot takes them from the recorder.
	Faults []Fault `json:"faults,omitempty"`
}

// commandLine is the command, fit for a message.
func (s *SnapshotInfo) commandLine() string {
	if len(s.Command) == 0 {
		return "no command is known"
	}
	const longest = 200
	line := strings.Join(s.Command, " ")
	if len(line) > longest {
		line = line[:longest] + "…"
	}
	return strconv.Quote(line)
}

// recorded is the fault that a read at addr met when the snapshot was made, or nil.
func (s *SnapshotInfo) recorded(addr uint64) *Fault {
	i, ok := slices.BinarySearchFunc(s.Faults, addr, func(f Fault, addr uint64) int { return cmp.Compare(f.Addr, addr) })
	if !ok {
		return nil
	}
	f := s.Faults[i]
	return &f
}

// missing is the fault of what the snapshot does not hold. redacted: it holds other bytes of that page.
func (s *SnapshotInfo) missing(addr uint64, redacted bool) *Fault {
	f := &Fault{Addr: addr, Len: 1, Reason: Filtered, Detail: "a snapshot holds only what its command read: " + s.commandLine()}
	if redacted {
		f.Reason, f.Detail = Redacted, "when the snapshot was made: "+s.commandLine()+" did not ask for it"
	}
	return f
}

// snapshotFault answers for an address that a snapshot does not hold.
func (img *Image) snapshotFault(addr uint64) *Fault {
	if f := img.snapshot.recorded(addr); f != nil {
		return f
	}
	redacted := false
	if img.snapshot.Redacted {
		page := uint64(Addr(addr).Page())
		if img.saved != nil {
			redacted = img.saved.touches(page)
		} else {
			redacted = img.virt.Segments.Touches(page, page+(PageSize-1))
		}
	}
	return img.snapshot.missing(addr, redacted)
}

// readSnapshotInfo sets img.snapshot where the file is one.
func (img *Image) readSnapshotInfo() error {
	if img.live {
		return nil
	}
	n := img.content.Note(noteSnapshot)
	if n == nil {
		for i := range img.content.Notes {
			// Without it nobody would know that some of the memory is not.
			if n := &img.content.Notes[i]; n.Type == noteType {
				return img.content.File.Errorf(n.Off, "damaged snapshot: its note of what was run is missing")
			}
		}
		return nil
	}
	raw, err := img.content.File.ReadNote(n, maxSnapshotInfo)
	if err != nil {
		return err
	}
	var info SnapshotInfo
	if err := json.Unmarshal(raw, &info); err != nil {
		return &FormatError{Source: img.source, Off: n.Off, What: "damaged snapshot: its note of what was run, when and on which kernel cannot be read"}
	}
	if info.Version > snapshotVersion {
		return &FormatError{Source: img.source, Off: n.Off, What: fmt.Sprintf("a snapshot of version %d: this kinspect reads up to %d, a newer one is needed", info.Version, snapshotVersion)}
	}
	for i := range info.Faults {
		f := &info.Faults[i]
		f.Physical = false
		f.Detail = strings.Map(func(r rune) rune { // a terminal will see it
			if !strconv.IsPrint(r) {
				return '?'
			}
			return r
		}, f.Detail)
	}
	slices.SortFunc(info.Faults, func(a, b Fault) int { return cmp.Compare(a.Addr, b.Addr) })
	img.snapshot = &info
	return nil
}
