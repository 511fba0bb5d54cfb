package kmem

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// The kernel makes the text of VMCOREINFO when it boots and keeps it in a page of its own
// (vmcoreinfo_data, kernel/vmcore_info.c; in static memory before 4.13), and a second time as
// an ELF note (vmcoreinfo_note), which begins with a header of 24 bytes. Whoever wrote a dump
// without it left these two in the memory.
//
// There may be more of them: what a program read of either, or what an earlier kernel left
// behind. So a text is only believed when the memory itself agrees with it.
const (
	vmcoreInfoStart = "OSRELEASE="
	// maxInfoFinds bounds the texts that are kept, of up to maxInfoText bytes each: the
	// kernel gave it one page until now.
	maxInfoFinds = 64
	maxInfoText  = 16 << 10
	utsLength    = 65 // of a string in struct new_utsname, include/uapi/linux/utsname.h
	maxRelease   = utsLength - 1
)

// vmcoreInfoFind is a text that looks like a VMCOREINFO.
type vmcoreInfoFind struct {
	addr uint64
	info *VMCoreInfo
}

// vmcoreInfoFinds collects them. look may be called by several goroutines.
type vmcoreInfoFinds struct {
	mu    sync.Mutex
	at    []uint64
	found []vmcoreInfoFind
}

func (f *vmcoreInfoFinds) look(addr uint64, data []byte) {
	for from := 0; ; {
		i := bytes.Index(data[from:], []byte(vmcoreInfoStart))
		if i < 0 {
			return
		}
		from += i
		// A page of it, or what is here of that: the rest is looked at later. A format
		// string or a log has no such line behind the first.
		head := data[from:min(len(data), from+256)]
		if bytes.Contains(head, []byte("\nPAGESIZE=")) || len(head) < 256 {
			f.mu.Lock()
			if len(f.at) < 16*maxInfoFinds {
				f.at = append(f.at, addr+uint64(from))
			}
			f.mu.Unlock()
		}
		from += len(vmcoreInfoStart)
	}
}

func (f *vmcoreInfoFinds) sort() { slices.Sort(f.at) }

// parse reads the texts, each to its end: the first NUL, behind a whole line. One that is
// followed by something else is a piece of one, or has been written over.
func (f *vmcoreInfoFinds) parse(readPhys func(uint64, []byte) error) {
	for _, at := range f.at {
		if len(f.found) == maxInfoFinds {
			return
		}
		text := make([]byte, 0, PageSize)
		for len(text) < maxInfoText && bytes.IndexByte(text, 0) < 0 {
			n := len(text)
			size := PageSize - int(at+uint64(n))%PageSize
			text = append(text, make([]byte, size)...)
			if readPhys(at+uint64(n), text[n:]) != nil {
				text = text[:n]
				break
			}
		}
		end := bytes.IndexByte(text, 0)
		if end <= 0 || text[end-1] != '\n' || !plainLines(text[:end]) {
			continue
		}
		info, err := ParseVMCoreInfo(text[:end])
		if err != nil || slices.ContainsFunc(f.found, func(o vmcoreInfoFind) bool { return bytes.Equal(o.info.Raw(), info.Raw()) }) {
			continue
		}
		f.found = append(f.found, vmcoreInfoFind{at, info})
	}
}

// plainLines reports whether all lines are KEY=VALUE in printable characters.
func plainLines(text []byte) bool {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if bytes.IndexByte(line, '=') <= 0 || !plainText(string(line)) {
			return false
		}
	}
	return true
}

// tablesOf makes the page tables that a VMCOREINFO found in memory leads to, or returns why
// the memory contradicts it:
//
//   - the image is moved by what KASLR can move it by;
//   - the tables map the text where phys_base says, and themselves where they are;
//   - init_uts_ns, read through them, says "Linux" and the same release.
func (v *VMCoreInfo) tablesOf(phys func(uint64, []byte) error) (*pageTables, error) {
	if size, _ := v.Value("PAGESIZE"); size != "4096" {
		return nil, fmt.Errorf("pages of %q bytes", size)
	}
	if off, ok := v.KernelOffset(); ok && (off%kernelAlign != 0 || off < 0 || off >= 1<<30) {
		return nil, fmt.Errorf("KERNELOFFSET is %#x", off)
	}
	t, err := newPageTables(v, nil, phys)
	if err != nil {
		return nil, err
	}
	base, _ := v.Number("phys_base")
	for _, name := range []string{"_stext", "init_top_pgt", "swapper_pg_dir", "init_uts_ns"} {
		a, ok := v.Symbol(name)
		if !ok || name == "swapper_pg_dir" && a < startKMap {
			continue
		}
		got, _, err := t.translate(uint64(a))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if want := uint64(a) - startKMap + uint64(base); got != want {
			return nil, fmt.Errorf("%s at %v is at physical address %#x, and phys_base puts it at %#x", name, a, got, want)
		}
	}
	release, err := v.utsRelease(tableMemory{t})
	if err != nil {
		return nil, err
	}
	if release != v.Release() {
		return nil, fmt.Errorf("init_uts_ns says %q", release)
	}
	return t, nil
}

