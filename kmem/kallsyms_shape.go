package kmem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A kernel before 6.0 does not say where its kallsyms tables are, but one of them
// looks like nothing else: token_index, 256 16-bit numbers that begin with 0 and
// rise, each by the length of a short text and its NUL, which stand right before
// it. From there the neighbours follow, whose order scripts/kallsyms.c fixes:
//
//	up to 4.5  addresses num_syms names markers token_table token_index
//	to 6.3     offsets relative_base num_syms names markers [seqs] token_table token_index
//	6.4 on     num_syms names markers token_table token_index offsets [relative_base] seqs
//
// where addresses are whole, 64 bits each, and num_syms and each marker have 64
// bits before 5.0. The markers are found by their shape as well (0, and then
// rising by what 256 names take), and the names by the markers: they end where
// the markers begin, and the first bucket is as long as the second marker says.
//
// What is found so is believed when it agrees with what else is known: see
// verify.

// Limits of the search.
const (
	kernelMapEnd   = startKMap + 1<<30 // KERNEL_IMAGE_SIZE with KASLR, arch/x86/include/asm/page_64_types.h
	maxShapeScan   = 256 << 20         // bytes of memory that are looked at
	maxShapes      = 4                 // places with the shape of token_index and markers that are tried
	shapeChunk     = 64 << 10          // bytes of one read
	tokenIndexSize = 512
	// maxTokenText bounds the text of one token where its end is not known; the
	// longest seen has 30 bytes.
	maxTokenText = 1024
	// maxMarkerStep is more than 256 names ever took: 128 bytes each.
	maxMarkerStep = bucketSize * 128
)

// FindKallsyms finds the tables by their shape, in the kernel's image: from the
// address of _stext in VMCOREINFO on or, where info is nil, in all of the
// kernel's mapping. It verifies what it finds before it returns it. Errors wrap
// [ErrNoKallsyms] where nothing has the shape, or [ErrBadKallsyms].
func FindKallsyms(r Reader, info *VMCoreInfo) (*Kallsyms, error) {
	return findKallsyms(r, info, false)
}

// findReadOnlyKallsyms is [FindKallsyms] where the tables of each kernel that was ever looked at are: before all
// data. That is some megabytes, the last of which have them, where the whole search may read [maxShapeScan].
func findReadOnlyKallsyms(r Reader, info *VMCoreInfo) (*Kallsyms, error) {
	return findKallsyms(r, info, true)
}

func findKallsyms(r Reader, info *VMCoreInfo, readOnly bool) (*Kallsyms, error) {
	s := shapeScan{r: r, info: info, budget: maxShapeScan}
	from, split, to := Addr(startKMap), Addr(startKMap), Addr(kernelMapEnd)
	if info != nil {
		var ok bool
		if s.stext, ok = info.Symbol("_stext"); !ok {
			return nil, fmt.Errorf("%w: VMCOREINFO has no _stext to check addresses by", ErrNoKallsyms)
		}
		if s.stext < startKMap || s.stext >= kernelMapEnd {
			return nil, fmt.Errorf("%w: VMCOREINFO says that _stext is at %v, outside the kernel's mapping", ErrNoKallsyms, s.stext)
		}
		// The tables are in read-only data, between text and data.
		from, split = s.stext.Page(), s.lowestData().Page()
	}
	k := s.down(from, split)
	if k == nil && !readOnly {
		if m, ok := r.(mapReader); ok {
			k = s.mapped(m, split, to)
		} else {
			k = s.up(split, to)
		}
	}
	switch {
	case k != nil:
		return k, nil
	case s.last != nil:
		err := fmt.Errorf("tables found by their shape are not believed: %w", s.last)
		if errors.Is(err, ErrNoSymbol) { // of those by which tables are verified
			err = fmt.Errorf("%w: %w", ErrBadKallsyms, err)
		}
		return nil, err
	}
	return nil, fmt.Errorf("%w: nothing in the kernel's image, from %v on, has their shape", ErrNoKallsyms, from)
}

