package btf

import (
	"bytes"
	"sync/atomic"
)

// maxName bounds names, in bytes; longer ones are cut. The kernel's own limit,
// KSYM_NAME_LEN, is 512 since 6.1 and was 128 before.
const maxName = 1024

// nameStore makes Go strings of names. One at a time is cheapest as long as few
// are wanted. Once their bytes add up to the whole string section, that is copied
// instead, so that no blob can make its names take more than twice its own size
// by naming one string many times.
type nameStore struct {
	copied atomic.Int64
	all    atomic.Pointer[string]
}

// nameBytes returns the bytes of the string at off, without the NUL. A bad
// offset gives none: a name that cannot be read must not keep the rest from use.
func (s *Spec) nameBytes(off uint32) []byte {
	s, at := s.holder(off)
	b := s.strings[at:]
	b = b[:min(len(b), maxName)]
	if n := bytes.IndexByte(b, 0); n >= 0 {
		b = b[:n]
	}
	return b
}

// holder returns the blob that has the string at off, and where; the end of the
// section for a bad offset.
func (s *Spec) holder(off uint32) (*Spec, int) {
	for off < s.firstStr {
		s = s.base
	}
	return s, int(min(uint64(off-s.firstStr), uint64(len(s.strings))))
}

// nameAt returns the string at off.
func (s *Spec) nameAt(off uint32) string {
	b := s.nameBytes(off)
	if len(b) == 0 {
		return ""
	}
	s, at := s.holder(off)
	if all := s.names.all.Load(); all != nil {
		return (*all)[at : at+len(b)]
	}
	if s.names.copied.Add(int64(len(b))) > int64(len(s.strings)) {
		all := string(s.strings)
		s.names.all.Store(&all)
		return all[at : at+len(b)]
	}
	return string(b)
}

// nameIs reports whether the string at off is name, without looking for its end.
func (s *Spec) nameIs(off uint32, name string) bool {
	s, at := s.holder(off)
	b := s.strings[at:]
	return len(b) > len(name) && b[len(name)] == 0 && string(b[:len(name)]) == name
}

// nameEmpty reports whether there is no name at off.
func (s *Spec) nameEmpty(off uint32) bool {
	s, at := s.holder(off)
	return at == len(s.strings) || s.strings[at] == 0
}
