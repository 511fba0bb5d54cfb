package probe

import (
	"fmt"

	"kinspect/btf"
	"kinspect/expr/value"
)

// field is where a member of a struct is.
type field struct {
	offset int32
	size   uint32
}

// layout finds members, and keeps the first error.
type layout struct {
	k   *value.Kernel
	err error
}

// at is the place of a member, which has to be there.
func (l *layout) at(st, path string) field {
	f, ok := l.find(st, path)
	if !ok && l.err == nil {
		l.err = fmt.Errorf("struct %s of this kernel has no member %s", st, path)
	}
	return f
}

// find is the place of a member; ok is false where there is none.
func (l *layout) find(name, path string) (f field, ok bool) {
	if l.err != nil {
		return f, false
	}
	st, err := l.k.Struct(name)
	if err != nil {
		l.err = err
		return f, false
	}
	m, err := st.FindMember(path)
	if err != nil || m.BitSize != 0 {
		return f, false
	}
	size, err := btf.Sizeof(m.Type)
	if err != nil {
		l.err = err
		return f, false
	}
	return field{int32(m.Offset()), uint32(size)}, true
}

// elements reports whether a member is an array of a struct of that name.
func (l *layout) elements(name, path, of string) bool {
	if l.err != nil {
		return false
	}
	st, err := l.k.Struct(name)
	if err != nil {
		l.err = err
		return false
	}
	m, err := st.FindMember(path)
	if err != nil {
		return false
	}
	array, ok := btf.Underlying(m.Type).(*btf.Array)
	if !ok {
		return false
	}
	element, ok := btf.Underlying(array.Elem()).(*btf.Struct)
	return ok && element.Name == of
}

// bit is the byte of a bit-field of one bit, and its mask there; 0 where there is none.
func (l *layout) bit(name, path string) (offset, mask int32) {
	if l.err != nil {
		return 0, 0
	}
	st, err := l.k.Struct(name)
	if err != nil {
		l.err = err
		return 0, 0
	}
	m, err := st.FindMember(path)
	if err != nil || m.BitSize != 1 {
		return 0, 0
	}
	return int32(m.BitOffset / 8), 1 << (m.BitOffset % 8)
}

// bits is the byte of a bit-field that stands in one, which has to be there: how far to shift it, and its mask then.
func (l *layout) bits(name, path string) (offset, shift, mask int32) {
	if l.err != nil {
		return 0, 0, 0
	}
	st, err := l.k.Struct(name)
	if err != nil {
		l.err = err
		return 0, 0, 0
	}
	m, err := st.FindMember(path)
	if err != nil || m.BitSize == 0 || m.BitOffset%8+uint64(m.BitSize) > 8 {
		l.err = fmt.Errorf("struct %s of this kernel has no bit-field %s within a byte", name, path)
		return 0, 0, 0
	}
	return int32(m.BitOffset / 8), int32(m.BitOffset % 8), 1<<m.BitSize - 1
}

// traceArgs are the parameters of a tracepoint's BTF type, btf_trace_NAME (include/trace/bpf_probe.h), but for the first
// one, which programs do not see. ok is false where this kernel has no such tracepoint.
func traceArgs(k *value.Kernel, name string) (args []btf.Param, ok bool, err error) {
	types, err := k.Types()
	if err != nil {
		return nil, false, err
	}
	t, err := types.Typedef("btf_trace_" + name)
	if err != nil {
		return nil, false, nil
	}
	p, ok := btf.Underlying(t).(*btf.Pointer)
	if !ok {
		return nil, false, nil
	}
	proto, ok := btf.Underlying(p.Target()).(*btf.FuncProto)
	if !ok || len(proto.Params()) == 0 {
		return nil, false, nil
	}
	return proto.Params()[1:], true, nil
}