// shapeScan is one search.
type shapeScan struct {
	r      Reader
	info   *VMCoreInfo // nil where there is none
	stext  Addr        // only with info
	budget int         // bytes that may still be read
	tried  int         // places that were taken for tables
	last   error       // why the last of them was none
	buf    [shapeChunk + tokenIndexSize]byte
}

// lowestData is the lowest address above _stext in VMCOREINFO: all symbols
// there but _stext are data.
func (s *shapeScan) lowestData() Addr {
	low := Addr(kernelMapEnd)
	for _, sym := range s.info.imageSymbols() {
		if sym.Addr > s.stext && !strings.HasPrefix(sym.Name, "kallsyms_") {
			low = min(low, sym.Addr)
		}
	}
	if low == kernelMapEnd {
		return s.stext
	}
	return low
}

// mapReader is a [Reader] that knows how its memory is mapped.
type mapReader interface {
	// mappedAs is how addr is mapped, and how many bytes from it on are mapped alike, at least.
	mappedAs(addr Addr) (mapping, uint64)
}

// mapping is how memory is mapped.
type mapping uint8

const (
	mappedNot mapping = iota
	mappedData
	mappedText // can be executed
)

// mapped searches [from, to) as up does: what is data first, as tables in read-only data can be executed on no
// kernel of this decade, and text only where that has none.
func (s *shapeScan) mapped(m mapReader, from, to Addr) *Kallsyms {
	for _, want := range []mapping{mappedData, mappedText} {
		for at := from; at < to && !s.spent(); {
			is, n := m.mappedAs(at)
			end := at.Add(int64(min(n, uint64(to-at))))
			if is == want {
				for end < to && end-at < shapeChunk {
					next, more := m.mappedAs(end)
					if next != want {
						break
					}
					end = end.Add(int64(min(more, uint64(to-end))))
				}
				if k := s.up(at, end); k != nil {
					return k
				}
			}
			at = end
		}
	}
	return nil
}

// down searches [from, to), last chunk first.
func (s *shapeScan) down(from, to Addr) *Kallsyms {
	for at := to; at > from && !s.spent(); {
		start := max(from, (at-1).Page()&^(shapeChunk-1))
		if k := s.chunk(start, at); k != nil {
			return k
		}
		at = start
	}
	return nil
}

// up searches [from, to), first chunk first.
func (s *shapeScan) up(from, to Addr) *Kallsyms {
	for at := from; at < to && !s.spent(); {
		end := min(to, (at+shapeChunk)&^(shapeChunk-1))
		if k := s.chunk(at, end); k != nil {
			return k
		}
		at = end
	}
	return nil
}

func (s *shapeScan) spent() bool { return s.budget <= 0 || s.tried >= maxShapes }

// chunk searches for an index that begins in [from, to), a range of whole pages
// and of at most shapeChunk bytes.
func (s *shapeScan) chunk(from, to Addr) *Kallsyms {
	n := int(to - from)
	if s.r.ReadMem(from, s.buf[:n+tokenIndexSize]) == nil {
		return s.search(from, n, n+tokenIndexSize)
	}
	// A hole begins or ends here, or all of it is one. Tables have many pages.
	page := s.buf[:PageSize]
	if n > PageSize && s.r.ReadMem(from, page) != nil && s.r.ReadMem(to-PageSize, page) != nil {
		return nil
	}
	for at := from; at < to; at += PageSize {
		size := PageSize + tokenIndexSize
		if s.r.ReadMem(at, s.buf[:size]) != nil {
			if size = PageSize; s.r.ReadMem(at, s.buf[:size]) != nil {
				continue
			}
		}
		if k := s.search(at, PageSize, size); k != nil {
			return k
		}
	}
	return nil
}

