package debuginfo

import (
	"cmp"
	"slices"
)

// arange is the addresses of a unit.
type arange struct {
	span
	unit uint64 // its offset in .debug_info
}

// parseAranges reads .debug_aranges: a row of sets, each of a header with its unit, and pairs of an address and a
// length up to one of zeros, aligned to their own size. What is damaged ends the walk: ranges before it are good.
func parseAranges(data []byte) []arange {
	var out []arange
	for c := (cursor{data: data}); c.left() > 0; {
		start := c.off
		n, wide := c.length()
		if c.bad || n > uint64(c.left()) {
			break
		}
		set := cursor{data: data[:c.off+int(n)], off: c.off}
		c.skip(n)
		version, unit := set.u16(), set.offset(wide)
		size, segment := set.u8(), set.u8()
		if version != 2 || size != 8 || segment != 0 {
			continue
		}
		set.skip(uint64(-(set.off - start)) & 15)
		for set.left() >= 16 {
			low, length := set.u64(), set.u64()
			if low == 0 && length == 0 {
				break
			}
			if length != 0 && low+length > low && low != 0 {
				out = append(out, arange{span{low, low + length}, unit})
			}
		}
	}
	sortRanges(out)
	return out
}

func sortRanges(r []arange) {
	slices.SortFunc(r, func(a, b arange) int { return cmp.Compare(a.low, b.low) })
}

// holding calls try for the units whose ranges hold a, until it returns true. Ranges may overlap by a mistake of
// the compiler or of the file; only the nearest few are looked at.
func holding(ranges []arange, a uint64, try func(unit uint64) bool) bool {
	const few = 16
	i, _ := slices.BinarySearchFunc(ranges, a, func(r arange, a uint64) int {
		if r.low <= a {
			return -1
		}
		return 1
	})
	for j := i - 1; j >= 0 && j >= i-few; j-- {
		if ranges[j].holds(a) && try(ranges[j].unit) {
			return true
		}
	}
	return false
}

// maxRanges bounds the ranges of one entry.
const maxRanges = 1 << 20

// spans are the addresses of an entry.
func (f *File) spans(u *unit, e *entry) []span {
	if e.has(slotRanges) {
		return f.rangeList(u, e.vals[slotRanges])
	}
	low, ok := u.address(e, slotLowPC)
	if !ok {
		return nil
	}
	high, ok := u.address(e, slotHighPC)
	if !ok {
		if !e.has(slotHighPC) {
			return nil
		}
		high = low + e.vals[slotHighPC].u // its length, from DWARF 4 on
	}
	if high <= low || low == 0 {
		return nil
	}
	return []span{{low, high}}
}

func (f *File) rangeList(u *unit, v val) []span {
	base, _ := u.address(&u.root, slotLowPC)
	if u.version < 5 {
		return f.oldRanges(v.u, base)
	}
	data := f.all("rnglists")
	off := v.u
	if v.form == formRnglistx {
		size := uint64(4)
		if u.wide {
			size = 8
		}
		c := at(data, u.rnglists, v.u, size)
		if off = c.offset(u.wide) + u.rnglists; c.bad {
			return nil
		}
	}
	if off >= uint64(len(data)) {
		return nil
	}
	return u.rnglist(cursor{data: data, off: int(off)}, base)
}

// rnglist reads a list of .debug_rnglists (DWARF 5, 7.25).
func (u *unit) rnglist(c cursor, base uint64) []span {
	var out []span
	indexed := func() uint64 {
		a, ok := u.indexed64(c.uleb())
		if !ok {
			c.fail()
		}
		return a
	}
	for len(out) < maxRanges {
		var low, high uint64
		switch c.u8() { // DW_RLE_*
		default: // end_of_list, and what is not known
			return out
		case 1: // base_addressx
			base = indexed()
			continue
		case 2: // startx_endx
			low = indexed()
			high = indexed()
		case 3: // startx_length
			low = indexed()
			high = low + c.uleb()
		case 4: // offset_pair
			low = base + c.uleb()
			high = base + c.uleb()
		case 5: // base_address
			base = c.u64()
			continue
		case 6: // start_end
			low, high = c.u64(), c.u64()
		case 7: // start_length
			low = c.u64()
			high = low + c.uleb()
		}
		if c.bad {
			return out
		}
		if low < high {
			out = append(out, span{low, high})
		}
	}
	return out
}

// oldRanges reads a list of .debug_ranges, up to DWARF 4.
func (f *File) oldRanges(off, base uint64) []span {
	data := f.all("ranges")
	if off >= uint64(len(data)) {
		return nil
	}
	var out []span
	for c := (cursor{data: data, off: int(off)}); len(out) < maxRanges; {
		low, high := c.u64(), c.u64()
		switch {
		case c.bad || low == 0 && high == 0:
			return out
		case low == ^uint64(0):
			base = high
		case low < high:
			out = append(out, span{base + low, base + high})
		}
	}
	return out
}

// unitRanges reads the ranges that the roots of those units tell of which .debug_aranges has none. f.mu must be held.
func (f *File) unitRanges() []arange {
	if f.rooted != nil {
		return f.rooted
	}
	f.rooted = []arange{}
	told := map[uint64]bool{}
	for _, r := range f.ranges {
		told[r.unit] = true
	}
	for _, h := range f.list() {
		if told[h.off] {
			continue
		}
		// A root has some hundred bytes.
		data, err := f.read("info", h.off, min(h.size, 4<<10))
		if err != nil {
			continue
		}
		u, err := f.decode(h, data)
		if err != nil {
			continue
		}
		for _, s := range f.spans(u, &u.root) {
			f.rooted = append(f.rooted, arange{s, h.off})
		}
	}
	sortRanges(f.rooted)
	return f.rooted
}