// utsRelease reads the release from init_uts_ns.
func (v *VMCoreInfo) utsRelease(r Reader) (string, error) {
	at, ok := v.Symbol("init_uts_ns")
	if !ok {
		return "", errors.New("it has no SYMBOL(init_uts_ns)")
	}
	if off, ok := v.Offset("uts_namespace.name"); ok && off <= PageSize {
		return readUTS(r, at.Add(int64(off)))
	}
	return findUTS(r, at)
}

// findUTS reads the release from a struct uts_namespace of which no more is known than that
// its name is the first member, or the second behind a reference count (before 5.11).
func findUTS(r Reader, at Addr) (release string, err error) {
	for _, off := range []int64{0, 4, 8} {
		if release, err = readUTS(r, at.Add(off)); err == nil {
			break
		}
	}
	return release, err
}

// readUTS reads the release from a struct new_utsname: sysname, nodename, release.
func readUTS(r Reader, at Addr) (string, error) {
	var names [3 * utsLength]byte
	if err := r.ReadMem(at, names[:]); err != nil {
		return "", err
	}
	if sysname, _, _ := bytes.Cut(names[:utsLength], []byte{0}); string(sysname) != "Linux" {
		return "", fmt.Errorf("no \"Linux\" at %v", at)
	}
	release, _, _ := bytes.Cut(names[2*utsLength:], []byte{0})
	if len(release) == 0 || len(release) > maxRelease || !plainText(string(release)) {
		return "", fmt.Errorf("no release at %v", at)
	}
	return string(release), nil
}

// infoFromMemory reads VMCOREINFO where the symbols say that it is. It returns nil where
// it is not, or is not about the same tables.
func infoFromMemory(k SymbolTable, t *pageTables) *VMCoreInfo {
	r := tableMemory{t}
	data, ok := k.Lookup("vmcoreinfo_data")
	if !ok {
		return nil
	}
	// A pointer to the text since 4.13, and the text itself before.
	at := data.Addr
	if p, err := ReadUint64(r, at); err == nil && Addr(p).IsKernel() {
		at = Addr(p)
	}
	text, err := readString(r, at, maxInfoText)
	if err != nil || !strings.HasPrefix(text, vmcoreInfoStart) {
		return nil
	}
	info, err := ParseVMCoreInfo([]byte(text))
	if err != nil {
		return nil
	}
	own, err := info.tablesOf(t.phys)
	if err != nil {
		return nil
	}
	if a, b := own.textBase(), t.textBase(); a != b || !a.ok {
		return nil
	}
	return info
}

// tableMemory is what tables map, whatever else the file knows.
type tableMemory struct{ t *pageTables }

// ReadMem implements [Reader].
func (m tableMemory) ReadMem(addr Addr, buf []byte) error {
	for at := uint64(addr); len(buf) > 0; {
		phys, run, err := m.t.translate(at)
		if err != nil {
			return err
		}
		// Neighbours are mostly neighbours in physical memory, too: one read for all of them.
		for run < uint64(len(buf)) && at+run > at {
			next, more, err := m.t.translate(at + run)
			if err != nil || next != phys+run {
				break
			}
			run += more
		}
		n := int(min(run, uint64(len(buf))))
		if err := m.t.phys(phys, buf[:n]); err != nil {
			if f := AsFault(err); f != nil {
				done := uint64(0)
				if f.Addr-phys < uint64(n) {
					done = f.Addr - phys
				}
				return &Fault{Addr: at + done, Len: uint64(len(buf)) - done, Reason: f.Reason, Detail: f.Detail}
			}
			return err
		}
		buf, at = buf[n:], at+uint64(n)
	}
	return nil
}

// mappedAs implements [mapReader]. What cannot be read of the tables maps nothing.
func (m tableMemory) mappedAs(addr Addr) (mapping, uint64) {
	t, at := m.t, uint64(addr)
	table, can := t.root, mappedText
	for i := len(ptLevels) - t.levels; i < len(ptLevels); i++ {
		shift := ptLevels[i].shift
		left := 1<<shift - at&(1<<shift-1)
		var raw [8]byte
		if !t.canonical(at) || t.phys(table+at>>shift%(1<<tableBits)*8, raw[:]) != nil {
			return mappedNot, left
		}
		entry := le64(raw[:])
		if entry&ptePresent == 0 {
			return mappedNot, left
		}
		if entry&entryNX != 0 {
			can = mappedData
		}
		if shift == pageShift || entry&ptePSE != 0 {
			return can, left
		}
		table = entry & t.physMask
	}
	return mappedNot, PageSize
}

// entryAt is an entry of a table that is in memory.
func entryAt(table *[PageSize]byte, i int) uint64 { return binary.LittleEndian.Uint64(table[8*i:]) }
