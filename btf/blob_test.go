package btf

import "testing"

// blob builds BTF by hand. Every method returns the ID of the type it adds.
type blob struct {
	types, strings, layout []byte
	firstID                ID
	firstStr               int
}

func newBlob() *blob { return &blob{strings: []byte{0}, firstID: 1} }

// splitBlob starts a blob on top of base.
func splitBlob(base *Spec) *blob {
	return &blob{firstID: ID(base.NumTypes()), firstStr: len(base.strings)}
}

func (b *blob) word(v ...uint32) {
	for _, v := range v {
		b.types = le.AppendUint32(b.types, v)
	}
}

func (b *blob) name(s string) uint32 {
	if s == "" {
		return 0
	}
	off := b.firstStr + len(b.strings)
	b.strings = append(append(b.strings, s...), 0)
	return uint32(off)
}

const kindFlag = 1 << 31

// add appends a record and returns its ID.
func (b *blob) add(name string, kind, vlen, flag, word uint32, rest ...uint32) ID {
	id := b.firstID
	b.firstID++
	b.word(b.name(name), flag|kind<<24|vlen, word)
	b.word(rest...)
	return id
}

func (b *blob) int(name string, size, encoding uint32) ID {
	return b.add(name, kindInt, 0, 0, size, encoding<<24|size*8)
}

func (b *blob) ref(kind uint32, name string, to ID) ID { return b.add(name, kind, 0, 0, uint32(to)) }

func (b *blob) array(elem ID, n uint32) ID {
	return b.add("", kindArray, 0, 0, 0, uint32(elem), 0, n)
}

// memberOf is a member for blob.structOf; bits is the size of a bit-field.
type memberOf struct {
	name   string
	t      ID
	offset uint32
	bits   uint32
}

func (b *blob) structOf(kind uint32, name string, size uint32, members ...memberOf) ID {
	flag := uint32(0)
	for _, m := range members {
		if m.bits != 0 {
			flag = kindFlag
		}
	}
	var rest []uint32
	for _, m := range members {
		rest = append(rest, b.name(m.name), uint32(m.t), m.bits<<24|m.offset)
	}
	return b.add(name, kind, uint32(len(members)), flag, size, rest...)
}

// bytes returns the blob, with a layout section and the longer header if there
// are layouts.
func (b *blob) bytes() []byte {
	hdrLen := uint32(headerLen)
	if b.layout != nil {
		hdrLen = headerLayoutLen
	}
	out := []byte{0x9f, 0xeb, version, 0}
	typeLen, layoutLen := uint32(len(b.types)), uint32(len(b.layout))
	for _, v := range []uint32{hdrLen, 0, typeLen, typeLen + layoutLen, uint32(len(b.strings))} {
		out = le.AppendUint32(out, v)
	}
	if b.layout != nil {
		out = le.AppendUint32(le.AppendUint32(out, typeLen), layoutLen)
	}
	out = append(out, b.types...)
	out = append(out, b.layout...)
	return append(out, b.strings...)
}

func (b *blob) parse(tb testing.TB) *Spec {
	tb.Helper()
	s, err := Parse(b.bytes())
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// sample is a small kernel with something of every kind.
func sample() *blob {
	b := newBlob()
	integer := b.int("int", 4, 1)
	ulong := b.int("long unsigned int", 8, 0)
	char := b.int("char", 1, 3)
	b.int("_Bool", 1, 4)
	u8 := b.ref(kindTypedef, "u8", b.int("unsigned char", 1, 0))
	list := b.firstID + 1
	listPtr := b.ref(kindPointer, "", list)
	b.structOf(kindStruct, "list_head", 16, memberOf{"next", listPtr, 0, 0}, memberOf{"prev", listPtr, 64, 0})
	stats := b.structOf(kindStruct, "stats", 16, memberOf{"rx", ulong, 0, 0}, memberOf{"tx", ulong, 64, 0})
	inner := b.structOf(kindStruct, "", 8, memberOf{"lo", integer, 0, 0}, memberOf{"hi", integer, 32, 0})
	union := b.structOf(kindUnion, "", 8, memberOf{"whole", ulong, 0, 0}, memberOf{"", inner, 0, 0})
	device := b.firstID + 1
	devicePtr := b.ref(kindPointer, "", device)
	b.structOf(
		kindStruct, "device", 120,
		memberOf{"name", b.firstID + 1, 0, 0}, // char [16]
		memberOf{"up", u8, 128, 1},
		memberOf{"mode", u8, 129, 3},
		memberOf{"", union, 192, 0},
		memberOf{"port", b.firstID + 2, 256, 0}, // struct stats [2]
		memberOf{"parent", devicePtr, 512, 0},
		memberOf{"poll", b.firstID + 4, 576, 0}, // int (*)(struct device *, ...)
		memberOf{"list", list, 640, 0},
		memberOf{"tags", b.firstID + 5, 960, 0}, // int []
	)
	b.array(char, 16)
	b.array(stats, 2)
	b.add("", kindFuncProto, 2, 0, uint32(integer), 0, uint32(devicePtr), 0, 0)
	b.ref(kindPointer, "", b.firstID-1)
	b.array(integer, 0)
	b.add("mode", kindEnum, 2, kindFlag, 4, b.name("MODE_NONE"), 0xffffffff, b.name("MODE_FULL"), 7)
	b.add("wide", kindEnum64, 1, 0, 8, b.name("WIDE_TOP"), 0, 1<<31)
	b.add("elsewhere", kindFwd, 0, 0, 0)
	b.add("either", kindFwd, 0, kindFlag, 0)
	b.ref(kindPointer, "", b.ref(kindConst, "", char))
	b.ref(kindConst, "", b.ref(kindPointer, "", b.ref(kindTypeTag, "percpu", stats)))
	b.ref(kindVolatile, "", integer)
	b.ref(kindRestrict, "", devicePtr)
	b.add("open", kindFunc, uint32(Global), 0, uint32(b.add("", kindFuncProto, 1, 0, uint32(integer), b.name("dev"), uint32(devicePtr))))
	v := b.add("counter", kindVar, 0, 0, uint32(ulong), uint32(Global))
	b.add(".data..percpu", kindDataSec, 1, 0, 8, uint32(v), 0, 8)
	b.add("double", kindFloat, 0, 0, 8)
	b.add("fastcall", kindDeclTag, 0, 0, uint32(v), 0xffffffff)
	return b
}
