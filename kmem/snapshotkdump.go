package kmem

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"

	"kinspect/kmem/kdump"
)

// A snapshot in the kdump-compressed format holds physical pages, so that other tools can open
// it: those that its command read, and the page tables that lead to them. What the format cannot
// say is in notes:
//
//   - noteSnapshot holds a SnapshotInfo, noteSymbols the symbols' text, as in an ELF snapshot.
//   - noteMap says which bytes are known, by virtual address, and where each is: pages are known
//     in part where the rest could not be read or was redacted, and the file has zeros there. Our
//     own reader goes by it alone, and so finds what the command saw, and not a byte more.
//   - noteStray holds pages that have no place among the physical ones. Of two virtual
//     addresses of one physical page, read from a live kernel one after the other, the one read
//     at the higher address is kept here where it differs. So is a page that no page table maps any more, and
//     all memory of a source that has no physical addresses. The note is a kdump file itself.
//   - noteStream holds ranges in one piece: see snapshotstream.go.
//   - noteSums holds checksums: see snapshotsums.go.
const (
	noteMap   = "KINSPECT_MAP"
	noteStray = "KINSPECT_STRAY"

	// strayPlace marks a place in the note of stray pages, as opposed to a physical address.
	strayPlace = 1 << 63
)

// writeKdump writes a snapshot in the kdump-compressed format to w, which is empty. The same
// content gives the same bytes.
func (s *SnapshotContent) writeKdump(w io.WriteSeeker, pack kdump.Packer) error {
	if s.Symbols != nil {
		s.Memory.addForPeers(s.Symbols)
	}
	l := layOut(s.Memory, newTableWalk(s.Image), streamSpans(s.Streams))
	if n := len(l.stray); n > 0 {
		s.Remark = fmt.Sprintf("%d pages of it have no physical address of their own: kinspect reads them, crash and drgn do not find them", n)
	}
	notes, err := s.kdumpNotes(l)
	if err != nil {
		return err
	}
	file := &kdump.File{
		Pack:       pack,
		UTS:        s.uts(),
		VMCoreInfo: s.VMCoreInfo.Raw(),
		Notes:      notes,
		Pages:      slices.Collect(maps.Keys(l.pages)),
		OnlyPages:  true,
		Read: func(page uint64, buf []byte) error {
			copy(buf, l.pages[page].data[:])
			return nil
		},
	}
	if base, ok := s.VMCoreInfo.Number("phys_base"); ok {
		file.PhysBase = uint64(base)
	} else if s.Image != nil && s.Image.content.PhysBase != nil {
		file.PhysBase = *s.Image.content.PhysBase
	}
	_, err = file.Write(w)
	return err
}

// uts is what the file's header says of the kernel. It leaves out the host's name. libkdumpfile
// wants a version.
func (s *SnapshotContent) uts() [6]string {
	version := ""
	if s.Symbols != nil {
		version = kernelVersion(kernelBanner(s.Memory, s.Symbols))
	}
	return [6]string{"Linux", "", s.Info.Release, cmp.Or(version, "unknown"), "x86_64", ""}
}

// kdumpNotes makes the notes: those of an ELF snapshot, and where the memory is.
func (s *SnapshotContent) kdumpNotes(l *physLayout) ([]kdump.Note, error) {
	version := snapshotVersionKdump
	if len(l.stream) > 0 {
		version = snapshotVersionStream
	}
	own, err := s.ownNotes(version)
	if err != nil {
		return nil, err
	}
	var notes []kdump.Note
	for _, n := range own {
		notes = append(notes, kdump.Note{Name: n.name, Type: noteType, Desc: n.data})
	}
	enc, err := newZstdWriter(nil)
	if err != nil {
		return nil, err
	}
	spans := l.tableSpans()
	if n := max(len(l.ranges), len(spans)); n > maxSavedRanges {
		return nil, fmt.Errorf("snapshot: %d separate ranges of memory, more than %d", n, maxSavedRanges)
	}
	text := encodeSavedMap(l.ranges, spans)
	notes = append(notes, kdump.Note{Name: noteMap, Type: noteType, Desc: enc.EncodeAll(text, nil)})
	if len(l.stray) > 0 {
		var buf memoryFile
		file := &kdump.File{Read: func(page uint64, b []byte) error {
			copy(b, l.stray[page].data[:])
			return nil
		}}
		for i := range l.stray {
			file.Pages = append(file.Pages, uint64(i))
		}
		if _, err := file.Write(&buf); err != nil {
			return nil, err
		}
		notes = append(notes, kdump.Note{Name: noteStray, Type: noteType, Desc: buf.b})
	}
	if len(l.stream) > 0 {
		notes = append(notes, kdump.Note{Name: noteStream, Type: noteType, Desc: enc.EncodeAll(l.stream, nil)})
	}
	of := map[string][]byte{"VMCOREINFO": s.VMCoreInfo.Raw()}
	for _, n := range notes {
		of[n.Name] = n.Desc
	}
	return append(notes, kdump.Note{Name: noteSums, Type: noteType, Desc: enc.EncodeAll(l.sums(version, of), nil)}), nil
}
