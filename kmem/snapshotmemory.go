package kmem

import (
	"bytes"
	"io"
	"iter"
)

// savedMemory is the memory of a snapshot in the kdump-compressed format: see snapshotkdump.go.
// Bytes of its pages that the snapshot's map does not name are not known, whatever the file
// has there.
type savedMemory struct {
	*savedMap
	img   *Image
	phys  physMemory // the file's pages
	stray physMemory // nil: there are none
}

// readSavedMap sets img.saved, and hides the pages of the file behind it.
func (img *Image) readSavedMap() error {
	n := img.core.note(noteMap)
	if n == nil {
		return &FormatError{Source: img.source, What: "damaged snapshot: its note of what it holds is missing"}
	}
	raw, err := img.noteBytes(n, maxSavedMap)
	if err != nil {
		return err
	}
	damaged := func(err error) error {
		return &FormatError{Source: img.source, Off: n.off, What: "damaged snapshot: its note of what it holds: " + err.Error()}
	}
	text, err := unpackZstd(bytes.NewReader(raw), int64(len(raw)), maxSavedMap)
	if err != nil {
		return damaged(err)
	}
	s := &savedMemory{img: img, phys: img.phys}
	size, err := s.openStray()
	if err != nil {
		return err
	}
	if s.savedMap, err = parseSavedMap(text, size); err != nil {
		return damaged(err)
	}
	img.saved, img.phys = s, s
	return nil
}

// openStray opens the dump within the dump and returns its size in memory.
func (s *savedMemory) openStray() (uint64, error) {
	n := s.img.core.note(noteStray)
	if n == nil {
		return 0, nil
	}
	name := s.img.source + ": its note of other pages"
	f := newCoreFile(io.NewSectionReader(s.img.file.r, int64(n.off), int64(n.size)), int64(n.size), s.img.file.cache != nil)
	h, err := parseKdumpHeader(f, name)
	if err != nil {
		return 0, err
	}
	m, err := newKdumpMemory([]kdumpFile{{f: f, name: name, head: h}})
	if err != nil {
		return 0, err
	}
	s.stray = m
	return m.bitmap.pages * PageSize, nil
}

// read fills a leading part of buf, which is not empty, and returns its length.
func (s *savedMemory) read(addr uint64, buf []byte) (int, error) {
	r := s.find(addr)
	if r == nil {
		return 0, resized(s.unknown(addr), len(buf))
	}
	n := int(min(uint64(len(buf)-1), r.last-addr)) + 1
	from, place := s.phys, r.place+(addr-r.start)
	if place >= strayPlace {
		from, place = s.stray, place-strayPlace
	}
	err := from.readPhys(place, buf[:n])
	if f := AsFault(err); f != nil {
		done := f.Addr - place
		return 0, &Fault{Addr: addr + done, Len: uint64(len(buf)) - done, Reason: f.Reason, Detail: f.Detail}
	}
	return n, err
}

// unknown answers for an address that the snapshot does not hold.
func (s *savedMemory) unknown(addr uint64) *Fault {
	f := s.img.snapshot.fault(addr)
	if f.Reason == Filtered && s.img.snapshot.Redacted && s.touches(addr) {
		f.Detail = redacted
	}
	return f
}

const redacted = "redacted when the snapshot was made"

// translate returns the place of an address in physical memory.
func (s *savedMemory) translate(addr uint64) (uint64, error) {
	r := s.find(addr)
	if r == nil {
		return 0, s.unknown(addr)
	}
	if r.place >= strayPlace {
		return 0, &Fault{Addr: addr, Len: 1, Reason: Unmapped, Detail: "the snapshot holds it by its virtual address alone"}
	}
	return r.place + (addr - r.start), nil
}

// readPhys implements physMemory for what is known.
func (s *savedMemory) readPhys(addr uint64, buf []byte) error {
	for len(buf) > 0 {
		n := int(min(s.known(addr), uint64(len(buf))))
		if n == 0 {
			f := &Fault{Addr: addr, Physical: true, Len: uint64(len(buf)), Reason: Filtered, Detail: "a snapshot holds only what its command read: " + s.img.snapshot.commandLine()}
			if s.img.snapshot.Redacted && s.touchesPhys(addr) {
				f.Detail = redacted
			}
			return f
		}
		if err := s.phys.readPhys(addr, buf[:n]); err != nil {
			return err
		}
		buf, addr = buf[n:], addr+uint64(n)
	}
	return nil
}

// ranges implements physMemory.
func (s *savedMemory) ranges() iter.Seq2[PhysAddr, uint64] {
	return func(yield func(PhysAddr, uint64) bool) {
		for _, r := range s.spans {
			if !yield(PhysAddr(r.first), r.last-r.first+1) {
				return
			}
		}
	}
}
