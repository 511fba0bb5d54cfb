package kmem

import (
	"cmp"
	"encoding/binary"
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

// physPage is a physical page of the file in the making.
type physPage struct {
	data  [PageSize]byte
	known askedBytes
}

// put adds bytes that must not contradict those that are known.
func (p *physPage) put(from int, b []byte) bool {
	if p.known != (askedBytes{}) {
		for i, c := range b {
			if at := from + i; p.known.has(at) && p.data[at] != c {
				return false
			}
		}
	}
	copy(p.data[from:], b)
	p.known.add(from, from+len(b))
	return true
}

// fill adds bytes where none are known.
func (p *physPage) fill(from int, b []byte) {
	for i, c := range b {
		if at := from + i; !p.known.has(at) {
			p.data[at] = c
			p.known.add(at, at+1)
		}
	}
}

func (a *askedBytes) has(at int) bool { return a[at/64]>>(at%64)&1 != 0 }

// physLayout is the physical side of a snapshot in the making.
type physLayout struct {
	pages  map[uint64]*physPage // by page number
	stray  []*physPage
	stream []byte
	ranges []savedRange
}

// layOut finds a place for all that the recorder holds: streams are ranges that go into the stream.
func layOut(rec *Recorder, tables *tableWalk, streams []span) *physLayout {
	l := &physLayout{pages: make(map[uint64]*physPage)}
	strayOf := map[Addr]uint64{} // virtual page to place
	for _, r := range rec.ranges() {
		addr := r.addr
		for _, b := range r.data {
			for len(b) > 0 {
				page := addr.Page()
				from := int(addr - page)
				n := min(len(b), PageSize-from)
				k, inStream := cutSpan(streams, uint64(addr), n)
				if n = k; inStream {
					l.add(addr, streamPlace|uint64(len(l.stream)), n)
					l.stream = append(l.stream, b[:n]...)
				} else {
					l.add(addr, l.place(page, from, b[:n], tables, strayOf)+uint64(from), n)
				}
				b, addr = b[n:], addr.Add(int64(n))
			}
		}
	}
	tables.each(rec.exact, func(page uint64, from int, b []byte) {
		p := l.pages[page]
		if p == nil {
			p = new(physPage)
			l.pages[page] = p
		}
		p.fill(from, b)
	})
	return l
}

// place keeps the bytes of a virtual page and returns where the page is.
func (l *physLayout) place(page Addr, from int, b []byte, tables *tableWalk, strayOf map[Addr]uint64) uint64 {
	at, isStray := strayOf[page]
	if phys, ok := tables.translate(page); ok && !isStray {
		p := l.pages[phys/PageSize]
		if p == nil {
			p = new(physPage)
			l.pages[phys/PageSize] = p
		}
		if p.put(from, b) {
			return phys
		}
	}
	if !isStray {
		at = strayPlace | uint64(len(l.stray))*PageSize
		strayOf[page] = at
		l.stray = append(l.stray, new(physPage))
	}
	l.stray[at&^strayPlace/PageSize].put(from, b)
	return at
}

// add notes where n bytes at addr are.
func (l *physLayout) add(addr Addr, place uint64, n int) {
	start, last := uint64(addr), uint64(addr)+uint64(n-1)
	if k := len(l.ranges); k > 0 {
		if r := &l.ranges[k-1]; r.last+1 == start && r.place+(r.last-r.start)+1 == place {
			r.last = last
			return
		}
	}
	l.ranges = append(l.ranges, savedRange{start: start, last: last, place: place})
}

// tableWalk translates the addresses of a snapshot in the making, and keeps the page tables
// that it goes through: each is read once.
type tableWalk struct {
	img    *Image
	tables *pageTables // nil: there are none
	pages  map[uint64]*tablePage
}

// tablePage is a page table. What is known of it are the entries that were used.
type tablePage struct {
	physPage
	whole bool // data has all of it
}

func newTableWalk(img *Image) *tableWalk {
	w := &tableWalk{img: img, pages: make(map[uint64]*tablePage)}
	if img == nil {
		return w
	}
	if img.tables != nil {
		w.tables = &pageTables{phys: w.read, root: img.tables.root, physMask: img.tables.physMask, levels: img.tables.levels}
	} else if t, err := newPageTables(img.info, img.content.PhysBase, w.read); err == nil {
		w.tables = t // of a live kernel, or of a snapshot
	}
	return w
}

// read reads an entry of a table.
func (w *tableWalk) read(addr uint64, buf []byte) error {
	page, from := addr/PageSize, int(addr%PageSize)
	p := w.pages[page]
	if p == nil {
		p = new(tablePage)
		p.whole = w.img.readPhys(page*PageSize, p.data[:]) == nil
	}
	if !p.whole { // a redacted snapshot has entries alone
		if err := w.img.readPhys(addr, buf); err != nil {
			return err
		}
		copy(p.data[from:], buf)
	}
	w.pages[page] = p
	p.known.add(from, from+copy(buf, p.data[from:]))
	return nil
}

// translate returns the physical address of a virtual page: by the page tables, which other
// readers go by, else by what the file's headers say.
func (w *tableWalk) translate(page Addr) (uint64, bool) {
	if w.tables != nil {
		if phys, _, err := w.tables.translate(uint64(page)); err == nil {
			return phys, phys < strayPlace
		}
	}
	if w.img == nil {
		return 0, false
	}
	phys, err := w.img.Translate(page)
	return uint64(phys), err == nil && phys < strayPlace && phys%PageSize == 0
}

// each calls f for what is kept of the tables: each whole, or only the entries that were used.
func (w *tableWalk) each(usedOnly bool, f func(page uint64, from int, b []byte)) {
	for _, page := range slices.Sorted(maps.Keys(w.pages)) {
		p := w.pages[page]
		if p.whole && !usedOnly {
			f(page, 0, p.data[:])
			continue
		}
		for _, q := range p.known.parts() {
			f(page, q.from, p.data[q.from:q.to])
		}
	}
}

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

// tableSpans are the physical ranges that are known and that no virtual range leads to.
func (l *physLayout) tableSpans() []span {
	var used []span
	for _, r := range l.ranges {
		if r.place < strayPlace {
			used = append(used, span{r.place, r.place + (r.last - r.start)})
		}
	}
	used = joinSpans(used)
	var out []span
	for _, page := range slices.Sorted(maps.Keys(l.pages)) {
		for _, q := range l.pages[page].known.parts() {
			out = append(out, span{page*PageSize + uint64(q.from), page*PageSize + uint64(q.to) - 1})
		}
	}
	return subtractSpans(joinSpans(out), used)
}

// memoryFile is a file in memory, as [kdump.File.Write] wants one.
type memoryFile struct {
	b  []byte
	at int64
}

func (m *memoryFile) Write(p []byte) (int, error) {
	if need := m.at + int64(len(p)); need > int64(len(m.b)) {
		m.b = append(m.b, make([]byte, need-int64(len(m.b)))...) // zeros, where it was sought
	}
	n := copy(m.b[m.at:], p)
	m.at += int64(n)
	return n, nil
}

func (m *memoryFile) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += m.at
	case io.SeekEnd:
		off += int64(len(m.b))
	}
	if off < 0 {
		return m.at, fmt.Errorf("seek to %d", off)
	}
	m.at = off
	return off, nil
}

