package kmem

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxVMCoreInfo bounds the note, in bytes. The kernel gives it one page, of 64 KiB
// at most (include/linux/vmcore_info.h, VMCOREINFO_BYTES).
const maxVMCoreInfo = 64 << 10

// ErrNoVMCoreInfo is wrapped by the errors of bytes that are no VMCOREINFO.
var ErrNoVMCoreInfo = errors.New("not a VMCOREINFO note")

// VMCoreInfo is the kernel's note about itself: text, one KEY=VALUE a line
// (kernel/vmcore_info.c; kernel/crash_core.c before 6.9). It is immutable
// and safe for concurrent use.
//
// Keys of the form KIND(name) are
//
//	SYMBOL(name)       address, hexadecimal without 0x
//	OFFSET(type.member), SIZE(type), LENGTH(array)   bytes, bytes, elements; decimal
//	NUMBER(name)       decimal, signed; hexadecimal with 0x on some machines
//
// and beside them stand OSRELEASE, BUILD-ID (hexadecimal digits), PAGESIZE
// (bytes, decimal) and KERNELOFFSET (hexadecimal without 0x).
type VMCoreInfo struct {
	raw    []byte
	values map[string]string
}

// ParseVMCoreInfo reads the descriptor of a VMCOREINFO note. It skips lines that
// it does not understand (kernels add new ones), and the NULs that pad a note;
// bytes that hold no known line at all are refused with [ErrNoVMCoreInfo]. Of
// several lines with one key the last counts, as in crash and makedumpfile.
func ParseVMCoreInfo(raw []byte) (*VMCoreInfo, error) {
	if len(raw) > maxVMCoreInfo {
		return nil, fmt.Errorf("%w: %d bytes, more than any kernel writes (%d)", ErrNoVMCoreInfo, len(raw), maxVMCoreInfo)
	}
	v := &VMCoreInfo{
		raw:    bytes.Clone(bytes.TrimRight(raw, "\x00")),
		values: make(map[string]string),
	}
	known := 0
	for line := range strings.Lines(string(v.raw)) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n\x00"), "=")
		if !ok || !plainText(key) || !plainText(value) {
			continue
		}
		if knownKey(key) {
			known++
		}
		v.values[key] = value
	}
	if known == 0 {
		return nil, fmt.Errorf("%w: %d bytes without OSRELEASE or a SYMBOL(…) line", ErrNoVMCoreInfo, len(raw))
	}
	return v, nil
}

// knownKey reports whether a key is one that every VMCOREINFO has some of.
func knownKey(key string) bool {
	return key == "OSRELEASE" || (strings.HasPrefix(key, "SYMBOL(") && strings.HasSuffix(key, ")"))
}

// plainText reports whether s is printable ASCII, as all that the kernel writes
// here is: what passes may be shown on a terminal.
func plainText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// Value returns the text of a line by its whole key, such as "PAGESIZE" or
// "SYMBOL(_stext)".
func (v *VMCoreInfo) Value(key string) (string, bool) {
	if v == nil {
		return "", false
	}
	s, ok := v.values[key]
	return s, ok
}

// Symbol returns the address of a symbol, KASLR included.
func (v *VMCoreInfo) Symbol(name string) (Addr, bool) {
	s, ok := v.Value("SYMBOL(" + name + ")")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 64)
	return Addr(n), err == nil
}

// Number returns a NUMBER(name) line. Values that the kernel keeps unsigned,
// such as sme_mask, keep their 64 bits.
func (v *VMCoreInfo) Number(name string) (int64, bool) {
	s, ok := v.Value("NUMBER(" + name + ")")
	if !ok {
		return 0, false
	}
	if n, err := strconv.ParseInt(s, 0, 64); err == nil {
		return n, true
	}
	n, err := strconv.ParseUint(s, 0, 64)
	return int64(n), err == nil
}

// Length returns the number of elements of an array, LENGTH(name).
func (v *VMCoreInfo) Length(name string) (uint64, bool) { return v.decimal("LENGTH(" + name + ")") }

// Offset returns the byte offset of "struct.member".
func (v *VMCoreInfo) Offset(member string) (uint64, bool) {
	return v.decimal("OFFSET(" + member + ")")
}

// Size returns the size of a type in bytes.
func (v *VMCoreInfo) Size(name string) (uint64, bool) { return v.decimal("SIZE(" + name + ")") }

// Each calls yield for the lines KIND(name)=value of a kind, such as "SIZE", by
// name.
func (v *VMCoreInfo) Each(kind string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		if v == nil {
			return
		}
		for _, key := range slices.Sorted(maps.Keys(v.values)) {
			name, ok := strings.CutPrefix(key, kind+"(")
			if !ok {
				continue
			}
			if name, ok = strings.CutSuffix(name, ")"); ok && !yield(name, v.values[key]) {
				return
			}
		}
	}
}

func (v *VMCoreInfo) decimal(key string) (uint64, bool) {
	s, ok := v.Value(key)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

// Release is the kernel's release as uname -r prints it, "" where it is unknown.
func (v *VMCoreInfo) Release() string {
	s, _ := v.Value("OSRELEASE")
	return s
}

// BuildID is the kernel's GNU build ID in hexadecimal, "" where it is missing or
// is no build ID. Some stable releases (6.1.113-118, 6.6.55-62) write
// garbage there: never use it as the only evidence of anything.
func (v *VMCoreInfo) BuildID() string {
	s, _ := v.Value("BUILD-ID")
	if len(s) < 16 || len(s) > 128 || len(s)%2 != 0 || strings.Trim(s, "0123456789abcdefABCDEF") != "" {
		return ""
	}
	return s
}

// KernelOffset is how far KASLR moved the kernel's text, in bytes.
func (v *VMCoreInfo) KernelOffset() (int64, bool) {
	s, ok := v.Value("KERNELOFFSET")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 64)
	return int64(n), err == nil
}

// Raw is the note's text without its padding. The caller must not change it.
func (v *VMCoreInfo) Raw() []byte {
	if v == nil {
		return nil
	}
	return v.raw
}
