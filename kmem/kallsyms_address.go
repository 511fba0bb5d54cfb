package kmem

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// addressing is how kallsyms_offsets encodes addresses. One signed 32-bit entry
// means, depending on the kernel:
//
//	absolute per-CPU    v >= 0: the address is v (a per-CPU symbol's offset);
//	                    v < 0: relative_base - 1 - v. With
//	                    CONFIG_KALLSYMS_ABSOLUTE_PERCPU, x86-64 SMP up to 6.14
//	                    (scripts/kallsyms.c, --absolute-percpu).
//	base-relative       relative_base + v, v unsigned. 6.15 to 6.19, since per-CPU
//	                    symbols are ordinary addresses there.
//	place-relative      the address of the entry itself + v. Since 7.0, when
//	                    relative_base went away.
//
// Before 4.6 there were no offsets but kallsyms_addresses, 64 bits each:
//
//	whole               the entry is the address.
type addressing struct {
	kind addressKind
	base Addr
}

type addressKind uint8

const (
	absolutePerCPU addressKind = iota
	baseRelative
	placeRelative
	wholeAddress
)

// String names the encoding in the words that messages use.
func (a addressKind) String() string {
	switch a {
	case absolutePerCPU:
		return "absolute per-CPU"
	case baseRelative:
		return "base-relative"
	case wholeAddress:
		return "whole"
	default:
		return "place-relative"
	}
}

// width is the size of an entry in bytes.
func (a addressing) width() uint64 {
	if a.kind == wholeAddress {
		return 8
	}
	return 4
}

// decode turns the entry v of 32 bits, which stands at slot, into an address.
func (a addressing) decode(slot Addr, v uint32) Addr {
	switch {
	case a.kind == placeRelative:
		return slot.Add(int64(int32(v)))
	case a.kind == baseRelative:
		return a.base.Add(int64(v))
	case int32(v) >= 0:
		return Addr(v)
	default:
		return a.base.Add(-1 - int64(int32(v)))
	}
}

var errNotAscending = fmt.Errorf("%w: addresses are not in ascending order", ErrBadKallsyms)

// address decodes the address of symbol i.
func (k *Kallsyms) address(i int) (Addr, error) {
	b, err := k.offsets.from(uint64(i) * k.addrs.width())
	if err != nil {
		return 0, fmt.Errorf("kallsyms_offsets: %w", err)
	}
	// Entries are aligned (open checks it), so none crosses a page.
	if k.addrs.kind == wholeAddress {
		return Addr(binary.LittleEndian.Uint64(b)), nil
	}
	return k.addrs.decode(k.offsets.base.Add(int64(i)*4), binary.LittleEndian.Uint32(b)), nil
}

// firstAtOrAbove finds the lowest-numbered symbol whose address is at least
// addr, or Len where there is none. What it looks at must be in ascending order.
func (k *Kallsyms) firstAtOrAbove(addr Addr) (int, error) {
	lo, hi := 0, k.n
	least, most := Addr(0), ^Addr(0)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		a, err := k.address(mid)
		if err != nil {
			return 0, err
		}
		if a < least || a > most {
			return 0, errNotAscending
		}
		if a < addr {
			lo, least = mid+1, a
		} else {
			hi, most = mid, a
		}
	}
	return lo, nil
}