// span is a range of addresses, the last inclusive.
type span struct{ first, last uint64 }

// joinSpans sorts spans and joins those that touch.
func joinSpans(s []span) []span {
	slices.SortFunc(s, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	var out []span
	for _, r := range s {
		if n := len(out); n > 0 && (r.first <= out[n-1].last || r.first-1 == out[n-1].last) {
			out[n-1].last = max(out[n-1].last, r.last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// subtractSpans returns what of a is not in b. Both are sorted and disjoint.
func subtractSpans(a, b []span) []span {
	var out []span
	for _, r := range a {
		for len(b) > 0 && b[0].last < r.first {
			b = b[1:]
		}
		done := false
		for _, cut := range b {
			if cut.first > r.last {
				break
			}
			if cut.first > r.first {
				out = append(out, span{r.first, cut.first - 1})
			}
			if cut.last >= r.last {
				done = true
				break
			}
			r.first = cut.last + 1
		}
		if !done {
			out = append(out, r)
		}
	}
	return out
}

// encodeSavedMap writes ranges, by address, and spans as varints: how many, and of each the
// distance to the one before, its length less 1, and where it is relative to the end of the one before.
func encodeSavedMap(ranges []savedRange, spans []span) []byte {
	b := binary.AppendUvarint(nil, uint64(len(ranges)))
	next, place := uint64(0), uint64(0)
	for _, r := range ranges {
		b = binary.AppendUvarint(b, r.start-next)
		b = binary.AppendUvarint(b, r.last-r.start)
		b = binary.AppendVarint(b, int64(r.place-place))
		next, place = r.last+1, r.place+(r.last-r.start)+1
	}
	b = binary.AppendUvarint(b, uint64(len(spans)))
	next = 0
	for _, s := range spans {
		b = binary.AppendUvarint(b, s.first-next)
		b = binary.AppendUvarint(b, s.last-s.first)
		next = s.last + 1
	}
	return b
}
