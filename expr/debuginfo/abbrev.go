package debuginfo

// Tags of entries, DW_TAG_*, as far as they matter here.
const (
	tagArray           = 0x01
	tagClass           = 0x02
	tagEnum            = 0x04
	tagParameter       = 0x05
	tagLexicalBlock    = 0x0b
	tagMember          = 0x0d
	tagPointer         = 0x0f
	tagReference       = 0x10
	tagCompileUnit     = 0x11
	tagStruct          = 0x13
	tagSubroutineType  = 0x15
	tagTypedef         = 0x16
	tagUnion           = 0x17
	tagUnspecifiedArgs = 0x18
	tagInlined         = 0x1d
	tagSubrange        = 0x21
	tagBaseType        = 0x24
	tagConst           = 0x26
	tagEnumerator      = 0x28
	tagSubprogram      = 0x2e
	tagVariable        = 0x34
	tagVolatile        = 0x35
	tagRestrict        = 0x37
	tagUnspecified     = 0x3b
	tagPartialUnit     = 0x3c
	tagTypeUnit        = 0x41
	tagAtomic          = 0x47
)

// A slot is the place of an attribute that matters here among those of an entry; 0 is what does not.
type slot uint8

const (
	slotSibling slot = iota + 1
	slotLocation
	slotName
	slotByteSize
	slotBitOffset
	slotBitSize
	slotStmtList
	slotLowPC
	slotHighPC
	slotCompDir
	slotConstValue
	slotUpperBound
	slotAbstractOrigin
	slotCount
	slotMemberLocation
	slotDeclaration
	slotEncoding
	slotSpecification
	slotType
	slotRanges
	slotDataBitOffset
	slotCallFile
	slotCallLine
	slotStrOffsetsBase
	slotAddrBase
	slotRnglistsBase
	slotPrototyped
	slotExternal
	numSlots
)

// slots is the slot of each attribute, DW_AT_*.
var slots = [0x90]slot{
	0x01: slotSibling,
	0x02: slotLocation,
	0x03: slotName,
	0x0b: slotByteSize,
	0x0c: slotBitOffset,
	0x0d: slotBitSize,
	0x10: slotStmtList,
	0x11: slotLowPC,
	0x12: slotHighPC,
	0x1b: slotCompDir,
	0x1c: slotConstValue,
	0x27: slotPrototyped,
	0x2f: slotUpperBound,
	0x31: slotAbstractOrigin,
	0x37: slotCount,
	0x38: slotMemberLocation,
	0x3c: slotDeclaration,
	0x3e: slotEncoding,
	0x3f: slotExternal,
	0x47: slotSpecification,
	0x49: slotType,
	0x55: slotRanges,
	0x58: slotCallFile,
	0x59: slotCallLine,
	0x6b: slotDataBitOffset,
	0x72: slotStrOffsetsBase,
	0x73: slotAddrBase,
	0x74: slotRnglistsBase,
}

// attribute is one attribute in an abbreviation.
type attribute struct {
	slot     slot
	form     uint8
	implicit int64 // the value of DW_FORM_implicit_const
}

// abbreviation says what entries with its code are made of.
type abbreviation struct {
	tag      uint16
	children bool
	attrs    []attribute
}

// abbreviations are those of a unit, by their code less one; compilers count from 1.
type abbreviations struct {
	list []abbreviation
	rare map[uint64]*abbreviation // of codes out of order
}

func (a *abbreviations) find(code uint64) *abbreviation {
	if i := code - 1; i < uint64(len(a.list)) {
		return &a.list[i]
	}
	return a.rare[code]
}

// parseAbbreviations reads the table that data begins with.
func parseAbbreviations(data []byte) (*abbreviations, bool) {
	c := cursor{data: data}
	t := &abbreviations{}
	for {
		code := c.uleb()
		if code == 0 {
			return t, !c.bad
		}
		ab := abbreviation{tag: uint16(min(c.uleb(), 0xffff)), children: c.u8() != 0}
		for {
			at, form := c.uleb(), c.uleb()
			if c.bad || form > 0xff && form != formGNURefAlt && form != formGNUStrpAlt {
				return nil, false
			}
			if at == 0 && form == 0 {
				break
			}
			spec := attribute{form: shortForm(form)}
			if at < uint64(len(slots)) {
				spec.slot = slots[at]
			}
			if form == formImplicitConst {
				spec.implicit = c.sleb()
			}
			ab.attrs = append(ab.attrs, spec)
		}
		switch {
		case code == uint64(len(t.list))+1:
			t.list = append(t.list, ab)
		case t.rare == nil:
			t.rare = map[uint64]*abbreviation{code: &ab}
		default:
			t.rare[code] = &ab
		}
	}
}