// search looks at the first n of the size bytes in buf, which are those at from.
func (s *shapeScan) search(from Addr, n, size int) *Kallsyms {
	s.budget -= n
	data := s.buf[:size]
	for i := 0; i+4 <= n; i += 4 {
		// Nearly all words end here, two at a time.
		for i+8 <= n {
			w := binary.LittleEndian.Uint64(data[i:])
			if !indexBegins(uint32(w)) && !indexBegins(uint32(w>>32)) {
				i += 8
				continue
			}
			break
		}
		if i+4 > n {
			break
		}
		if !indexBegins(binary.LittleEndian.Uint32(data[i:])) {
			continue
		}
		if i+tokenIndexSize > size || !isTokenIndex(data[i:i+tokenIndexSize]) {
			continue
		}
		if k := s.try(from.Add(int64(i)), [tokenIndexSize]byte(data[i:])); k != nil {
			return k
		}
		if s.spent() {
			break
		}
	}
	return nil
}

// indexBegins reports whether a word may be the first two numbers: 0, and one from 1 to maxTokenText, a power
// of 2. It is one comparison, which comes out the same way nearly each time, where three would not.
func indexBegins(w uint32) bool { return w&0xffff|(w>>16-1)&^(maxTokenText-1) == 0 }

// isTokenIndex reports whether 256 numbers can be a token_index.
func isTokenIndex(b []byte) bool {
	before := uint16(0)
	for i := 2; i < tokenIndexSize; i += 2 {
		v := binary.LittleEndian.Uint16(b[i:])
		if v <= before || v-before > maxTokenText {
			return false
		}
		before = v
	}
	return true
}

// try opens and verifies the tables around an index, or keeps the reason why
// they are none.
func (s *shapeScan) try(index Addr, raw [tokenIndexSize]byte) *Kallsyms {
	table, ok := s.tokenTable(index, raw[:])
	if !ok {
		return nil
	}
	m, err := s.findMarkers(table)
	if err != nil {
		s.last = err
		return nil
	}
	s.tried++
	p := kallsymsPlaces{tokenTable: table, tokenIndex: index, names: m.names, numSyms: m.numSyms, stext: s.stext, noStext: s.info == nil}
	n := uint64(m.n)
	after := index + tokenIndexSize
	base := below(m.numSyms, 8, 8)
	ways := []struct {
		offsets, base Addr
		whole         bool
	}{
		{offsets: below(base, 4*n, 8), base: base}, // 4.6 to 6.3
		{offsets: after}, // 7.0 on
		{offsets: after, base: (after + Addr(4*n) + 7) &^ 7}, // 6.4 on
		{offsets: below(m.numSyms, 8*n, 8), whole: true},     // up to 4.5
	}
	// Where _stext is not known, linux_banner is looked for by its name. Without an index that takes a
	// pass over all names, each way; so the ways by which there is one come first.
	for _, p.indexed = range []bool{true, false} {
		if p.indexed && !p.noStext {
			continue
		}
		for _, way := range ways {
			p.offsets, p.wholeAddrs = way.offsets, way.whole
			p.relativeBase, p.hasBase = way.base, way.base != 0
			k, err := openKallsyms(s.r, p)
			if err == nil {
				if err = s.verify(k); err == nil {
					k.byShape = true
					return k
				}
				s.last = err
				return nil
			}
			s.last = err
		}
	}
	return nil
}

// tokenTable finds where the texts begin whose lengths the index tells: each
// is followed by a NUL, and the last ends right before the index.
func (s *shapeScan) tokenTable(index Addr, raw []byte) (Addr, bool) {
	last := int(binary.LittleEndian.Uint16(raw[tokenIndexSize-2:]))
	text := s.readBefore(index, (last+maxTokenText)&^3)
	// Index and text begin at a multiple of 4, and so do all places to try.
	for start := (len(text) - last - 1) &^ 3; start >= 0; start -= 4 {
		if s.textsFit(text[start:], raw) {
			return index.Add(int64(start - len(text))), true
		}
	}
	return 0, false
}

// readBefore reads the n bytes before end, or as many whole pages of them, and
// what is below end in its own, as can be read.
func (s *shapeScan) readBefore(end Addr, n int) []byte {
	s.budget -= n
	buf := make([]byte, n)
	if s.r.ReadMem(end.Add(-int64(n)), buf) == nil {
		return buf
	}
	have := 0 // at the end of buf
	for have < n {
		at := end.Add(-int64(have))
		size := min(n-have, int(at-(at-1).Page()))
		if s.r.ReadMem(at.Add(-int64(size)), buf[n-have-size:n-have]) != nil {
			break
		}
		have += size
	}
	return buf[n-have:]
}