// checkOrder compares the address of symbol i with its neighbours'.
func (k *Kallsyms) checkOrder(i int, addr Addr) error {
	if i > 0 {
		if a, err := k.address(i - 1); err != nil || a > addr {
			return orElse(err, errNotAscending)
		}
	}
	if i+1 < k.n {
		if a, err := k.address(i + 1); err != nil || a < addr {
			return orElse(err, errNotAscending)
		}
	}
	return nil
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// maxAliases bounds the symbols at one address that are looked at.
const maxAliases = 256

// At finds the symbol that holds addr. Symbols have no size here: one ends
// where the next address begins, and what follows the last symbol of a section
// belongs to nobody where that can be told (see holds).
func (k *Kallsyms) At(addr Addr) (Symbol, uint64, bool) {
	s, off, err := k.at(addr)
	k.failed(err)
	return s, off, err == nil
}

func (k *Kallsyms) at(addr Addr) (Symbol, uint64, error) {
	if !addr.IsKernel() {
		return Symbol{}, 0, ErrNoSymbol // small numbers are no addresses, though per-CPU symbols look like them
	}
	i, err := k.firstAtOrAbove(addr)
	if err != nil {
		return Symbol{}, 0, err
	}
	start := addr
	if i < k.n {
		if start, err = k.address(i); err != nil {
			return Symbol{}, 0, err
		}
	}
	if i == k.n || start != addr {
		if i == 0 {
			return Symbol{}, 0, ErrNoSymbol
		}
		last := i == k.n
		if start, err = k.address(i - 1); err != nil {
			return Symbol{}, 0, err
		}
		// Below the kernel only per-CPU offsets are left.
		if !start.IsKernel() || last && !near(start, addr) {
			return Symbol{}, 0, ErrNoSymbol
		}
		if i, err = k.firstAtOrAbove(start); err != nil {
			return Symbol{}, 0, err
		}
	}
	if i == k.n || start > addr {
		return Symbol{}, 0, errNotAscending
	}
	s, err := k.symbol(i)
	if err != nil {
		return Symbol{}, 0, err
	}
	if s.Addr != start {
		return Symbol{}, 0, errNotAscending
	}
	off := uint64(addr - start)
	for j := i + 1; !holds(s, off, k.n); j++ {
		// Another section may begin where this one ends: then it is the holder.
		if j == k.n || j > i+maxAliases {
			return Symbol{}, 0, ErrNoSymbol
		}
		if s, err = k.symbol(j); err != nil {
			return Symbol{}, 0, err
		}
		if s.Addr != start {
			return Symbol{}, 0, ErrNoSymbol
		}
	}
	return s, off, nil
}

// maxTextSymbol is more than any function's size in bytes: beyond it lies the
// padding between sections, which begin at 2 MiB.
const maxTextSymbol = 256 << 10

// maxDataSymbol is more than any variable's: beyond it lies another part of the
// address space.
const maxDataSymbol = 64 << 20

// holds reports whether what lies off bytes after the start of s, and before any
// higher symbol, can be its own. n is the number of symbols.
func holds(s Symbol, off uint64, n int) bool {
	if off == 0 {
		return true
	}
	if s.Module == "" && off >= tableSize(s.Name, n) {
		return false
	}
	if text := s.Type == 't' || s.Type == 'T'; text && off >= maxTextSymbol {
		return false
	}
	return off < maxDataSymbol && (s.Module != "" || !isEndMarker(s.Name))
}

// tableSize bounds a symbol whose size is known, in bytes: the last of the kernel's tables of n symbols
// (scripts/kallsyms.c), behind which the rest of a section lies.
func tableSize(name string, n int) uint64 {
	switch name {
	case "kallsyms_seqs_of_names": // the last one since 6.2
		return 3 * uint64(n)
	case "kallsyms_token_index": // before that
		return 512
	case "kallsyms_offsets":
		return 4 * uint64(n)
	case "kallsyms_relative_base":
		return 8
	}
	return maxDataSymbol
}

// near reports whether addr is in the page of start or the next: as far as a
// symbol reaches that no other follows.
func near(start, addr Addr) bool { return uint64(addr.Page()-start.Page()) <= PageSize }

// isEndMarker reports whether a symbol marks the end of a section, so that what
// follows it is not its own. The names are those of arch/x86/kernel/vmlinux.lds.S
// and include/asm-generic/vmlinux.lds.h; 7.x repeats some with __pi_ before
// them, for code that runs before the kernel's addresses are mapped.
func isEndMarker(name string) bool {
	name = strings.TrimPrefix(name, "__pi_")
	switch name {
	case "_end", "_etext", "_einittext", "_edata", "__init_end", "__inittext_end",
		"__end_rodata", "__end_rodata_aligned", "__end_rodata_hpage_align",
		"__bss_stop", "__brk_limit", "__end_bss_decrypted", "__end_of_kernel_reserve",
		"__init_scratch_end", "__per_cpu_end", "__smp_locks_end", "__nosave_end",
		"__indirect_thunk_end", "__retpoline_sites_end", "__return_sites_end",
		"__alt_instructions_end", "__parainstructions_end", "__ibt_endbr_seal_end":
		return true
	}
	return strings.HasPrefix(name, "__stop_") ||
		strings.HasPrefix(name, "__") && strings.HasSuffix(name, "_text_end")
}
