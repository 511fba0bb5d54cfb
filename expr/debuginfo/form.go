package debuginfo

// Forms of attributes, DW_FORM_*.
const (
	formAddr          = 0x01
	formBlock2        = 0x03
	formBlock4        = 0x04
	formData2         = 0x05
	formData4         = 0x06
	formData8         = 0x07
	formString        = 0x08
	formBlock         = 0x09
	formBlock1        = 0x0a
	formData1         = 0x0b
	formFlag          = 0x0c
	formSdata         = 0x0d
	formStrp          = 0x0e
	formUdata         = 0x0f
	formRefAddr       = 0x10
	formRef1          = 0x11
	formRef2          = 0x12
	formRef4          = 0x13
	formRef8          = 0x14
	formRefUdata      = 0x15
	formIndirect      = 0x16
	formSecOffset     = 0x17
	formExprloc       = 0x18
	formFlagPresent   = 0x19
	formStrx          = 0x1a
	formAddrx         = 0x1b
	formRefSup4       = 0x1c
	formStrpSup       = 0x1d
	formData16        = 0x1e
	formLineStrp      = 0x1f
	formRefSig8       = 0x20
	formImplicitConst = 0x21
	formLoclistx      = 0x22
	formRnglistx      = 0x23
	formRefSup8       = 0x24
	formStrx1         = 0x25
	formStrx2         = 0x26
	formStrx3         = 0x27
	formStrx4         = 0x28
	formAddrx1        = 0x29
	formAddrx2        = 0x2a
	formAddrx3        = 0x2b
	formAddrx4        = 0x2c
	formGNURefAlt     = 0x1f20 // of dwz, into another file
	formGNUStrpAlt    = 0x1f21
)

// shortForm makes the two long numbers short ones: they mean what the standard ones do.
func shortForm(form uint64) uint8 {
	switch form {
	case formGNURefAlt, formGNUStrpAlt:
		return formStrpSup // an offset that is skipped
	}
	return uint8(form)
}

// val is the value of an attribute as it stands: what it means, its form and its unit tell. Of a block, and of
// a string within the entry, u is the offset in the unit's data, and n the length.
type val struct {
	u    uint64
	n    uint32
	form uint8
}

// read reads a value of a form.
func (h *header) read(c *cursor, form uint8, implicit int64) val {
	for range 4 {
		if form != formIndirect {
			break
		}
		form = shortForm(c.uleb())
	}
	v := val{form: form}
	switch form {
	case formAddr:
		v.u = c.u64()
	case formData1, formRef1, formFlag, formStrx1, formAddrx1:
		v.u = uint64(c.u8())
	case formData2, formRef2, formStrx2, formAddrx2:
		v.u = uint64(c.u16())
	case formStrx3, formAddrx3:
		v.u = uint64(c.u24())
	case formData4, formRef4, formStrx4, formAddrx4, formRefSup4:
		v.u = uint64(c.u32())
	case formData8, formRef8, formRefSig8, formRefSup8:
		v.u = c.u64()
	case formData16:
		c.skip(16)
	case formSdata:
		v.u = uint64(c.sleb())
	case formUdata, formRefUdata, formStrx, formAddrx, formLoclistx, formRnglistx:
		v.u = c.uleb()
	case formStrp, formLineStrp, formSecOffset, formStrpSup, formRefAddr:
		v.u = c.offset(h.wide)
	case formString:
		v.u = uint64(c.off)
		v.n = uint32(len(c.text()))
	case formFlagPresent:
		v.u = 1
	case formImplicitConst:
		v.u = uint64(implicit)
	case formBlock1:
		v.block(c, uint64(c.u8()))
	case formBlock2:
		v.block(c, uint64(c.u16()))
	case formBlock4:
		v.block(c, uint64(c.u32()))
	case formBlock, formExprloc:
		v.block(c, c.uleb())
	default:
		c.fail()
	}
	return v
}

func (v *val) block(c *cursor, n uint64) {
	v.u, v.n = uint64(c.off), uint32(min(n, 1<<31))
	c.skip(n)
}

// signed reports whether a constant was written with a sign.
func (v val) signed() bool { return v.form == formSdata || v.form == formImplicitConst }

// isBlock reports whether the value is bytes: an expression.
func (v val) isBlock() bool {
	switch v.form {
	case formBlock, formBlock1, formBlock2, formBlock4, formExprloc:
		return true
	}
	return false
}

// isConst reports whether the value is a number.
func (v val) isConst() bool {
	switch v.form {
	case formData1, formData2, formData4, formData8, formSdata, formUdata, formImplicitConst:
		return true
	}
	return false
}
