package kmem

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
)

// Image is one opened kernel. It is safe for concurrent use until it is closed.
//
// An address is looked up among the virtual segments of the file first
// (/proc/kcore, kexec's vmcore, snapshots), then, on a dump, through the
// kernel's page tables over the physical segments (QEMU's dumps, and vmalloc
// memory in all).
//
// A live image changes while it is read, and nothing of it is cached: a
// [Recorder] gives one consistent copy of what was read. The kernel answers
// reads of memory that /proc/kcore may not show (offline, poisoned or unmapped
// pages) with zeros instead of an error (kernel fs/proc/kcore.c), so a live
// zero may mean "unreadable".
type Image struct {
	file   *coreFile
	closer io.Closer
	source string
	live   bool

	virt      segmentMap
	phys      physMemory
	noPhys    bool        // phys holds nothing
	tables    *pageTables // nil on a live kernel, a snapshot, or where tablesErr says why
	tablesErr error

	core     *elfCore
	remarks  []string
	info     *VMCoreInfo
	infoErr  error
	snapshot *SnapshotInfo
	saved    *savedMemory // of a snapshot in the kdump-compressed format, else nil

	symbolsOnce sync.Once
	symbols     SymbolTable
	symbolsErr  error
	host        hostPaths
}

// newImage reads the headers and notes of an ELF core. name is what the user called
// the file.
func newImage(f *coreFile, name string, live bool) (*Image, error) {
	core, err := parseELFCore(f, name)
	if err != nil {
		return nil, err
	}
	img := &Image{file: f, source: name, live: live, core: core, host: defaultHost}
	if err := img.readNotes(); err != nil {
		return nil, err
	}
	virt, phys := addressSpaces(core.loads, f.size, img.snapshot != nil)
	img.virt, img.phys, img.noPhys = virt, &segmentMemory{img: img, segs: phys}, len(phys.segs) == 0
	img.remarks = core.remarks
	img.findTables(nil)
	return img, nil
}

// newKdumpImage opens a kdump-compressed dump, of one file or of several.
func newKdumpImage(files []kdumpFile) (*Image, error) {
	memory, err := newKdumpMemory(files)
	if err != nil {
		return nil, err
	}
	first := files[0] // by pages now
	core, err := kdumpCore(first.f, first.name, first.head)
	if err != nil {
		return nil, err
	}
	img := &Image{file: first.f, source: first.name, core: core, host: defaultHost, phys: memory, remarks: memory.remarks()}
	if err := img.readNotes(); err != nil {
		return nil, err
	}
	if img.snapshot != nil {
		if err := img.readSavedMap(); err != nil {
			return nil, err
		}
	}
	img.findTables(&first.head.physBase)
	return img, nil
}

func (img *Image) readNotes() error {
	img.readVMCoreInfo()
	return img.readSnapshotInfo()
}

// findTables finds the page tables, or the reason why there are none. physBase is
// what the file's header says of it, nil where it says nothing.
func (img *Image) findTables(physBase *uint64) {
	switch {
	case img.live:
		img.tablesErr = errors.New("no segment of " + img.source + " covers it")
	case img.snapshot != nil:
	case img.noPhys:
		img.tablesErr = errors.New("no segment of the dump covers it, and the dump holds no physical memory to find page tables in")
	default:
		img.tables, img.tablesErr = newPageTables(img.info, physBase, img.readPhys)
		if img.tablesErr != nil {
			img.tables = img.qemuTables()
		}
		if img.infoErr != nil {
			img.tablesErr = fmt.Errorf("%w (%w)", img.tablesErr, img.infoErr)
		}
	}
}

// noteBytes reads a note whole. The headers' reader checked that the file holds it.
func (img *Image) noteBytes(n *coreNote, limit uint64) ([]byte, error) {
	if n.size > limit {
		return nil, &FormatError{Source: img.source, Off: n.off, What: fmt.Sprintf("damaged: a %s note of %d bytes, more than the %d that are allowed", n.name, n.size, limit)}
	}
	buf := make([]byte, n.size)
	if err := img.file.readAt(n.off, buf); err != nil {
		return nil, fmt.Errorf("%s: cannot read its %s note: %w", img.source, n.name, err)
	}
	return buf, nil
}

// readVMCoreInfo keeps the error: a dump without the note may be of use.
func (img *Image) readVMCoreInfo() {
	n := img.core.note("VMCOREINFO")
	if n == nil {
		return
	}
	raw, err := img.noteBytes(n, maxVMCoreInfo)
	if err == nil {
		img.info, err = ParseVMCoreInfo(raw)
	}
	img.infoErr = err
}

// Live reports whether the image is the running kernel.
func (img *Image) Live() bool { return img.live }

// Source is the file's name.
func (img *Image) Source() string { return img.source }

// VMCoreInfo is the kernel's note about itself, nil where the file has none that
// can be read. Then only addresses within virtual segments can be read.
func (img *Image) VMCoreInfo() *VMCoreInfo { return img.info }

// Remarks are what a user should know of the file before trusting that it has an
// answer: that it is incomplete, for one. Each is a line.
func (img *Image) Remarks() []string { return img.remarks }

// Snapshot tells how a snapshot was made; nil where the image is none.
func (img *Image) Snapshot() *SnapshotInfo { return img.snapshot }

// Close closes the file. No method may be called after it.
func (img *Image) Close() error {
	if img.closer == nil {
		return nil
	}
	return img.closer.Close()
}

