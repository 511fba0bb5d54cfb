package kmem

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// ErrNoKallsyms is wrapped by the error of [OpenKallsyms] for a kernel whose
// VMCOREINFO does not say where the tables are (before 6.0, or without
// CONFIG_KALLSYMS), and by that of [FindKallsyms] where nothing looks like them.
var ErrNoKallsyms = errors.New("no kallsyms tables found")

// ErrBadKallsyms is wrapped by the errors of tables that contradict themselves.
var ErrBadKallsyms = errors.New("kallsyms tables are damaged")

// ErrNoSymbol is wrapped by the errors of [Kallsyms.Find].
var ErrNoSymbol = errors.New("no such symbol")

// Limits of what a kernel can hold; all of them bound work and memory, none is
// near a real kernel (a distribution's has 150,000 to 250,000 symbols).
const (
	maxKallsyms     = 1<<21 - 2 // symbols
	maxKallsymsName = 2048      // bytes of one name, encoded or expanded; KSYM_NAME_LEN is 512
	maxKallsymsText = 64 << 20  // bytes of names
	maxTokenTable   = 1<<16 + maxKallsymsName
	bucketSize      = 256 // symbols from one marker to the next
)

// Kallsyms is the symbol table in a kernel's own memory.
//
// A kernel with CONFIG_KALLSYMS carries the names and addresses of its symbols
// in read-only memory, written at build time by scripts/kallsyms.c and read by
// kernel/kallsyms.c. Symbols are numbered from 0 by ascending address; all
// tables but one are in that order. Integers are little-endian.
//
//	num_syms      u32: how many symbols there are
//	names         for each symbol its length in bytes (one byte; two where the
//	              first has its high bit set: low 7 bits, then the next 7,
//	              since 6.1), and as many codes. A code is an index into the
//	              token table; the tokens' texts put together are nm's type
//	              letter and the name.
//	markers       u32 each: the offset in names of symbols 0, 256, 512, …
//	token_table   256 NUL-terminated texts
//	token_index   256 × u16: the offset of each text in token_table
//	offsets       32 bits a symbol: its address, encoded (see addressing)
//	relative_base u64: what offsets count from; gone since 7.0
//	seqs_of_names three bytes, big-endian, a symbol: the symbols' numbers sorted
//	              by name, then address. Since 6.2, and 6.1.42 of the stable
//	              series; the kernel's own lookups were linear before.
//
// VMCOREINFO names all of them since 6.0 (kernel/vmcore_info.c; kernel/crash_core.c
// before 6.9) but markers and seqs_of_names, whose places follow from their
// neighbours; in older kernels [FindKallsyms] looks for them. The tables lie in one section, each aligned to 8 bytes (4 since
// 7.0), in the order
//
//	up to 6.1  offsets relative_base num_syms names markers token_table token_index
//	to 6.3     the same, with seqs_of_names before token_table
//	6.4 on     num_syms names markers token_table token_index offsets
//	           relative_base seqs_of_names
//	7.0 on     the same without relative_base
//
// Nothing here goes by a version number: each place is tried, and one that does
// not hold what belongs there is given up. Without markers the names are walked
// once; without the sorted index a hash of all names is made when the first one
// is asked for.
//
// A Kallsyms reads the pages that a question needs and keeps them; it is safe for
// concurrent use. Where memory cannot be read a question is answered with
// "none", and [Kallsyms.Err] tells.
type Kallsyms struct {
	r       Reader
	places  kallsymsPlaces
	n       int
	tokens  [256]string
	markers []uint32      // one more than there are buckets: the last is the end of the names
	whole   []atomic.Bool // buckets that end where the next begins
	names   *lazyMemory
	offsets *lazyMemory
	addrs   addressing
	seqs    *lazyMemory // nil where the kernel has none
	byShape bool        // found by [FindKallsyms], not through VMCOREINFO
	ranges  []Range

	hashOnce sync.Once
	hash     atomic.Pointer[codesHash]
	fault    atomic.Pointer[error]
}

// Range is a range of kernel memory.
type Range struct {
	Addr Addr
	Len  uint64 // bytes
}

