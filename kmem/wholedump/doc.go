// Package wholedump makes dumps for tests: a machine's physical memory with page
// tables, out of pages of virtual memory, and files of it in the formats that
// kinspect reads. It knows of each byte that it writes what it is for, so that a test
// can spoil a chosen part.
//
// It shares no code with the readers, and is for tests alone: it panics where it is
// used in a wrong way.
package wholedump

import "slices"

// PageSize is the size of a page and of a page table, in bytes.
const PageSize = 4096

// Kind says what a part of a file is for.
type Kind string

// The kinds.
const (
	Header     Kind = "header"     // of the file, its segments or its records
	Note       Kind = "notes"      // with their headers
	Bitmap     Kind = "bitmap"     // which pages exist, and which are in the file
	Descriptor Kind = "descriptor" // of a page
	Page       Kind = "page"       // its content, as it is
	Packed     Kind = "packed"     // its content, compressed
	Checked    Kind = "checked"    // compressed, and with a checksum
)

// Part is a range of a file.
type Part struct {
	Off, Len int
	Kind     Kind
	// Frame is the number of the page, for a part that is one's content or its
	// descriptor: physical, or of a file of virtual memory, virtual.
	Frame uint64
	// At is where in the page the part begins: other than 0 where it was cut in two.
	At int
}

// End is the offset behind the part.
func (p Part) End() int { return p.Off + p.Len }

// File is a dump, or one of several files of one.
type File struct {
	Data  []byte
	Parts []Part // by offset, disjoint
}

// add appends a part with its content.
func (f *File) add(p Part, data []byte) {
	p.Off, p.Len = len(f.Data), len(data)
	f.Data = append(f.Data, data...)
	if p.Len > 0 {
		f.Parts = append(f.Parts, p)
	}
}

// PartAt returns the part that holds an offset.
func (f *File) PartAt(off int) (Part, bool) {
	i, found := slices.BinarySearchFunc(f.Parts, off, func(p Part, off int) int {
		switch {
		case p.End() <= off:
			return -1
		case p.Off > off:
			return 1
		}
		return 0
	})
	if !found {
		return Part{}, false
	}
	return f.Parts[i], true
}
