package compile

import (
	"bytes"
	"encoding/binary"

	"github.com/cilium/ebpf/asm"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// keyAddr is where the values of keys are said to be, since where they were is not kept: in the part of the address
// space that the kernel's memory is in, and not in its image.
const keyAddr kmem.Addr = 0xffff888000000000

// StoreKey writes the value as [Gen.Store] does, but for the address that it was read at: equal values are equal bytes.
func (g *Gen) StoreKey(e *Expr, record asm.Register, off int16, fault string) {
	g.Store(e, record, off, fault)
	if f := e.form(); f == formPlace || f == formText {
		g.Add(asm.Mov.Imm(asm.R0, 0), asm.StoreMem(record, off, asm.R0, asm.DWord))
	}
}

// KeyValue is the value in a record of [Gen.StoreKey]. A string is one of the language's, not a pointer to it.
func (e *Expr) KeyValue(k *value.Kernel, record []byte) (v any, memory Piece, err error) {
	if len(record) < e.Size() {
		return nil, Piece{}, value.Faultf("the value is cut")
	}
	switch e.form() {
	case formText:
		length := int64(binary.LittleEndian.Uint64(record[8:]))
		if length <= 0 || length > MaxText {
			return nil, Piece{}, value.Faultf("no string can be read there")
		}
		text, _, _ := bytes.Cut(record[16:16+length], []byte{0})
		return string(text), Piece{}, nil
	case formPlace:
		at := binary.LittleEndian.AppendUint64(nil, uint64(keyAddr))
		v, memory = e.Value(k, append(at, record[8:]...))
		return v, memory, nil
	}
	v, memory = e.Value(k, record)
	return v, memory, nil
}

// Keyed reports whether values can be told from each other: why is for the person who asked where not.
func (e *Expr) Keyed(most int) (ok bool, why string) {
	switch f := e.form(); {
	case f == formNothing:
		return false, "it is the same at each call"
	case f == formPlace:
		if n, err := e.content(); err != nil || n == 0 {
			return false, "there are no bytes of it"
		}
		if _, ok := btf.Underlying(e.out.ctype()).(*btf.FuncProto); ok {
			return false, "it is a function"
		}
	}
	if e.form() != formText && e.Size() > most {
		return false, "it is too large: take a member of it"
	}
	return true, ""
}
