package kmem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
)

// kallsymsPlaces is where the tables are, by VMCOREINFO or by their shape.
type kallsymsPlaces struct {
	numSyms, names, tokenTable, tokenIndex, offsets Addr

	relativeBase Addr // of the variable; only with hasBase
	hasBase      bool
	wholeAddrs   bool // offsets is kallsyms_addresses
	stext        Addr // what the symbol _stext must decode to
	indexed      bool // only with seqs_of_names
	noStext      bool // that is not known: linux_banner must decode to a banner
}

// errNotIndexed is the error of tables without seqs_of_names where only others are wanted.
var errNotIndexed = fmt.Errorf("%w: names have no sorted index", ErrBadKallsyms)

func openKallsyms(r Reader, p kallsymsPlaces) (*Kallsyms, error) {
	n, err := ReadUint32(r, p.numSyms)
	if err != nil {
		return nil, fmt.Errorf("kallsyms_num_syms: %w", err)
	}
	if n == 0 || n > maxKallsyms {
		return nil, fmt.Errorf("%w: %d symbols", ErrBadKallsyms, n)
	}
	if p.offsets%4 != 0 {
		return nil, fmt.Errorf("%w: kallsyms_offsets is at the odd address %v", ErrBadKallsyms, p.offsets)
	}
	k := &Kallsyms{r: r, n: int(n)}
	if p.wholeAddrs {
		k.addrs.kind = wholeAddress
	}
	size := uint64(n) * k.addrs.width()
	k.offsets = newLazyMemory(r, p.offsets, size)
	k.ranges = []Range{{p.numSyms, 4}, {p.offsets, size}}
	if err := k.openTokens(p); err != nil {
		return nil, err
	}
	if err := k.openMarkers(p); err != nil {
		return nil, err
	}
	k.whole = make([]atomic.Bool, len(k.markers)-1)
	k.openSeqs(p)
	if p.indexed && k.seqs == nil {
		return nil, errNotIndexed
	}
	if err := k.openAddresses(p); err != nil {
		return nil, err
	}
	k.places = p
	return k, nil
}

// openTokens reads the token table whole; it has about a kilobyte.
func (k *Kallsyms) openTokens(p kallsymsPlaces) error {
	var index [512]byte
	if err := k.r.ReadMem(p.tokenIndex, index[:]); err != nil {
		return fmt.Errorf("kallsyms_token_index: %w", err)
	}
	// The index follows the table in every release.
	size := uint64(p.tokenIndex) - uint64(p.tokenTable)
	if p.tokenIndex <= p.tokenTable || size > maxTokenTable {
		return fmt.Errorf("%w: token table at %v, its index at %v", ErrBadKallsyms, p.tokenTable, p.tokenIndex)
	}
	table := make([]byte, size)
	if err := k.r.ReadMem(p.tokenTable, table); err != nil {
		return fmt.Errorf("kallsyms_token_table: %w", err)
	}
	var err error
	k.tokens, err = parseTokens(table, index[:])
	k.ranges = append(k.ranges, Range{p.tokenTable, size}, Range{p.tokenIndex, uint64(len(index))})
	return err
}

// openMarkers finds the markers, or makes them by walking all names once.
func (k *Kallsyms) openMarkers(p kallsymsPlaces) error {
	size := uint64(k.n+bucketSize-1) / bucketSize * 4
	seqs := uint64(k.n) * 3
	for _, align := range []uint64{8, 4} {
		for _, end := range []Addr{p.tokenTable, below(p.tokenTable, seqs, align)} {
			at := below(end, size, align)
			if at > p.names && uint64(at-p.names) <= maxKallsymsText && k.tryMarkers(p.names, at, size) {
				k.ranges = append(k.ranges, Range{p.names, uint64(at - p.names)}, Range{at, size})
				return nil
			}
		}
	}
	return k.walkMarkers(p.names)
}

// below is where something of size bytes begins that ends at end, or less than
// align before it.
func below(end Addr, size, align uint64) Addr {
	return Addr((uint64(end) - size) &^ (align - 1))
}