// textsFit reports whether table holds the texts that the index describes: no
// NUL within one, one after each, and nothing but padding behind the last.
func (s *shapeScan) textsFit(table, raw []byte) bool {
	from := 0
	for i := 1; i < 256; i++ {
		to := int(binary.LittleEndian.Uint16(raw[2*i:]))
		if to > len(table) || table[to-1] != 0 {
			return false
		}
		for _, c := range table[from : to-1] {
			if c <= ' ' || c > '~' {
				return false
			}
		}
		from = to
	}
	rest := table[from:]
	n := slices.Index(rest, 0)
	return n >= 0 && len(rest)-n <= 8 && !slices.ContainsFunc(rest[n:], func(c byte) bool { return c != 0 })
}

// verify compares what was found with what is known of the kernel otherwise:
// that _stext is where VMCOREINFO puts it, openKallsyms has seen; here, that so
// are two of its other symbols at least, and none elsewhere, and that
// linux_banner is the banner of this release.
func (s *shapeScan) verify(k *Kallsyms) error {
	const enough = 2
	same := 0
	for _, sym := range s.info.imageSymbols() {
		if sym.Name == "_stext" || strings.HasPrefix(sym.Name, "kallsyms_") { // not listed before 6.4
			continue
		}
		ok, err := k.decodes(sym.Name, sym.Addr)
		if err != nil {
			return err
		}
		if ok {
			same++
			continue
		}
		// Some are no symbols but names for one, or for a part of one:
		// swapper_pg_dir, node_online_map.
		if other, err := k.Find(sym.Name); err == nil {
			return fmt.Errorf("%w: VMCOREINFO says that %s is at %v, and they say %v", ErrBadKallsyms, sym.Name, sym.Addr, other.Addr)
		}
	}
	if s.info != nil {
		// Also as others find it: damage may spare one way and not the other.
		if sym, err := k.Find("_stext"); err != nil || sym.Addr != s.stext {
			return fmt.Errorf("%w: VMCOREINFO says that _stext is at %v, and they do not", ErrBadKallsyms, s.stext)
		}
	}
	if s.info != nil && same < enough {
		return fmt.Errorf("%w: only %d of the symbols in VMCOREINFO are among them, and %d are wanted", ErrBadKallsyms, same, enough)
	}
	return k.checkBanner(s.info.Release())
}

// checkBanner reads linux_banner, which is "Linux version RELEASE …"
// (init/version.c). Where release is "" any will do.
func (k *Kallsyms) checkBanner(release string) error {
	sym, err := k.Find("linux_banner")
	if err != nil {
		return fmt.Errorf("linux_banner: %w", err)
	}
	want := "Linux version " + release
	if release != "" {
		want += " "
	}
	got := make([]byte, len(want))
	if err := k.r.ReadMem(sym.Addr, got); err != nil {
		return fmt.Errorf("linux_banner: %w", err)
	}
	if string(got) != want {
		return fmt.Errorf("%w: linux_banner at %v is not %q", ErrBadKallsyms, sym.Addr, want)
	}
	k.ranges = append(k.ranges, Range{sym.Addr, uint64(len(got))})
	return nil
}

// imageSymbols are the SYMBOL(…) lines whose value lies in the kernel's image,
// sorted. Some others are no symbol's address but what a pointer of that name
// holds (VMCOREINFO_SYMBOL_ARRAY).
func (v *VMCoreInfo) imageSymbols() []Symbol {
	var syms []Symbol
	for name := range v.Each("SYMBOL") {
		if addr, ok := v.Symbol(name); ok && addr >= startKMap && addr < kernelMapEnd {
			syms = append(syms, Symbol{Name: name, Addr: addr})
		}
	}
	slices.SortFunc(syms, func(a, b Symbol) int {
		if a.Addr != b.Addr {
			if a.Addr < b.Addr {
				return -1
			}
			return 1
		}
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return syms
}

var errNoMarkers = errors.New("no markers before the token table")