// OpenKallsyms finds the tables through VMCOREINFO and verifies them as far as
// a few pages tell. Errors wrap [ErrNoKallsyms], [ErrBadKallsyms] or a [*Fault].
func OpenKallsyms(r Reader, info *VMCoreInfo) (*Kallsyms, error) {
	var p kallsymsPlaces
	for _, want := range []struct {
		name string
		at   *Addr
	}{
		{"kallsyms_num_syms", &p.numSyms},
		{"kallsyms_names", &p.names},
		{"kallsyms_token_table", &p.tokenTable},
		{"kallsyms_token_index", &p.tokenIndex},
		{"kallsyms_offsets", &p.offsets},
	} {
		addr, ok := info.Symbol(want.name)
		if !ok {
			return nil, fmt.Errorf("%w: VMCOREINFO does not name %s", ErrNoKallsyms, want.name)
		}
		*want.at = addr
	}
	var ok bool
	if p.stext, ok = info.Symbol("_stext"); !ok {
		return nil, fmt.Errorf("%w: VMCOREINFO has no _stext to check addresses by", ErrBadKallsyms)
	}
	p.relativeBase, p.hasBase = info.Symbol("kallsyms_relative_base")
	return openKallsyms(r, p)
}

// Len is the number of symbols.
func (k *Kallsyms) Len() int { return k.n }

// Source tells where the symbols come from.
func (k *Kallsyms) Source() string {
	how := ""
	if k.byShape {
		how = ", found by its shape"
	}
	return fmt.Sprintf("the kernel's in-memory kallsyms%s (%s addresses)", how, k.addrs.kind)
}

// Index tells how names are found: by the kernel's own sorted index, or by one
// made here, and what that took.
func (k *Kallsyms) Index() string {
	if k.seqs != nil {
		return "kernel's sorted index"
	}
	if h := k.hash.Load(); h != nil {
		return fmt.Sprintf("hash index of %d names, %d KiB, made in %.1f ms",
			h.used, len(h.slots)*4/1024, float64(h.took.Microseconds())/1000)
	}
	return "hash index, not made yet"
}

// Ranges are the parts of kernel memory that hold the tables: an image that has
// them and VMCOREINFO can be opened with [OpenKallsyms] again.
func (k *Kallsyms) Ranges() []Range { return append([]Range(nil), k.ranges...) }

// Err is the first error that made a question be answered with "none", or nil.
func (k *Kallsyms) Err() error {
	if p := k.fault.Load(); p != nil {
		return *p
	}
	return nil
}

// failed remembers err for [Kallsyms.Err].
func (k *Kallsyms) failed(err error) {
	if err != nil && !errors.Is(err, ErrNoSymbol) {
		first := err
		k.fault.CompareAndSwap(nil, &first)
	}
}

// Lookup finds a symbol by its exact name; of several the lowest address. A
// per-CPU symbol of a kernel before 6.15 has a small offset for an address.
func (k *Kallsyms) Lookup(name string) (Symbol, bool) {
	s, err := k.Find(name)
	return s, err == nil
}

// Find is [Kallsyms.Lookup] with the reason where there is none: an error that
// wraps [ErrNoSymbol], [ErrBadKallsyms] or a [*Fault].
func (k *Kallsyms) Find(name string) (Symbol, error) {
	if name == "" || len(name) >= maxKallsymsName {
		return Symbol{}, fmt.Errorf("%w: a name of %d bytes", ErrNoSymbol, len(name))
	}
	var i int
	var err error
	if k.seqs != nil {
		i, err = k.findSorted(name)
	} else {
		i, err = k.findHashed(name)
	}
	if err != nil {
		k.failed(err)
		return Symbol{}, err
	}
	s, err := k.symbol(i)
	k.failed(err)
	return s, err
}

// symbol decodes symbol i.
func (k *Kallsyms) symbol(i int) (Symbol, error) {
	var buf nameBuffer
	codes, err := k.codes(i, &buf)
	if err != nil {
		return Symbol{}, err
	}
	s, err := k.decode(i, codes)
	if err == nil {
		err = k.checkOrder(i, s.Addr)
	}
	return s, err
}

// decode makes symbol i of its codes.
func (k *Kallsyms) decode(i int, codes []byte) (Symbol, error) {
	var text [maxKallsymsName]byte
	typ, name, ok := k.expand(codes, text[:0])
	if !ok {
		return Symbol{}, errNameBounds
	}
	addr, err := k.address(i)
	if err != nil {
		return Symbol{}, err
	}
	return Symbol{Name: string(name), Addr: addr, Type: typ}, nil
}