// ReadMem implements [Reader].
func (img *Image) ReadMem(addr Addr, buf []byte) error {
	if _, ok := addr.End(uint64(len(buf))); !ok {
		return &Fault{Addr: uint64(addr), Len: uint64(len(buf)), Reason: Unmapped, Detail: "the range passes the end of the address space"}
	}
	for at := uint64(addr); len(buf) > 0; {
		n, err := img.readSome(at, buf)
		if err != nil {
			return err
		}
		buf, at = buf[n:], at+uint64(n)
	}
	return nil
}

// readSome fills a leading part of buf, which is not empty, and returns its length.
func (img *Image) readSome(addr uint64, buf []byte) (int, error) {
	if img.saved != nil {
		return img.saved.read(addr, buf)
	}
	if s := img.virt.find(addr); s != nil {
		n := segmentPart(s, addr, buf)
		return n, img.readSegment(s, addr, buf, n, false)
	}
	phys, n, err := img.run(addr, len(buf))
	if err != nil {
		return 0, resized(err, len(buf))
	}
	if err := img.readPhys(phys, buf[:n]); err != nil {
		// Tell the fault in the address that was asked for.
		f := AsFault(err)
		if f == nil {
			return 0, err
		}
		done := f.Addr - phys
		detail := fmt.Sprintf("physical address %#x", f.Addr)
		if f.Detail != "" {
			detail += ": " + f.Detail
		}
		return 0, &Fault{Addr: addr + done, Len: uint64(len(buf)) - done, Reason: f.Reason, Detail: detail}
	}
	return n, nil
}

// run translates addr and counts how many of the n bytes there lie together in
// physical memory, so that a large read takes few calls. It stops where the next
// virtual segment begins.
func (img *Image) run(addr uint64, n int) (phys uint64, run int, err error) {
	phys, contiguous, err := img.walk(addr)
	if err != nil {
		return 0, 0, err
	}
	run = int(min(contiguous, uint64(n)))
	for run < n && addr+uint64(run) != 0 {
		if img.virt.find(addr+uint64(run)) != nil {
			break
		}
		next, contiguous, err := img.walk(addr + uint64(run))
		if err != nil || next != phys+uint64(run) {
			break // the next call meets the error again and reports it
		}
		run += int(min(contiguous, uint64(n-run)))
	}
	return phys, run, nil
}

// walk translates an address that is in no virtual segment.
func (img *Image) walk(addr uint64) (phys, run uint64, err error) {
	if img.tables != nil {
		return img.tables.translate(addr)
	}
	if img.snapshot != nil {
		return 0, 0, img.snapshot.fault(addr)
	}
	return 0, 0, &Fault{Addr: addr, Len: 1, Reason: Unmapped, Detail: img.tablesErr.Error()}
}

// resized gives a fault the length that the caller asked for.
func resized(err error, n int) error {
	if f := AsFault(err); f != nil {
		g := *f
		g.Len = uint64(n)
		return &g
	}
	return err
}

// ReadPhys fills buf with physical memory, or returns an error that wraps a
// [*Fault] with Physical set.
func (img *Image) ReadPhys(addr PhysAddr, buf []byte) error { return img.readPhys(uint64(addr), buf) }

func (img *Image) readPhys(addr uint64, buf []byte) error { return img.phys.readPhys(addr, buf) }

// segmentPart is how many bytes of buf, from addr on, s covers.
func segmentPart(s *segment, addr uint64, buf []byte) int {
	return int(min(uint64(len(buf)-1), s.last-addr)) + 1
}

// readSegment reads the first n bytes of buf at addr, all within s.
func (img *Image) readSegment(s *segment, addr uint64, buf []byte, n int, physical bool) error {
	off := s.off + (addr - s.start)
	if s.kind == present {
		err := img.file.readAt(off, buf[:n])
		if err == nil {
			return nil
		}
		return img.readFault(err, off, &Fault{Addr: addr, Physical: physical, Len: uint64(len(buf))})
	}
	f := &Fault{Addr: addr, Physical: physical, Len: uint64(len(buf)), Reason: Filtered}
	if s.kind == truncated {
		f.Reason, f.Detail = Truncated, img.truncation(off)
	}
	return f
}

// readFault fills in why the file's offset off could not be read.
func (img *Image) readFault(err error, off uint64, f *Fault) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) && !img.live:
		f.Reason, f.Detail = Truncated, img.truncation(off)
	case img.live && (errors.Is(err, syscall.EFAULT) || errors.Is(err, syscall.EPERM)):
		// Lockdown may come while the file is open; EFAULT is a page that the
		// kernel itself could not read.
		f.Reason, f.Detail = Refused, err.Error()
	default:
		f.Reason, f.Detail = Failed, err.Error()
	}
	return f
}

func (img *Image) truncation(off uint64) string {
	return fmt.Sprintf("it belongs at offset %#x, and the file has %#x bytes", off, img.file.size)
}

// Translate returns the physical address of a virtual one: by the file's segments
// where they tell both, else through the page tables of a dump.
func (img *Image) Translate(addr Addr) (PhysAddr, error) {
	if s := img.virt.find(uint64(addr)); s != nil && s.phys != unknownPaddr {
		return PhysAddr(s.phys + (uint64(addr) - s.start)), nil
	}
	if img.saved != nil {
		phys, err := img.saved.translate(uint64(addr))
		return PhysAddr(phys), err
	}
	phys, _, err := img.walk(uint64(addr))
	return PhysAddr(phys), err
}
