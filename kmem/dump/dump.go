// Package dump is what the formats of kernel dumps share: the file that is read, the
// memory that it turns out to hold, and the words for what is wrong with either.
//
// A format is a package of its own beside this one (elfcore, kdump), which explains the
// format's layout and turns files into a [Content]. A wrapping is a file around another
// file (flattened, packed): its package turns one into the file inside. Neither knows of the
// others; package kmem has the list.
//
// Files may be anything: no format trusts one. Allocations are bounded by what the file
// can really hold, and damage is a [*FormatError] where the file cannot be used at all, a
// [*Fault] where a page of it cannot. All of this is for x86-64: numbers are little-endian,
// pages have 4096 bytes.
package dump

import (
	"fmt"
	"iter"
)

const (
	// PageSize is the base page size of x86-64, in bytes.
	PageSize = 1 << PageShift
	// PageShift is its binary logarithm.
	PageShift = 12
)

// PhysAddr is a physical address of the machine that the image was taken of.
type PhysAddr uint64

// String prints the address in hexadecimal with 0x before it.
func (p PhysAddr) String() string { return fmt.Sprintf("%#x", uint64(p)) }

// Memory is the physical memory that a dump holds. It is safe for concurrent use.
type Memory interface {
	// ReadPhys fills buf, or returns a *Fault with Physical set, at the first
	// byte that cannot be read.
	ReadPhys(addr PhysAddr, buf []byte) error
	// Ranges are the addresses that the file claims to hold, upwards, and how
	// many bytes there are from each on.
	Ranges() iter.Seq2[PhysAddr, uint64]
}

// Content is what a format's package makes of a dump.
type Content struct {
	Memory Memory
	// Virtual is the memory that the file describes by virtual address; nil where
	// it does for none.
	Virtual *Space
	// Notes are the ELF notes, whose descriptors lie in File.
	Notes []Note
	File  *File
	// PhysBase is phys_base by the file's header, nil where that does not tell.
	PhysBase *uint64
	// Remarks are what a user should know of the file, a line each.
	Remarks []string
}

// Note finds a note by its name, nil where there is none.
func (c *Content) Note(name string) *Note {
	for i := range c.Notes {
		if c.Notes[i].Name == name {
			return &c.Notes[i]
		}
	}
	return nil
}

// Format is a format of dumps.
type Format struct {
	// Magic is how a file begins.
	Magic string
	// Open makes one dump of files, each of which begins with Magic. There is at least
	// one; the error names a file that is one too many.
	Open func(files []*File) (*Content, error)
}

// RemarkIncomplete is for dumps whose writer said so.
const RemarkIncomplete = "the dump is incomplete: whoever wrote it ran out of space, and what did not fit cannot be read"

// FormatError tells why a file is no kernel dump that can be read.
type FormatError struct {
	Source string // the file's name
	Off    uint64 // where in the file, in bytes
	What   string
}

// Error is one line.
func (e *FormatError) Error() string {
	if e.Off == 0 {
		return fmt.Sprintf("%s: %s", e.Source, e.What)
	}
	return fmt.Sprintf("%s: %s (at offset %#x of the file)", e.Source, e.What, e.Off)
}

// AllZero reports whether all of b is zeros.
func AllZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
