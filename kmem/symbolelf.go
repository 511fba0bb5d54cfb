package kmem

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
)

const (
	maxELFSymbols = 256 << 20 // bytes of a symbol or string table
	maxBanner     = 512       // bytes of linux_banner
)

// readELF reads the symbol table of a vmlinux, and what tells it from others.
func (f *SymbolFile) readELF(r io.ReaderAt) (err error) {
	defer func() { // debug/elf is careful, but not ours
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged ELF file: %v", p)
		}
	}()
	file, err := elf.NewFile(r)
	if err != nil {
		return fmt.Errorf("damaged ELF file: %w", err)
	}
	if file.Class != elf.ELFCLASS64 || file.Machine != elf.EM_X86_64 {
		return fmt.Errorf("an ELF file of another architecture (%v): only x86-64 is known", file.Machine)
	}
	if file.Type == elf.ET_CORE {
		return errors.New("a dump, which is no table of symbols: give it with --core")
	}
	if file.Type == elf.ET_REL {
		return errors.New("a relocatable object (a module?), not a vmlinux")
	}
	for _, s := range file.Sections {
		if (s.Type == elf.SHT_SYMTAB || s.Type == elf.SHT_STRTAB) && max(s.Size, s.FileSize) > maxELFSymbols {
			return fmt.Errorf("damaged ELF file: section %q of %d bytes", s.Name, s.Size)
		}
	}
	syms, err := file.Symbols()
	if errors.Is(err, elf.ErrNoSymbols) {
		return errors.New("an ELF file without a symbol table (stripped)")
	}
	if err != nil {
		return fmt.Errorf("damaged ELF file: %w", err)
	}
	sort.SliceStable(syms, func(i, j int) bool { return syms[i].Value < syms[j].Value })
	for i := range syms {
		s := &syms[i]
		letter := elfLetter(file, s)
		if letter == 0 || s.Name == "" || len(s.Name) > maxProcLine || !plain([]byte(s.Name)) {
			continue
		}
		if f.n == maxKallsyms || len(f.names) > maxProcNames/chunkNames {
			return errors.New("more symbols than a kernel can have")
		}
		f.add(procSymbol{addr: Addr(s.Value), typ: letter}, []byte(s.Name))
	}
	if f.n == 0 {
		return errNoSymbols
	}
	f.sortAddrs()
	f.elf = true
	f.buildID = ELFBuildID(file)
	if s, ok := f.Lookup("linux_banner"); ok {
		f.banner = elfString(file, s.Addr)
	}
	return nil
}

// elfLetter is nm's letter for a symbol, 0 for one that names no address.
func elfLetter(file *elf.File, s *elf.Symbol) byte {
	typ := elf.ST_TYPE(s.Info)
	if s.Section == elf.SHN_UNDEF || typ == elf.STT_FILE || typ == elf.STT_SECTION || strings.HasPrefix(s.Name, ".L") {
		return 0
	}
	letter := byte('a')
	if i := int(s.Section); i < len(file.Sections) && s.Section < elf.SHN_LORESERVE {
		switch sec := file.Sections[i]; {
		case sec.Flags&elf.SHF_ALLOC == 0:
			return 0
		case sec.Flags&elf.SHF_EXECINSTR != 0:
			letter = 't'
		case sec.Type == elf.SHT_NOBITS:
			letter = 'b'
		case sec.Flags&elf.SHF_WRITE != 0:
			letter = 'd'
		default:
			letter = 'r'
		}
	}
	switch elf.ST_BIND(s.Info) {
	case elf.STB_GLOBAL:
		letter -= 'a' - 'A'
	case elf.STB_WEAK:
		letter = 'W'
	}
	return letter
}

// elfString reads the string at an address, or gives "" where there is none.
func elfString(file *elf.File, at Addr) string {
	for _, s := range file.Sections {
		if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_ALLOC == 0 || uint64(at) < s.Addr || uint64(at)-s.Addr >= s.Size {
			continue
		}
		off := uint64(at) - s.Addr
		buf := make([]byte, min(maxBanner, s.Size-off))
		n, _ := s.ReadAt(buf, int64(off))
		text, _, ok := bytes.Cut(buf[:n], []byte{0})
		if !ok {
			return ""
		}
		return string(text)
	}
	return ""
}

// ELFBuildID is the GNU build ID of an ELF file in hexadecimal, "" where it has none.
func ELFBuildID(file *elf.File) string {
	for _, s := range file.Sections {
		if s.Type != elf.SHT_NOTE || s.Size > maxBuildNotes {
			continue
		}
		data, err := s.Data()
		if err != nil {
			continue
		}
		if id := GNUBuildID(data); id != "" {
			return id
		}
	}
	return ""
}
