package debuginfo

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kinspect/kmem"
)

// Frame is one function that an address is in. A function that the compiler put into another is in it, and all of
// them are told.
type Frame struct {
	Function string `json:"function,omitempty"`
	File     string `json:"file,omitempty"` // "net/core/dev.c"
	Line     int    `json:"line,omitempty"` // 0 where the code is of no line
}

// Place is the frame's file and line, "net/core/dev.c:5432".
func (f Frame) Place() string {
	switch {
	case f.File == "":
		return "?"
	case f.Line == 0:
		return f.File + ":?"
	}
	return fmt.Sprintf("%s:%d", f.File, f.Line)
}

func (f Frame) in() string {
	if f.Function == "" {
		return f.Place()
	}
	return f.Place() + " in " + f.Function
}

// Text tells frames on one line: "include/linux/skbuff.h:3 in skb_get, inlined into net/core/dev.c:7 in netif_rx".
func Text(frames []Frame) string {
	parts := make([]string, len(frames))
	for i, f := range frames {
		parts[i] = f.in()
	}
	return strings.Join(parts, ", inlined into ")
}

// ErrNoLine is wrapped by the error of an address that the debug information says nothing of.
var ErrNoLine = errors.New("no line of the source is known for it")

// maxFrames bounds the functions that are within one another, and maxDepth the entries.
const (
	maxFrames = 100
	maxDepth  = 200
)

// Lookup tells the functions that an address is in, the innermost first.
func (f *File) Lookup(a kmem.Addr) ([]Frame, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ranges == nil {
		f.ranges = append([]arange{}, parseAranges(f.all("aranges"))...)
	}
	var frames []Frame
	var first error
	try := func(off uint64) bool {
		got, err := f.frames(off, uint64(a))
		if err != nil && first == nil {
			first = err
		}
		frames = got
		return len(got) > 0
	}
	if holding(f.ranges, uint64(a), try) || holding(f.unitRanges(), uint64(a), try) {
		return frames, nil
	}
	switch {
	case first != nil:
		return nil, first
	case f.failure != nil:
		return nil, f.failure
	}
	return nil, ErrNoLine
}

// function is one of a unit's, with one of its ranges.
type function struct {
	span
	off int
}

// index finds the functions of a unit.
func (f *File) index(u *unit) {
	if u.indexed {
		return
	}
	u.indexed = true
	var child entry
	u.each(&u.root, &child, func() bool {
		if child.ab.tag == tagSubprogram {
			for _, s := range f.spans(u, &child) {
				u.functions = append(u.functions, function{s, child.off})
			}
		}
		return true
	})
	slices.SortStableFunc(u.functions, func(a, b function) int { return cmp.Compare(a.low, b.low) })
}

// frames looks an address up in the unit at off.
func (f *File) frames(off, a uint64) ([]Frame, error) {
	u, err := f.unitAt(off)
	if err != nil {
		return nil, err
	}
	lines, err := f.lineTableOf(u)
	if err != nil {
		return nil, err
	}
	r, known := lines.at(a)
	place := Frame{Line: int(r.line)}
	if known && r.file >= 0 {
		place.File = lines.file(uint64(r.file))
	}
	f.index(u)
	chain := f.chain(u, a)
	if len(chain) == 0 {
		if !known {
			return nil, nil
		}
		return []Frame{place}, nil // assembly
	}
	frames := make([]Frame, 0, len(chain))
	for i := len(chain) - 1; i >= 0; i-- {
		place.Function = f.name(u, &chain[i], 0)
		frames = append(frames, place)
		// Where this one was called is where the next one is.
		place = Frame{File: lines.file(chain[i].u(slotCallFile)), Line: int(min(chain[i].u(slotCallLine), 1<<30))}
	}
	return frames, nil
}

// chain is the function that holds an address, and what was inlined there, outermost first.
func (f *File) chain(u *unit, a uint64) []entry {
	i, _ := slices.BinarySearchFunc(u.functions, a, func(g function, a uint64) int {
		if g.low <= a {
			return -1
		}
		return 1
	})
	best := -1
	for j := i - 1; j >= 0 && j >= i-64; j-- {
		if g := u.functions[j]; g.holds(a) && (best < 0 || g.high-g.low < u.functions[best].high-u.functions[best].low) {
			best = j
		}
	}
	if best < 0 {
		return nil
	}
	var e entry
	if _, ok := u.entry(u.functions[best].off, &e); !ok || e.ab == nil {
		return nil
	}
	chain := []entry{e}
	for depth := 0; depth < maxDepth && len(chain) < maxFrames; depth++ {
		if !f.inner(u, &e, a) {
			break
		}
		if e.ab.tag == tagInlined {
			chain = append(chain, e)
		}
	}
	return chain
}

// inner makes e its child that holds an address.
func (f *File) inner(u *unit, e *entry, a uint64) (found bool) {
	parent := *e
	var child entry
	u.each(&parent, &child, func() bool {
		if t := child.ab.tag; t != tagInlined && t != tagLexicalBlock {
			return true
		}
		for _, s := range f.spans(u, &child) {
			if s.holds(a) {
				*e, found = child, true
				return false
			}
		}
		return true
	})
	return found
}

// name is a function's, which an inlined one has from where it was defined.
func (f *File) name(u *unit, e *entry, depth int) string {
	if e.has(slotName) {
		return string(plain(u.bytes(e, slotName)))
	}
	for _, s := range []slot{slotAbstractOrigin, slotSpecification} {
		if !e.has(s) || depth > 8 {
			continue
		}
		to, v := u, e.vals[s]
		off, ok := u.ref(e, s)
		if !ok && v.form == formRefAddr { // in another unit: LTO
			if to, off, ok = f.elsewhere(v.u); !ok {
				continue
			}
		}
		var origin entry
		if _, good := to.entry(off, &origin); ok && good && origin.ab != nil {
			return f.name(to, &origin, depth+1)
		}
	}
	return ""
}

// elsewhere finds the unit that holds an offset of .debug_info.
func (f *File) elsewhere(off uint64) (*unit, int, bool) {
	units := f.list()
	i, _ := slices.BinarySearchFunc(units, off, func(h header, off uint64) int {
		if h.off <= off {
			return -1
		}
		return 1
	})
	if i == 0 || off-units[i-1].off >= units[i-1].size {
		return nil, 0, false
	}
	u, err := f.unitAt(units[i-1].off)
	return u, int(off - units[i-1].off), err == nil
}

// plain is a name without what no identifier has.
func plain(name []byte) []byte {
	const most = 512
	for i, c := range name {
		if c < ' ' || c > '~' || i >= most {
			return name[:i]
		}
	}
	return name
}
