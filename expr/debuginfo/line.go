package debuginfo

import (
	"cmp"
	"debug/dwarf"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// maxLineTable bounds one unit's line table, in bytes.
const maxLineTable = 64 << 20

// lineTable is a unit's: which line the code at an address came from.
type lineTable struct {
	files []string
	seqs  []sequence // upwards
}

// sequence is code that lies together.
type sequence struct {
	span
	rows []row // upwards
}

// row is what holds from an address on.
type row struct {
	addr uint64
	file int32 // index in files; -1: not known
	line int32 // 0: no line of the source
}

// at is the row that holds an address.
func (t *lineTable) at(a uint64) (row, bool) {
	i, _ := slices.BinarySearchFunc(t.seqs, a, func(s sequence, a uint64) int {
		if s.low <= a {
			return -1
		}
		return 1
	})
	for i--; i >= 0; i-- {
		if s := t.seqs[i]; s.holds(a) {
			// Of several rows with one address the last counts: those before it have no code.
			j, _ := slices.BinarySearchFunc(s.rows, a, func(r row, a uint64) int {
				if r.addr <= a {
					return -1
				}
				return 1
			})
			if j == 0 {
				return row{}, false
			}
			return s.rows[j-1], true
		}
	}
	return row{}, false
}

// file is the name of a file by its number, "" where there is none.
func (t *lineTable) file(i uint64) string {
	if i >= uint64(len(t.files)) {
		return ""
	}
	return t.files[i]
}

// lineTableOf reads a unit's line table, once. f.mu must be held.
func (f *File) lineTableOf(u *unit) (*lineTable, error) {
	if !u.linesRead {
		u.linesRead = true
		u.lines, u.linesErr = f.readLines(u)
	}
	return u.lines, u.linesErr
}

func (f *File) readLines(u *unit) (*lineTable, error) {
	if !u.root.has(slotStmtList) {
		return nil, errors.New("the unit has no line table")
	}
	off := u.root.u(slotStmtList)
	s := f.raw["line"]
	if s == nil || off >= s.size {
		return nil, &FormatError{".debug_line", off, "a unit's line table should be there"}
	}
	head, err := f.read("line", off, min(12, s.size-off))
	if err != nil {
		return nil, err
	}
	c := cursor{data: head}
	n, _ := c.length()
	size := n + uint64(c.off)
	if c.bad || n > maxLineTable || size > s.size-off {
		return nil, &FormatError{".debug_line", off, fmt.Sprintf("a line table of %d bytes", n)}
	}
	data, err := f.read("line", off, size)
	if err != nil {
		return nil, err
	}
	t, err := parseLines(data, u.str, u.lineStr, u.text(&u.root, slotCompDir))
	if err != nil {
		return nil, &FormatError{".debug_line", off, err.Error()}
	}
	return t, nil
}

// lineUnit is a unit of a header and an empty entry, for debug/dwarf: it takes the size of addresses from there, and
// the line table from the entry that it is given.
var lineUnit = []byte{8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8, 0}

// parseLines runs the program of one line table.
func parseLines(data, str, lineStr []byte, compDir string) (t *lineTable, err error) {
	defer func() {
		if p := recover(); p != nil {
			t, err = nil, fmt.Errorf("the line table is damaged: %v", p)
		}
	}()
	if !soundLineHeader(data) {
		return nil, errors.New("the header of the line table is damaged")
	}
	d, err := dwarf.New([]byte{0}, nil, nil, lineUnit, data, nil, nil, str)
	if err != nil {
		return nil, err
	}
	if err := d.AddSection(".debug_line_str", lineStr); err != nil {
		return nil, err
	}
	r, err := d.LineReader(&dwarf.Entry{Offset: 11, Tag: dwarf.TagCompileUnit, Field: []dwarf.Field{
		{Attr: dwarf.AttrStmtList, Val: int64(0), Class: dwarf.ClassLinePtr},
		{Attr: dwarf.AttrCompDir, Val: compDir, Class: dwarf.ClassString},
	}})
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, errors.New("there is no line table")
	}
	t = &lineTable{}
	number := map[*dwarf.LineFile]int32{}
	for i, file := range r.Files() {
		name := ""
		if file != nil {
			name = sourceName(file.Name, compDir)
			if _, ok := number[file]; !ok {
				number[file] = int32(i)
			}
		}
		t.files = append(t.files, name)
	}
	return t, t.run(r, number)
}

func (t *lineTable) run(r *dwarf.LineReader, number map[*dwarf.LineFile]int32) error {
	var rows []row
	var e dwarf.LineEntry
	for {
		switch err := r.Next(&e); {
		case errors.Is(err, io.EOF):
			slices.SortStableFunc(t.seqs, func(a, b sequence) int { return cmp.Compare(a.low, b.low) })
			return nil
		case err != nil:
			return err
		}
		if !e.EndSequence {
			file, ok := number[e.File]
			if !ok {
				file = -1
			}
			rows = append(rows, row{e.Address, file, int32(min(max(e.Line, 0), 1<<30))})
			continue
		}
		// Code that the linker threw away is at 0.
		if len(rows) > 0 && rows[0].addr != 0 && rows[0].addr < e.Address {
			if !slices.IsSortedFunc(rows, byAddr) {
				slices.SortStableFunc(rows, byAddr)
			}
			t.seqs = append(t.seqs, sequence{span{rows[0].addr, e.Address}, slices.Clone(rows)})
		}
		rows = rows[:0]
	}
}

func byAddr(a, b row) int { return cmp.Compare(a.addr, b.addr) }

// sourceName is a file's name from where the kernel was built on, without the directory that it was built in.
func sourceName(name, compDir string) string {
	if name == "" {
		return ""
	}
	name = path.Clean(name)
	if compDir != "" {
		name = strings.TrimPrefix(name, path.Clean(compDir)+"/")
	}
	return name
}

// soundLineHeader reports whether a line table of DWARF 5 has room for as many directories and files as it claims:
// debug/dwarf makes room for them first.
func soundLineHeader(data []byte) bool {
	c := cursor{data: data}
	_, wide := c.length()
	if c.u16() != 5 {
		return !c.bad
	}
	c.skip(2) // sizes of an address and of a segment
	c.offset(wide)
	c.skip(5)
	if opcodes := c.u8(); opcodes > 1 {
		c.skip(uint64(opcodes) - 1)
	}
	h := header{wide: wide}
	for range 2 {
		forms := make([]uint8, c.u8())
		for i := range forms {
			c.uleb()
			form := c.uleb()
			if form > 0xff || form == formIndirect || form == formImplicitConst || form == formFlagPresent {
				return false
			}
			forms[i] = uint8(form)
		}
		n := c.uleb()
		if c.bad || n > uint64(c.left()) || n > 0 && len(forms) == 0 {
			return false
		}
		for range n {
			for _, form := range forms {
				h.read(&c, form, 0)
			}
			if c.bad {
				return false
			}
		}
	}
	return !c.bad
}
