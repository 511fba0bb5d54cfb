package btf

import (
	"fmt"
	"sync"
)

// ID numbers a type. 0 is void; a split blob goes on where its base ends.
type ID uint32

// Spec is one decoded blob: that of vmlinux, or a module's on top of it. All
// methods are safe for concurrent use.
type Spec struct {
	name string
	base *Spec // nil for vmlinux

	types   []byte
	strings []byte

	firstID  ID     // ID of the first record in types
	firstStr uint32 // string offset of the first byte of strings

	// One element a record, in the order of the IDs.
	offsets []uint32 // of the record in types
	kinds   []byte

	incomplete error // why records at the end could not be told apart

	mu    sync.RWMutex
	cache map[ID]Type

	layoutMu sync.Mutex
	layouter layouter

	signs signs

	names  nameStore
	tables [kindMax + 1]nameTable
}

// Parse reads the BTF of a kernel image. It keeps a reference to data, which
// must not change as long as the Spec is in use, and takes time in proportion to
// the number of types (see the package comment), because nothing but a walk over
// the records tells where the record of an ID is.
//
// The error is a [*FormatError].
func Parse(data []byte) (*Spec, error) { return parse(data, "vmlinux", nil) }

// ParseSplit reads the BTF of the module name, whose types refer to those of
// base. It keeps references to both.
func ParseSplit(data []byte, name string, base *Spec) (*Spec, error) {
	return parse(data, name, base)
}

func parse(data []byte, name string, base *Spec) (*Spec, error) {
	sec, err := parseHeader(data)
	if err != nil {
		return nil, err
	}
	s := &Spec{
		name:    name,
		base:    base,
		types:   sec.types,
		strings: sec.strings,
		firstID: 1,
		cache:   make(map[ID]Type),
	}
	if base != nil {
		s.firstID = base.firstID + ID(len(base.offsets))
		s.firstStr = base.firstStr + uint32(len(base.strings))
		if s.firstStr < base.firstStr {
			return nil, &FormatError{16, "string sections of base and split blob exceed 4 GiB"}
		}
	} else if len(s.strings) > 0 && s.strings[0] != 0 {
		return nil, &FormatError{16, "string section does not start with the empty string"}
	}
	if err := s.index(sec); err != nil {
		return nil, err
	}
	return s, nil
}

// index finds where each record starts. A record of a kind that is neither known
// nor described by a layout section ends the walk, but not the use of what came
// before it.
func (s *Spec) index(sec *sections) error {
	types := sec.types
	// In kernels from 5.10 to 7.3 a record takes 24 to 26 bytes on average; a
	// record cannot be shorter than 12, so a blob of any content makes these
	// grow to half its size at most.
	guess := len(types)/24 + 16
	offsets := make([]uint32, 0, guess)
	kinds := make([]byte, 0, guess)
	layouts := &sec.layouts
	p := 0
	for len(types)-p >= recordLen {
		info := le.Uint32(types[p+4:])
		kind := info >> 24 & (numKinds - 1)
		next := p + recordLen
		// The walk is as fast as the chain from one record's size to the next
		// record. Half of the records are functions and pointers, of one size:
		// a branch for them, which a CPU can predict, saves a sixth of the time.
		if kind != kindFunc && kind != kindPointer {
			l := layouts[kind]
			if !l.known {
				s.incomplete = fmt.Errorf("types from ID %d on are unreadable: kind %d is unknown and the BTF does not tell its size",
					s.firstID+ID(len(offsets)), kind)
				s.types = types[:p]
				break
			}
			next += int(l.info) + int(l.elem)*int(info&0xffffff)
			if next > len(types) {
				return &FormatError{sec.typesAt + p, fmt.Sprintf("type record of %d bytes ends past the type section", next-p)}
			}
		}
		offsets = append(offsets, uint32(p))
		kinds = append(kinds, byte(kind))
		p = next
	}
	if s.incomplete == nil && p != len(types) {
		return &FormatError{sec.typesAt + p, fmt.Sprintf("%d stray bytes at the end of the type section", len(types)-p)}
	}
	s.offsets, s.kinds = offsets, kinds
	return nil
}

// Name returns "vmlinux", or the module's name.
func (s *Spec) Name() string { return s.name }

// Base returns the blob that this one extends, nil for vmlinux.
func (s *Spec) Base() *Spec { return s.base }

// NumTypes returns the number of valid type IDs, which are 0 to NumTypes()-1.
// It includes void and the types of the base.
func (s *Spec) NumTypes() int { return int(s.firstID) + len(s.offsets) }

// FirstID returns the first ID that is this blob's own.
func (s *Spec) FirstID() ID { return s.firstID }

// Incomplete returns why types at the end of the blob could not be read, nil if
// all could: a kind that is newer than this package in a blob without a layout
// section.
func (s *Spec) Incomplete() error { return s.incomplete }

// record returns the bytes of the type, from its header to the end of what
// follows it. id must be one of s's own.
func (s *Spec) record(id ID) []byte {
	i := int(id - s.firstID)
	end := len(s.types)
	if i+1 < len(s.offsets) {
		end = int(s.offsets[i+1])
	}
	return s.types[s.offsets[i]:end]
}

// TypeByID returns the type. The same ID gives the same pointer each time; an ID
// of the base gives the base's pointer.
func (s *Spec) TypeByID(id ID) (Type, error) {
	for id < s.firstID {
		if id == 0 {
			return theVoid, nil
		}
		s = s.base
	}
	if uint64(id) >= uint64(s.NumTypes()) {
		if s.incomplete != nil {
			return nil, s.incomplete
		}
		return nil, fmt.Errorf("type ID %d: the BTF of %s ends at %d: %w", id, s.name, s.NumTypes()-1, ErrNotFound)
	}
	s.mu.RLock()
	t := s.cache[id]
	s.mu.RUnlock()
	if t != nil {
		return t, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.cache[id]; t != nil {
		return t, nil
	}
	t = s.decode(id)
	s.cache[id] = t
	return t, nil
}

// typeOrUnknown is TypeByID for references within the blob: a bad one becomes
// [*Unknown], which has no size and no members.
func (s *Spec) typeOrUnknown(id ID) Type {
	t, err := s.TypeByID(id)
	if err != nil {
		return &Unknown{ID: id}
	}
	return t
}

// StringsLen returns the length of the strings of the blob and of its base, in bytes: where those of a split blob on top
// of it begin.
func (s *Spec) StringsLen() uint32 { return s.firstStr + uint32(len(s.strings)) }
