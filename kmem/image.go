package kmem

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"

	"kinspect/kmem/dump"
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
// reads of memory that /proc/kcore may not show with zeros instead of an error:
// where the page tables tell, that is made a fault; a page that is offline or
// poisoned still reads as zeros. A kernel that is read without that file gives its
// faults itself: see [OpenRunning].
type Image struct {
	content *dump.Content
	virt    *dump.Space // never nil
	phys    dump.Memory
	closer  io.Closer
	source  string
	live    bool

	tables    *pageTables // nil on a live kernel, a snapshot, or where tablesErr says why
	tablesErr error
	// liveTables are those of a live kernel, which change; nil where they cannot be found.
	liveTables *pageTables
	windows    windows // of a dump on disk

	lacks    []string // see Lacks
	found    []string // how the kernel was found, where the notes do not tell
	info     *VMCoreInfo
	infoErr  error
	snapshot *SnapshotInfo
	saved    *savedMemory // of a snapshot in the kdump-compressed format, else nil

	foundSyms   *Kallsyms // found while the dump was opened, or nil
	symbolsOnce sync.Once
	symbols     SymbolTable
	symbolsErr  error
	host        hostPaths

	running     *runningMemory // of a kernel that is read without a file, else nil
	runningSyms SymbolTable    // found while that was opened, or nil
}

// newImage reads the notes of a dump whose format is dealt with.
func newImage(c *dump.Content, live bool) (*Image, error) {
	img := &Image{content: c, virt: c.Virtual, phys: c.Memory, source: c.File.Name, live: live, lacks: c.Remarks, host: defaultHost}
	if img.virt == nil {
		img.virt = &dump.Space{File: c.File}
	}
	if err := img.readNotes(); err != nil {
		return nil, err
	}
	if img.snapshot != nil && img.snapshot.Version >= snapshotVersionKdump {
		if err := img.readSavedMap(); err != nil {
			return nil, err
		}
	}
	img.findTables()
	return img, nil
}

func (img *Image) readNotes() error {
	img.readVMCoreInfo()
	return img.readSnapshotInfo()
}

// findTables finds the page tables by VMCOREINFO, or the reason why that does not lead to
// them: see searchKernel.
func (img *Image) findTables() {
	switch {
	case img.live:
		img.tablesErr = errors.New("no segment of " + img.source + " covers it")
		img.liveTables, _ = newPageTables(img.info, nil, img.readPhys)
	case img.snapshot != nil:
	case img.noPhys():
		img.tablesErr = errors.New("no segment of the dump covers it, and the dump holds no physical memory to find page tables in")
	default:
		img.tables, img.tablesErr = newPageTables(img.info, img.content.PhysBase, img.readPhys)
		if img.infoErr != nil {
			img.tablesErr = fmt.Errorf("%w (%w)", img.tablesErr, img.infoErr)
		}
	}
}

// noPhys reports whether the file tells of no physical memory at all.
func (img *Image) noPhys() bool {
	space, ok := img.phys.(*dump.Space)
	return ok && len(space.Segments) == 0
}

// readVMCoreInfo keeps the error: a dump without the note may be of use.
func (img *Image) readVMCoreInfo() {
	n := img.content.Note("VMCOREINFO")
	if n == nil {
		return
	}
	raw, err := img.content.File.ReadNote(n, maxVMCoreInfo)
	if err == nil {
		img.info, err = ParseVMCoreInfo(raw)
	}
	img.infoErr = err
}

// Live reports whether the image is the running kernel.
func (img *Image) Live() bool { return img.live }

// Source is the file's name.
func (img *Image) Source() string { return img.source }

// VMCoreInfo is the kernel's note about itself, from the file or else, where a dump has none
// that can be read, from the memory in it; nil where neither has it.
func (img *Image) VMCoreInfo() *VMCoreInfo { return img.info }

// Remarks are what a user should know of the file before trusting that it has an
// answer: that it is incomplete, for one. Each is a line.
func (img *Image) Remarks() []string { return slices.Concat(img.lacks, img.found) }

// Lacks are those of the remarks that say what a file does not have of the dump that it should be: it is
// cut off, incomplete, or one of several.
func (img *Image) Lacks() []string { return img.lacks }

// Found tells how the kernel was found in a dump that has no VMCOREINFO note that could be read; "" where there
// was nothing to find, or nothing was found.
func (img *Image) Found() string { return strings.Join(img.found, "; ") }

// Snapshot tells how a snapshot was made; nil where the image is none.
func (img *Image) Snapshot() *SnapshotInfo { return img.snapshot }

// Close closes the file. No method may be called after it.
func (img *Image) Close() error {
	if img.host.names != nil {
		_ = img.host.names.Close()
	}
	if img.closer == nil {
		return nil
	}
	return img.closer.Close()
}

// ReadMem implements [Reader].
func (img *Image) ReadMem(addr Addr, buf []byte) error {
	if _, ok := addr.End(uint64(len(buf))); !ok {
		return dump.PastTheEnd(uint64(addr), len(buf), false)
	}
	if img.readWindow(uint64(addr), buf) {
		return nil
	}
	for at := uint64(addr); len(buf) > 0; {
		n, err := img.readSome(at, buf)
		if err != nil {
			return err
		}
		buf, at = buf[n:], at+uint64(n)
	}
	img.openWindow(uint64(addr))
	return nil
}

// readSome fills a leading part of buf, which is not empty, and returns its length.
func (img *Image) readSome(addr uint64, buf []byte) (int, error) {
	if img.running != nil {
		return len(buf), img.running.ReadMem(Addr(addr), buf)
	}
	if img.saved != nil {
		return img.saved.read(addr, buf)
	}
	if s := img.virt.Segments.Find(addr); s != nil {
		n := s.Part(addr, len(buf))
		if err := img.virt.Read(s, addr, buf, n); err != nil || !img.live {
			return n, err
		}
		return n, img.doubt(s, addr, buf[:n], len(buf))
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
		if img.virt.Segments.Find(addr+uint64(run)) != nil {
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
		return 0, 0, img.snapshotFault(addr)
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

func (img *Image) readPhys(addr uint64, buf []byte) error {
	return img.phys.ReadPhys(PhysAddr(addr), buf)
}

// PhysRanges are the physical addresses that the dump holds, upwards, and how many
// bytes there are from each on. Pages of a damaged or incomplete dump may fail all
// the same.
func (img *Image) PhysRanges() iter.Seq2[PhysAddr, uint64] { return img.phys.Ranges() }

// Translate returns the physical address of a virtual one: by the file's segments
// where they tell both, else through the page tables of a dump.
func (img *Image) Translate(addr Addr) (PhysAddr, error) {
	if img.running != nil {
		phys, err := img.running.translate(uint64(addr))
		return PhysAddr(phys), err
	}
	if s := img.virt.Segments.Find(uint64(addr)); s != nil && s.Phys != dump.UnknownPhys {
		return PhysAddr(s.Phys + (uint64(addr) - s.Start)), nil
	}
	if img.saved != nil {
		phys, err := img.saved.translate(uint64(addr))
		return PhysAddr(phys), err
	}
	phys, _, err := img.walk(uint64(addr))
	return PhysAddr(phys), err
}
