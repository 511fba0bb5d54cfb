package kmem

import (
	"bytes"
	"io"
	"iter"

	"kinspect/kmem/dump"
	"kinspect/kmem/kdump"
	"kinspect/kmem/packed"
)

// savedMemory is the memory of a snapshot in the kdump-compressed format: see snapshotkdump.go.
// Bytes of its pages that the snapshot's map does not name are not known, whatever the file
// has there.
type savedMemory struct {
	*savedMap
	img   *Image
	pages dump.Memory // of the file
	stray dump.Memory // nil: there are none
	savedStream
}

// readSavedMap sets img.saved, and hides the pages of the file behind it.
func (img *Image) readSavedMap() error {
	n := img.content.Note(noteMap)
	if n == nil {
		return img.content.File.Errorf(0, "damaged snapshot: its note of what it holds is missing")
	}
	raw, err := img.content.File.ReadNote(n, maxSavedMap)
	if err != nil {
		return err
	}
	s := &savedMemory{img: img, pages: img.phys}
	size, err := s.openStray()
	if err != nil {
		return err
	}
	text, err := packed.Zstd(bytes.NewReader(raw), int64(len(raw)), maxSavedMap)
	if err == nil {
		s.openStream()
		s.savedMap, err = parseSavedMap(text, size, s.streamSize)
	}
	if err != nil {
		return img.content.File.Errorf(n.Off, "damaged snapshot: its note of what it holds: %v", err)
	}
	if err := s.check(); err != nil {
		return err
	}
	img.saved, img.phys = s, s
	return nil
}

// openStray opens the dump within the dump and returns its size in memory.
func (s *savedMemory) openStray() (uint64, error) {
	file := s.img.content.File
	n := s.img.content.Note(noteStray)
	if n == nil {
		return 0, nil
	}
	section := io.NewSectionReader(file.ReaderAt(), int64(n.Off), int64(n.Size))
	content, err := kdump.Format.Open([]*dump.File{dump.NewFile(section, section.Size(), file.Name+": its note of stray pages", file.Cached())})
	if err != nil {
		return 0, err
	}
	s.stray = content.Memory
	size := uint64(0)
	for at, n := range s.stray.Ranges() {
		size = max(size, uint64(at)+n)
	}
	return size, nil
}

// read fills a leading part of buf, which is not empty, and returns its length.
func (s *savedMemory) read(addr uint64, buf []byte) (int, error) {
	r := s.find(addr)
	if r == nil {
		return 0, resized(s.img.snapshotFault(addr), len(buf))
	}
	n := int(min(uint64(len(buf)-1), r.last-addr)) + 1
	from, place := s.pages, r.place+(addr-r.start)
	switch {
	case place >= streamPlace:
		return s.readStream(addr, place-streamPlace, buf, n)
	case place >= strayPlace:
		from, place = s.stray, place-strayPlace
	}
	err := from.ReadPhys(PhysAddr(place), buf[:n])
	if f := AsFault(err); f != nil {
		done := f.Addr - place
		return 0, &Fault{Addr: addr + done, Len: uint64(len(buf)) - done, Reason: f.Reason, Detail: f.Detail}
	}
	return n, err
}

// translate returns the place of an address in physical memory.
func (s *savedMemory) translate(addr uint64) (uint64, error) {
	r := s.find(addr)
	if r == nil {
		return 0, s.img.snapshotFault(addr)
	}
	if r.place >= strayPlace {
		return 0, &Fault{Addr: addr, Len: 1, Reason: Unmapped, Detail: "the snapshot holds it by its virtual address alone"}
	}
	return r.place + (addr - r.start), nil
}

// ReadPhys implements [dump.Memory] for what is known.
func (s *savedMemory) ReadPhys(phys PhysAddr, buf []byte) error {
	for addr := uint64(phys); len(buf) > 0; {
		n := int(min(s.known(addr), uint64(len(buf))))
		if n == 0 {
			f := s.img.snapshot.missing(addr, s.img.snapshot.Redacted && s.touchesPhys(addr&^(PageSize-1)))
			f.Physical, f.Len = true, uint64(len(buf))
			return f
		}
		if err := s.pages.ReadPhys(PhysAddr(addr), buf[:n]); err != nil {
			return err
		}
		buf, addr = buf[n:], addr+uint64(n)
	}
	return nil
}

// Ranges implements [dump.Memory].
func (s *savedMemory) Ranges() iter.Seq2[PhysAddr, uint64] {
	return func(yield func(PhysAddr, uint64) bool) {
		for _, r := range s.spans {
			if !yield(PhysAddr(r.first), r.last-r.first+1) {
				return
			}
		}
	}
}
