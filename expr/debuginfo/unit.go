package debuginfo

import (
	"fmt"
	"slices"
)

// header is that of a unit.
type header struct {
	off     uint64 // of the unit in .debug_info
	size    uint64 // with its length field
	wide    bool   // 64-bit DWARF
	version uint16
	abbrev  uint64 // the table's offset in .debug_abbrev
	first   int    // the root's offset in the unit
}

const headerMax = 40 // bytes of the longest header

// parseHeader reads the header of the unit at off; left is how much there is of the section from there.
func parseHeader(data []byte, off, left uint64) (header, error) {
	h := header{off: off}
	c := cursor{data: data}
	bad := func(what string) (header, error) { return h, &FormatError{".debug_info", off, what} }
	n, wide := c.length()
	h.wide, h.size = wide, n+uint64(c.off)
	if c.bad || n > left || h.size > left {
		return bad(fmt.Sprintf("a unit of %d bytes, and there are %d", n, left))
	}
	kind := uint8(1)
	switch h.version = c.u16(); {
	case h.version >= 2 && h.version <= 4:
		h.abbrev = c.offset(wide)
	case h.version == 5:
		kind = c.u8()
	default:
		return bad(fmt.Sprintf("DWARF %d, and only 2 to 5 are known", h.version))
	}
	if size := c.u8(); size != 8 {
		return bad(fmt.Sprintf("addresses of %d bytes", size))
	}
	if h.version == 5 {
		h.abbrev = c.offset(wide)
	}
	switch kind { // DW_UT_*
	case 1, 3: // compile, partial
	case 2, 6: // type, split_type
		c.skip(8)
		c.offset(wide)
	case 4, 5: // skeleton, split_compile
		c.skip(8)
	default:
		return bad(fmt.Sprintf("a unit of an unknown kind %d", kind))
	}
	h.first = c.off
	if c.bad || uint64(h.first) > h.size {
		return bad("a unit that ends in its header")
	}
	return h, nil
}

// list finds the units of the file. f.mu must be held.
func (f *File) list() []header {
	if f.units != nil {
		return f.units
	}
	f.units = []header{}
	size := f.raw["info"].size
	for off := uint64(0); off < size; {
		data, err := f.read("info", off, min(headerMax, size-off))
		if err != nil {
			f.failure = err
			break
		}
		h, err := parseHeader(data, off, size-off)
		if err != nil {
			f.failure = err
			break
		}
		f.units = append(f.units, h)
		off += h.size
	}
	return f.units
}

// unit is one that was read.
type unit struct {
	header
	data    []byte
	abbrevs *abbreviations
	root    entry
	str     []byte // .debug_str
	lineStr []byte // .debug_line_str
	*bases

	functions []function // of [unit.index]
	indexed   bool
	lines     *lineTable
	linesErr  error
	linesRead bool
}

// bases is what the root says of indices, and the sections that they lead to. Only some compilers use them.
type bases struct {
	strOffsets, addrs, rnglists uint64
	strOffsetsData, addrData    []byte
}

// unitAt reads the unit that begins at off, or takes it from the last ones. f.mu must be held.
func (f *File) unitAt(off uint64) (*unit, error) {
	const kept = 8
	for i, u := range f.loaded {
		if u.off == off {
			copy(f.loaded[1:i+1], f.loaded[:i])
			f.loaded[0] = u
			return u, nil
		}
	}
	size := f.raw["info"].size
	if off >= size {
		return nil, &FormatError{".debug_info", off, "no unit is there"}
	}
	head, err := f.read("info", off, min(headerMax, size-off))
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(head, off, size-off)
	if err != nil {
		return nil, err
	}
	u, err := f.load(h)
	if err != nil {
		return nil, err
	}
	f.loaded = slices.Insert(f.loaded, 0, u)
	f.loaded = f.loaded[:min(len(f.loaded), kept)]
	return u, nil
}

// load reads a unit as a whole. f.mu must be held.
func (f *File) load(h header) (*unit, error) {
	if h.size > maxUnit {
		return nil, &FormatError{".debug_info", h.off, fmt.Sprintf("a unit of %d bytes, which is more than is read", h.size)}
	}
	data, err := f.read("info", h.off, h.size)
	if err != nil {
		return nil, err
	}
	return f.decode(h, data)
}

// decode makes a unit of its bytes, or of the first ones, with the root among them. f.mu must be held.
func (f *File) decode(h header, data []byte) (*unit, error) {
	u := &unit{header: h, data: data, str: f.all("str"), lineStr: f.all("line_str")}
	var err error
	if u.abbrevs, err = f.abbreviations(h.abbrev); err != nil {
		return nil, err
	}
	if _, ok := u.entry(h.first, &u.root); !ok || u.root.ab == nil {
		return nil, &FormatError{".debug_info", h.off, "a unit without a root"}
	}
	b := &bases{}
	u.bases = b
	if r := &u.root; r.has(slotStrOffsetsBase) || r.has(slotAddrBase) || r.has(slotRnglistsBase) {
		b.strOffsets, b.addrs, b.rnglists = r.u(slotStrOffsetsBase), r.u(slotAddrBase), r.u(slotRnglistsBase)
		b.strOffsetsData, b.addrData = f.all("str_offsets"), f.all("addr")
	}
	return u, nil
}

// maxTables bounds the tables that are kept.
const maxTables = 64

// abbreviations is the table at an offset. f.mu must be held.
func (f *File) abbreviations(off uint64) (*abbreviations, error) {
	if t := f.tables[off]; t != nil {
		return t, nil
	}
	data := f.all("abbrev")
	if off >= uint64(len(data)) {
		return nil, &FormatError{".debug_abbrev", off, fmt.Sprintf("a unit's table should be there, and the section has %d bytes", len(data))}
	}
	t, ok := parseAbbreviations(data[off:])
	if !ok {
		return nil, &FormatError{".debug_abbrev", off, "the table is damaged"}
	}
	if len(f.tables) >= maxTables {
		clear(f.tables)
	}
	f.tables[off] = t
	return t, nil
}
