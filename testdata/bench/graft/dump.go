package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// A dump is an ELF core whose segments are to be written anew.
type dump struct {
	file     *elf.File
	notes    []byte
	segments []segment
}

// A segment is a PT_LOAD: data is of the dump that is read.
type segment struct {
	elf.ProgHeader
	data io.ReaderAt
}

func openDump(path string) (*dump, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	d := &dump{file: f}
	for _, p := range f.Progs {
		switch p.Type {
		case elf.PT_NOTE:
			if d.notes, err = io.ReadAll(p.Open()); err != nil {
				return nil, errors.Join(err, f.Close())
			}
		case elf.PT_LOAD:
			d.segments = append(d.segments, segment{p.ProgHeader, p.ReaderAt})
		}
	}
	return d, nil
}

// giveAddresses gives the segments of memory addresses in the direct map, and adds one of the
// kernel's image, as kexec does (kernel/crash_core.c, crash_prepare_elf64_headers).
func (d *dump) giveAddresses(k *value.Kernel, pageOffset kmem.Addr) error {
	text, ok1 := k.LookupSymbol("_text")
	end, ok2 := k.LookupSymbol("_end")
	if !ok1 || !ok2 {
		return errors.New("no symbols _text and _end")
	}
	phys, err := k.Image.Translate(text.Addr)
	if err != nil {
		return err
	}
	var out []segment
	for _, s := range d.segments {
		if s.Paddr>>32 != 0 || s.Paddr > 0xf000_0000 {
			continue // the firmware, which is no memory
		}
		s.Vaddr = uint64(pageOffset) + s.Paddr
		if from := uint64(phys) - s.Paddr; uint64(phys) >= s.Paddr && from < s.Filesz {
			image := s
			image.Vaddr, image.Paddr = uint64(text.Addr), uint64(phys)
			image.Filesz = min(uint64(end.Addr-text.Addr), s.Filesz-from)
			image.Memsz = image.Filesz
			image.data = io.NewSectionReader(s.data, int64(from), int64(image.Filesz))
			out = append(out, image)
		}
		out = append(out, s)
	}
	d.segments = out
	return nil
}

const (
	page  = 4096
	piece = 1 << 20
)

// write writes the dump with the patches. Pages of zeros become holes.
func (d *dump) write(path string, patches []patch) (err error) {
	w, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	const ehdr, phdr = 64, 56
	notesAt := uint64(ehdr + phdr*(1+len(d.segments)))
	at := (notesAt + uint64(len(d.notes)) + page - 1) &^ (page - 1)
	var head bytes.Buffer
	put := func(x any) { _ = binary.Write(&head, binary.LittleEndian, x) }
	h := elf.Header64{
		Type: uint16(elf.ET_CORE), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: ehdr,
		Ehsize: ehdr, Phentsize: phdr, Phnum: uint16(1 + len(d.segments)),
	}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	put(h)
	put(elf.Prog64{Type: uint32(elf.PT_NOTE), Off: notesAt, Filesz: uint64(len(d.notes)), Memsz: uint64(len(d.notes))})
	for i := range d.segments {
		s := &d.segments[i]
		put(elf.Prog64{
			Type: uint32(elf.PT_LOAD), Flags: 7, Off: at, Vaddr: s.Vaddr, Paddr: s.Paddr,
			Filesz: s.Filesz, Memsz: s.Memsz,
		})
		s.Off = at
		at += (s.Filesz + page - 1) &^ (page - 1)
	}
	head.Write(d.notes)
	if _, err := w.WriteAt(head.Bytes(), 0); err != nil {
		return err
	}
	if err := w.Truncate(int64(at)); err != nil {
		return err
	}
	for _, s := range d.segments {
		if err := s.copy(w, patches); err != nil {
			return fmt.Errorf("the segment at %#x: %w", s.Paddr, err)
		}
	}
	return nil
}

// copy writes a segment's content.
func (s segment) copy(w io.WriterAt, patches []patch) error {
	buf, zeros := make([]byte, piece), make([]byte, page)
	for off := uint64(0); off < s.Filesz; off += piece {
		b := buf[:min(piece, s.Filesz-off)]
		if _, err := s.data.ReadAt(b, int64(off)); err != nil {
			return err
		}
		for _, p := range patches {
			p.apply(b, s.Paddr+off)
		}
		for i := 0; i < len(b); i += page {
			if c := b[i:min(i+page, len(b))]; !bytes.Equal(c, zeros[:len(c)]) {
				if _, err := w.WriteAt(c, int64(s.Off+off)+int64(i)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// apply changes b, which is the memory from a physical address on.
func (p patch) apply(b []byte, at uint64) {
	from, to := uint64(p.at), uint64(p.at)+uint64(len(p.data))
	if lo, hi := max(from, at), min(to, at+uint64(len(b))); lo < hi {
		copy(b[lo-at:hi-at], p.data[lo-from:])
	}
}
