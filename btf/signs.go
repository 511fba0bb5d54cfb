package btf

import (
	"strings"
	"sync"
)

// Old blobs do not say of every type whether it is signed:
//
//   - Until 1.22 or so pahole wrote the flag for DWARF's DW_ATE_signed alone, so that
//     the types of DW_ATE_signed_char, char and signed char, came without.
//   - Until 6.0 struct btf_type had no flag for an enum's sign, and an enumerator
//     was 32 bits of either.
//
// Which of a blob's types that concerns is told by its other types, not by the
// kernel's release: it depends on the pahole that made it.

// signs is what a blob records, found out once.
type signs struct {
	charOnce sync.Once
	noChars  bool // char and signed char are written without their sign

	enumOnce sync.Once
	noEnums  bool // enums are
}

// signedChar reports whether the integer of that name is signed though its record
// has no flag. Of signed char the name says so. Where the record of that has no flag,
// char's has none either, and is what x86-64's ABI says: -funsigned-char came with
// 6.2, long after the pahole that wrote such records.
func (s *Spec) signedChar(name []byte) bool {
	switch string(name) {
	case "signed char":
		return true
	case "char":
		return s.root().charsUnsigned()
	}
	return false
}

// root is the blob that s extends, or s: one pahole makes the BTF of a kernel and
// of its modules.
func (s *Spec) root() *Spec {
	if s.base != nil {
		return s.base.root()
	}
	return s
}

// charsUnsigned looks at the records themselves, as it is called while one is decoded.
func (s *Spec) charsUnsigned() bool {
	s.signs.charOnce.Do(func() {
		for i := range s.ofKind(kindInt) {
			rec := s.record(s.firstID + ID(i))
			if string(s.nameBytes(le.Uint32(rec))) == "signed char" {
				s.signs.noChars = le.Uint32(rec[recordLen:])&(1<<24) == 0
				return
			}
		}
	})
	return s.signs.noChars
}

// signsRecorded reports whether any enum has the flag for signed, or 64 bits, which
// pahole began to write together. A kernel has dozens of negative enumerators.
func (s *Spec) signsRecorded() bool {
	r := s.root()
	r.signs.enumOnce.Do(func() {
		for range r.ofKind(kindEnum64) {
			return
		}
		for i := range r.ofKind(kindEnum) {
			if le.Uint32(r.record(r.firstID + ID(i))[4:])>>31 != 0 {
				return
			}
		}
		r.signs.noEnums = true
	})
	return !r.signs.noEnums
}

// negative judges by the enumerators whether an enum of 32-bit values without a sign
// has negative ones. A C enum has no negative values beside ones of the upper half.
//
//   - An enum of less than 4 bytes cannot hold a value of the upper half.
//   - What is called a maximum, a mask or all is none that is negative, and what is called
//     a minimum none of the upper half.
//   - From -4096 to -1 are error numbers, "none" and "invalid".
//   - All else is taken for unsigned: 1U << 31 and hashes. So is 1 << 31, which in C
//     is negative.
//
// Of the enums of 6.1 to 7.3, which have the flag, this is right for all but some flags
// of that last sort, and a handful.
func (t *Enum) negative() bool {
	small := false
	for i := range len(t.rows) / t.rowLen() {
		row := t.rows[i*t.rowLen():]
		v := int32(le.Uint32(row[4:]))
		if v >= 0 {
			continue
		}
		if t.Size < 4 {
			return true
		}
		name := strings.ToUpper(string(t.spec.nameBytes(le.Uint32(row))))
		switch {
		case strings.Contains(name, "MAX"), strings.Contains(name, "MASK"), strings.Contains(name+"_", "_ALL_"):
			return false
		case v >= -4096, strings.HasSuffix(name, "MIN"):
			small = true
		}
	}
	return small
}
