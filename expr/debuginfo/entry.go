package debuginfo

// entry is one entry of a unit, a DIE, with the attributes that matter here.
type entry struct {
	off  int           // in the unit
	next int           // where its attributes end
	ab   *abbreviation // nil: it ends a row of children
	set  uint32        // the slots that there are
	vals [numSlots]val
}

func (e *entry) has(s slot) bool { return e.set&(1<<s) != 0 }

// u is the value as a number, 0 where there is none.
func (e *entry) u(s slot) uint64 {
	if !e.has(s) {
		return 0
	}
	return e.vals[s].u
}

// entry reads the entry at off; next is where its attributes end.
func (u *unit) entry(off int, e *entry) (next int, ok bool) {
	e.off, e.ab, e.set = off, nil, 0
	if off < 0 || off >= len(u.data) {
		return 0, false
	}
	c := cursor{data: u.data, off: off}
	code := c.uleb()
	if code == 0 {
		e.next = c.off
		return c.off, !c.bad
	}
	if e.ab = u.abbrevs.find(code); e.ab == nil {
		return 0, false
	}
	for i := range e.ab.attrs {
		a := &e.ab.attrs[i]
		v := u.read(&c, a.form, a.implicit)
		if a.slot != 0 {
			e.vals[a.slot] = v
			e.set |= 1 << a.slot
		}
	}
	e.next = c.off
	return c.off, !c.bad
}

// after is where the entry beside e begins: behind its children, which are skipped. scratch is written over.
func (u *unit) after(e *entry, scratch *entry) (next int, ok bool) {
	if !e.ab.children {
		return e.next, true
	}
	if at, ok := u.ref(e, slotSibling); ok && at > e.next && at <= len(u.data) {
		return at, true
	}
	off := e.next
	for depth := 1; depth > 0; {
		n, ok := u.entry(off, scratch)
		if !ok {
			return 0, false
		}
		off = n
		switch {
		case scratch.ab == nil:
			depth--
		case scratch.ab.children:
			if at, ok := u.ref(scratch, slotSibling); ok && at > n && at <= len(u.data) {
				off = at
			} else {
				depth++
			}
		}
	}
	return off, true
}

// each calls visit for the children of e until it returns false; it reports whether the tree was sound. visit
// must leave child as it is.
func (u *unit) each(e *entry, child *entry, visit func() bool) bool {
	if !e.ab.children {
		return true
	}
	var scratch entry
	for off := e.next; ; {
		if _, ok := u.entry(off, child); !ok {
			return false
		}
		if child.ab == nil {
			return true
		}
		if !visit() {
			return true
		}
		next, ok := u.after(child, &scratch)
		if !ok {
			return false
		}
		off = next
	}
}

// ref is the offset in the unit that an attribute refers to; false where there is none, or it leaves the unit.
func (u *unit) ref(e *entry, s slot) (int, bool) {
	if !e.has(s) {
		return 0, false
	}
	v := e.vals[s]
	switch v.form {
	case formRef1, formRef2, formRef4, formRef8, formRefUdata:
	case formRefAddr:
		v.u -= u.off
	default:
		return 0, false
	}
	return int(v.u), v.u < uint64(len(u.data))
}

// text is an attribute that is a string, "" where there is none.
func (u *unit) text(e *entry, s slot) string { return string(u.bytes(e, s)) }

func (u *unit) bytes(e *entry, s slot) []byte {
	if !e.has(s) {
		return nil
	}
	switch v := e.vals[s]; v.form {
	case formString:
		if v.u+uint64(v.n) <= uint64(len(u.data)) {
			return u.data[v.u : v.u+uint64(v.n)]
		}
	case formStrp:
		return textAt(u.str, v.u)
	case formLineStrp:
		return textAt(u.lineStr, v.u)
	case formStrx, formStrx1, formStrx2, formStrx3, formStrx4:
		size := uint64(4)
		if u.wide {
			size = 8
		}
		c := at(u.strOffsetsData, u.strOffsets, v.u, size)
		return textAt(u.str, c.offset(u.wide))
	}
	return nil
}

// at is the place of the i-th element of a table that begins at base; a bad cursor where there is none.
func at(data []byte, base, i, size uint64) cursor {
	n := uint64(len(data))
	if base > n || i >= (n-base)/size {
		return cursor{bad: true}
	}
	return cursor{data: data, off: int(base + i*size)}
}

// address is an attribute that is an address.
func (u *unit) address(e *entry, s slot) (uint64, bool) {
	if !e.has(s) {
		return 0, false
	}
	switch v := e.vals[s]; v.form {
	case formAddr:
		return v.u, true
	case formAddrx, formAddrx1, formAddrx2, formAddrx3, formAddrx4:
		return u.indexed64(v.u)
	}
	return 0, false
}

// indexed64 is an address of .debug_addr.
func (u *unit) indexed64(i uint64) (uint64, bool) {
	c := at(u.addrData, u.addrs, i, 8)
	a := c.u64()
	return a, !c.bad
}