// tryMarkers reads markers at the address and reports whether they are: rising
// from 0 by at least two bytes a name, each bucket that is looked at ending at
// the next marker, and the last of the names right before the markers.
func (k *Kallsyms) tryMarkers(names, at Addr, size uint64) bool {
	raw := make([]byte, size) // at most 32 KiB
	if k.r.ReadMem(at, raw) != nil {
		return false
	}
	total := uint64(at - names)
	markers := make([]uint32, size/4, size/4+1)
	for i := range markers {
		markers[i] = binary.LittleEndian.Uint32(raw[4*i:])
		if i == 0 && markers[0] != 0 || uint64(markers[i]) >= total ||
			i > 0 && (markers[i] < markers[i-1]+2*bucketSize || markers[i] > markers[i-1]+bucketSize*(maxKallsymsName+2)) {
			return false
		}
	}
	k.markers = append(markers, uint32(total))
	k.names = newLazyMemory(k.r, names, total)
	last := len(markers) - 1
	end, err := k.bucketEnd(last)
	if err != nil || end > total || total-end >= 8 {
		return false
	}
	k.markers[last+1] = uint32(end)
	for _, b := range []int{0, last / 2} {
		if end, err := k.bucketEnd(b); err != nil || end != uint64(k.markers[b+1]) {
			return false
		}
	}
	return true
}

// bucketEnd walks a bucket and returns the offset behind its last name.
func (k *Kallsyms) bucketEnd(b int) (uint64, error) {
	c := k.bucket(b)
	err := c.pass(min(bucketSize, k.n-b*bucketSize))
	return c.off(), err
}

// walkMarkers makes the markers that could not be found. Where the names end is
// not known before, so it reads whole pages, and the range has them.
func (k *Kallsyms) walkMarkers(names Addr) error {
	k.names = newLazyMemory(k.r, names, maxKallsymsText)
	k.markers = make([]uint32, 0, (k.n+bucketSize-1)/bucketSize+1)
	c := nameCursor{m: k.names, end: k.names.size}
	for i := 0; i < k.n; i += bucketSize {
		k.markers = append(k.markers, uint32(c.off()))
		if err := c.pass(min(bucketSize, k.n-i)); err != nil {
			return err
		}
	}
	k.markers = append(k.markers, uint32(c.off()))
	k.names.size = c.off()
	last := names.Add(int64(c.off()) - 1).Page()
	k.ranges = append(k.ranges, Range{names, uint64(last-names) + PageSize})
	return nil
}

// openAddresses picks the encoding by which _stext has the address that
// VMCOREINFO gives it.
func (k *Kallsyms) openAddresses(p kallsymsPlaces) error {
	var ways []addressing
	switch {
	case p.wholeAddrs:
		ways = append(ways, addressing{kind: wholeAddress})
	case p.hasBase:
		base, err := ReadAddr(k.r, p.relativeBase)
		if err != nil {
			return fmt.Errorf("kallsyms_relative_base: %w", err)
		}
		k.ranges = append(k.ranges, Range{p.relativeBase, 8})
		ways = append(ways, addressing{absolutePerCPU, base}, addressing{baseRelative, base}, addressing{kind: placeRelative})
	default:
		ways = append(ways, addressing{kind: placeRelative})
	}
	for _, way := range ways {
		k.addrs = way
		if p.noStext {
			if k.checkBanner("") == nil {
				return nil
			}
			continue
		}
		ok, err := k.decodes("_stext", p.stext)
		if err != nil && !errors.Is(err, errNotAscending) {
			return err
		}
		if ok {
			return nil
		}
	}
	if p.noStext {
		return fmt.Errorf("%w: no known encoding of addresses puts linux_banner where a banner is", ErrBadKallsyms)
	}
	return fmt.Errorf("%w: no known encoding of addresses puts _stext at %v", ErrBadKallsyms, p.stext)
}

// decodes reports whether one of the symbols at addr has the name.
func (k *Kallsyms) decodes(name string, addr Addr) (bool, error) {
	i, err := k.firstAtOrAbove(addr)
	if err != nil {
		return false, err
	}
	for j := i; j < min(k.n, i+maxAliases); j++ {
		a, err := k.address(j)
		if err != nil {
			return false, err
		}
		if a != addr {
			return false, nil
		}
		var buf nameBuffer
		codes, err := k.codes(j, &buf)
		if err != nil {
			return false, err
		}
		if k.compare(codes, name) == 0 {
			return true, nil
		}
	}
	return false, nil
}
