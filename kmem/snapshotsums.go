package kmem

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"slices"
	"sort"
	"sync/atomic"

	"kinspect/kmem/dump"
	"kinspect/kmem/packed"
)

// A snapshot in the kdump-compressed format has a note of checksums, CRC-32C each, compressed with
// zstd: of the notes that sumNotes tells, of each page in the order of the file, and of each stray page.
// Compressed pages have checksums of their own, but a page that does not compress has none, and neither
// have the bitmap and the descriptors, which say what page it is. A snapshot without the note is read as it is.
const (
	noteSums = "KINSPECT_SUMS"
	// maxSums bounds the note, in bytes when unpacked: all that a recorder holds, and as much again of page tables.
	maxSums = 2 * 4 * maxRecorded / PageSize
)

// sumNotes are the notes that have a checksum, in a snapshot of a version. One that is missing counts as empty.
func sumNotes(version int) []string {
	notes := []string{"VMCOREINFO", noteSnapshot, noteMap, noteSymbols}
	if version >= snapshotVersionStream {
		notes = append(notes, noteStream)
	}
	return notes
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// sums makes the checksums of the pages and of notes, by their names.
func (l *physLayout) sums(version int, notes map[string][]byte) []byte {
	var b []byte
	add := func(data []byte) { b = binary.LittleEndian.AppendUint32(b, sum(data)) }
	for _, name := range sumNotes(version) {
		add(notes[name])
	}
	for _, page := range slices.Sorted(maps.Keys(l.pages)) {
		add(l.pages[page].data[:])
	}
	for _, p := range l.stray {
		add(p.data[:])
	}
	return b
}

// check compares the notes with their checksums, and has each page compared when it is read.
func (s *savedMemory) check() error {
	file := s.img.content.File
	n := s.img.content.Note(noteSums)
	if n == nil {
		return nil
	}
	raw, err := file.ReadNote(n, maxSums)
	if err != nil {
		return err
	}
	text, err := packed.Zstd(bytes.NewReader(raw), int64(len(raw)), maxSums)
	if err != nil {
		return file.Errorf(n.Off, "damaged snapshot: its checksums: %v", err)
	}
	sums := make([]uint32, len(text)/4)
	for i := range sums {
		sums[i] = binary.LittleEndian.Uint32(text[4*i:])
	}
	names := sumNotes(s.img.snapshot.Version)
	for i, name := range names {
		var data []byte
		if n := s.img.content.Note(name); n != nil {
			if data, err = file.ReadNote(n, maxSymbolText); err != nil {
				return err
			}
		}
		if i >= len(sums) || sums[i] != sum(data) {
			return file.Errorf(n.Off, "damaged snapshot: its note %s does not have the checksum that was written down", name)
		}
	}
	sums = sums[len(names):]
	pages, left := newCheckedMemory(s.pages, sums)
	if pages == nil {
		return file.Errorf(n.Off, "damaged snapshot: it has more pages than checksums")
	}
	s.pages, sums = pages, left
	if s.stray != nil {
		if pages, left = newCheckedMemory(s.stray, sums); pages == nil {
			return file.Errorf(n.Off, "damaged snapshot: it has more pages than checksums")
		}
		s.stray, sums = pages, left
	}
	if len(sums) > 0 {
		return file.Errorf(n.Off, "damaged snapshot: it has fewer pages than checksums")
	}
	return nil
}

// checkedMemory compares each page with its checksum: at the first reading of a part of it, and whenever
// it is read whole.
type checkedMemory struct {
	dump.Memory
	runs []pageRun
	sums []uint32
	good []atomic.Bool // pages that were compared
}

// pageRun is a run of pages, and the number of its first page among all.
type pageRun struct{ first, count, index uint64 }

// newCheckedMemory takes as many sums as there are pages, and returns those that are left. It returns
// nil where there are too few.
func newCheckedMemory(m dump.Memory, sums []uint32) (*checkedMemory, []uint32) {
	c := &checkedMemory{Memory: m}
	total := uint64(0)
	for at, n := range m.Ranges() {
		c.runs = append(c.runs, pageRun{uint64(at) / PageSize, n / PageSize, total})
		if total += n / PageSize; total > uint64(len(sums)) {
			return nil, nil
		}
	}
	c.sums, c.good = sums[:total], make([]atomic.Bool, total)
	return c, sums[total:]
}

// index returns the number of a page; ok is false where it is not in the file.
func (c *checkedMemory) index(page uint64) (i uint64, ok bool) {
	k := sort.Search(len(c.runs), func(k int) bool { return c.runs[k].first+c.runs[k].count > page })
	if k == len(c.runs) || c.runs[k].first > page {
		return 0, false
	}
	return c.runs[k].index + (page - c.runs[k].first), true
}

// ReadPhys implements [dump.Memory].
func (c *checkedMemory) ReadPhys(phys PhysAddr, buf []byte) error {
	for addr := uint64(phys); len(buf) > 0; {
		page, at := addr/PageSize, int(addr%PageSize)
		n := min(len(buf), PageSize-at)
		var err error
		if at == 0 && n == PageSize {
			n = len(buf) / PageSize * PageSize
			err = c.whole(page, buf[:n])
		} else {
			err = c.part(page, at, buf[:n])
		}
		if f := AsFault(err); f != nil { // of the whole rest
			g := *f
			g.Len = addr + uint64(len(buf)) - g.Addr
			return &g
		} else if err != nil {
			return err
		}
		buf, addr = buf[n:], addr+uint64(n)
	}
	return nil
}

// whole reads whole pages.
func (c *checkedMemory) whole(page uint64, buf []byte) error {
	if err := c.Memory.ReadPhys(PhysAddr(page*PageSize), buf); err != nil {
		return err
	}
	for ; len(buf) > 0; page, buf = page+1, buf[PageSize:] {
		if !c.same(page, buf[:PageSize]) {
			return damagedPage(page * PageSize)
		}
	}
	return nil
}

// part reads a part of a page.
func (c *checkedMemory) part(page uint64, at int, buf []byte) error {
	addr := page*PageSize + uint64(at)
	if i, ok := c.index(page); ok && !c.good[i].Load() {
		var data [PageSize]byte
		if c.Memory.ReadPhys(PhysAddr(page*PageSize), data[:]) == nil {
			if !c.same(page, data[:]) {
				return damagedPage(addr)
			}
			copy(buf, data[at:])
			return nil
		}
	}
	return c.Memory.ReadPhys(PhysAddr(addr), buf)
}

func (c *checkedMemory) same(page uint64, data []byte) bool {
	i, ok := c.index(page)
	if !ok || sum(data) != c.sums[i] {
		return false
	}
	c.good[i].Store(true)
	return true
}

func damagedPage(addr uint64) *Fault {
	return &Fault{Addr: addr, Physical: true, Reason: Failed, Detail: "the file is damaged: the page does not have the checksum that was written down"}
}
