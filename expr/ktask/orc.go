package ktask

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sort"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// ORC is the kernel's own table for unwinding stacks (arch/x86/include/asm/orc_types.h,
// Documentation/arch/x86/orc-unwinder.rst): for each range of code a row that says how
// the caller's stack pointer and frame pointer are found. The addresses of the ranges lie
// in a table of their own, sorted, each a signed 32-bit distance from where it stands.
// vmlinux's tables lie between symbols, a module's are in its struct module.

// regUndefined is, in a row, no register: the frame pointer is still the caller's.
const regUndefined = 0

// orcRegisters are the numbers of the registers that rows name. They are others in 7.3
// than in 6.12, and BTF does not tell them.
type orcRegisters struct {
	sp, bp, prevSP, spIndirect, bpIndirect uint64
}

// orcNumbers are the numbers that there have been, by that of the stack pointer, which
// every function's first row names.
var orcNumbers = map[uint64]orcRegisters{
	5: {sp: 5, bp: 4, prevSP: 1, spIndirect: 9, bpIndirect: 8},
	3: {sp: 3, bp: 4, prevSP: 8, spIndirect: 9, bpIndirect: 10},
}

// orcKind is what a row leads to.
type orcKind uint8

const (
	orcUndefined orcKind = iota
	orcEnd
	orcCall
	orcRegs
	orcRegsPartial
)

// orcRow is a row of the table.
type orcRow struct {
	spOffset, bpOffset int64
	spReg, bpReg       uint64
	kind               orcKind
	signal             bool
}

// frameRow serves code that has no row of its own, such as BPF's, with the frame
// pointer that it is compiled to have.
func (o *orcTables) frameRow() orcRow {
	return orcRow{spOffset: 16, spReg: o.regs.bp, bpOffset: -16, bpReg: o.regs.prevSP, kind: orcCall}
}

// maxRows bounds a table; vmlinux's has some 500,000 rows.
const maxRows = 8 << 20

// orcTable is one table.
type orcTable struct {
	ips, rows kmem.Addr
	n         int
}

// orcTables finds rows.
type orcTables struct {
	k       *value.Kernel
	row     *btf.Struct
	vmlinux orcTable
	low     kmem.Addr // of vmlinux's code
	high    kmem.Addr
	// init is the code of the start, which is freed and whose rows stay: idle tasks have come from there.
	init [2]kmem.Addr
	old  bool // the types as they were before 6.4
	regs orcRegisters
}

func openORC(k *value.Kernel) (*orcTables, error) {
	st, err := k.Struct("orc_entry")
	if err != nil {
		return nil, fmt.Errorf("this kernel has no ORC unwind tables: %w", err)
	}
	syms, err := k.Symbols()
	if err != nil {
		return nil, err
	}
	var at [5]kmem.Addr
	for i, name := range []string{"__start_orc_unwind_ip", "__stop_orc_unwind_ip", "__start_orc_unwind", "_stext", "_etext"} {
		s, ok := syms.Lookup(name)
		if !ok {
			return nil, fmt.Errorf("this kernel has no ORC unwind tables: no symbol %s", name)
		}
		at[i] = s.Addr
	}
	n := (at[1] - at[0]) / 4
	if at[1] < at[0] || n > maxRows {
		return nil, fmt.Errorf("__start_orc_unwind_ip %s and __stop_orc_unwind_ip %s do not enclose a table", at[0], at[1])
	}
	_, err = st.FindMember("end")
	o := &orcTables{k: k, row: st, vmlinux: orcTable{at[0], at[2], int(n)}, low: at[3], high: at[4], old: err == nil}
	if from, ok := syms.Lookup("_sinittext"); ok {
		if to, ok := syms.Lookup("_einittext"); ok {
			o.init = [2]kmem.Addr{from.Addr, to.Addr}
		}
	}
	// Where a function starts, the caller's stack pointer is 8 bytes above its own.
	first, ok := syms.Lookup("schedule")
	if !ok {
		return nil, errors.New("the numbers of the registers in the ORC tables are not known: no symbol schedule")
	}
	row, _, err := o.find(first.Addr)
	if err != nil {
		return nil, err
	}
	if o.regs, ok = orcNumbers[row.spReg]; !ok || row.spOffset != 8 || row.kind != orcCall {
		return nil, fmt.Errorf("the numbers of the registers in the ORC tables are not known: schedule's first row has %d+%d", row.spReg, row.spOffset)
	}
	return o, nil
}

// find is the row for an instruction; ok is false where no table has one.
func (o *orcTables) find(ip kmem.Addr) (row orcRow, ok bool, err error) {
	t := o.vmlinux
	if (ip < o.low || ip >= o.high) && (ip < o.init[0] || ip >= o.init[1]) {
		if t, ok, err = o.ofModule(ip); err != nil {
			return row, false, err
		} else if !ok {
			return row, false, nil
		}
	}
	var raw [4]byte
	i := sort.Search(t.n, func(i int) bool {
		if err != nil {
			return true
		}
		a := t.ips.Add(4 * int64(i))
		if err = o.k.ReadMem(a, raw[:]); err != nil {
			return true
		}
		return a.Add(int64(int32(binary.LittleEndian.Uint32(raw[:])))) > ip
	}) - 1
	if err != nil || i < 0 {
		return row, false, err
	}
	return o.read(t.rows.Add(int64(i) * int64(o.row.Size)))
}

// read reads the row at an address.
func (o *orcTables) read(a kmem.Addr) (row orcRow, ok bool, err error) {
	v := o.k.Ref(o.row, a)
	if v, err = v.Load(); err != nil {
		return row, false, err
	}
	get := func(name string) (n int64) {
		if err != nil {
			return 0
		}
		var m value.Value
		if m, err = v.Member(name); err == nil {
			n, err = m.Int()
		}
		return n
	}
	row = orcRow{
		spOffset: get("sp_offset"), bpOffset: get("bp_offset"),
		spReg: uint64(get("sp_reg")), bpReg: uint64(get("bp_reg")),
	}
	kind := get("type")
	if v.Has("signal") {
		row.signal = get("signal") != 0
	}
	switch {
	case !o.old: // 0 undefined, 1 end of stack, 2 call, 3 registers, 4 some of them
		row.kind = orcKind(kind)
	case get("end") != 0:
		row.kind = orcEnd
	case row.spReg == regUndefined:
		row.kind = orcUndefined
	default: // 0 call, 1 registers, 2 some of them
		row.kind = orcCall + orcKind(kind)
	}
	return row, err == nil, err
}

// ofModule is the table of the module whose memory holds an address.
func (o *orcTables) ofModule(ip kmem.Addr) (t orcTable, ok bool, err error) {
	sym, _, found := o.k.SymbolAt(ip)
	if !found || sym.Module == "" {
		return t, false, nil
	}
	mods, err := o.k.Modules()
	if err != nil {
		return t, false, err
	}
	for _, m := range mods {
		if m.Name != sym.Module {
			continue
		}
		n, err := m.Value.UintPath("arch.num_orcs")
		if err != nil {
			return t, false, err
		}
		if n > maxRows {
			return t, false, fmt.Errorf("module %s claims %d ORC rows", value.Printable(m.Name), n)
		}
		ips, err := m.Value.PointerPath("arch.orc_unwind_ip")
		if err != nil {
			return t, false, err
		}
		rows, err := m.Value.PointerPath("arch.orc_unwind")
		return orcTable{ips, rows, int(n)}, err == nil && n > 0, err
	}
	return t, false, nil
}

// registers are what unwinding needs to know of a frame.
type registers struct {
	ip, sp, bp kmem.Addr
	signal     bool // ip is an instruction that has not run, not one to return to
}

// errLost says that the way up is not known.
var errLost = errors.New("the caller is not known")

// errTop says that the stack ends.
var errTop = errors.New("the stack ends")

// savedAt is how far into struct pt_regs a register is.
func savedAt(k *value.Kernel, register string) (int64, error) {
	st, err := k.Struct("pt_regs")
	if err != nil {
		return 0, err
	}
	f, err := st.FindMember(register)
	if err != nil {
		return 0, err
	}
	return int64(f.Offset()), nil
}

// caller is the frame that another was called from.
func (o *orcTables) caller(r registers, on stacks) (registers, error) {
	ip := r.ip
	if !r.signal {
		ip-- // the call may be the last instruction of its function
	}
	row, ok, err := o.find(ip)
	if err != nil {
		return r, err
	}
	if !ok {
		row = o.frameRow()
	}
	word := func(a kmem.Addr) kmem.Addr {
		if err != nil {
			return 0
		}
		if !on.hold(a) || !on.hold(a+7) {
			err = errLost
			return 0
		}
		var v kmem.Addr
		v, err = kmem.ReadAddr(o.k, a)
		return v
	}
	var sp kmem.Addr
	switch row.kind {
	case orcEnd:
		return r, errTop
	case orcUndefined:
		return r, errLost
	}
	switch row.spReg {
	case o.regs.sp:
		sp = r.sp.Add(row.spOffset)
	case o.regs.bp:
		sp = r.bp.Add(row.spOffset)
	case o.regs.bpIndirect:
		sp = word(r.bp.Add(row.spOffset))
	case o.regs.spIndirect: // since 5.12, where an interrupt has moved to its CPU's stack and left its own at the top
		sp = word(r.sp).Add(row.spOffset)
	default: // a register that only code at an entry uses
		return r, errLost
	}
	out := registers{signal: row.signal}
	switch row.kind {
	case orcCall:
		out.ip, out.sp = word(sp-8), sp
	case orcRegs, orcRegsPartial:
		// struct pt_regs, or its end alone: ip, cs, flags, sp, ss.
		frame := sp
		if row.kind == orcRegs {
			at, serr := savedAt(o.k, "ip")
			if serr != nil {
				return r, serr
			}
			frame = sp.Add(at)
		}
		if word(frame+8)&3 != 0 && err == nil {
			return r, errTop // it came from user space
		}
		out.ip, out.sp, out.signal = word(frame), word(frame+24), true
	default:
		return r, errLost
	}
	switch row.bpReg {
	case regUndefined:
		out.bp = r.bp
		if row.kind == orcRegs { // it is what was interrupted that goes on with it
			at, serr := savedAt(o.k, "bp")
			if serr != nil {
				return r, serr
			}
			out.bp = word(sp.Add(at)) // sp is where struct pt_regs is
		}
	case o.regs.prevSP:
		out.bp = word(sp.Add(row.bpOffset))
	case o.regs.bp:
		out.bp = word(r.bp.Add(row.bpOffset))
	default:
		return r, errLost
	}
	if err == nil && !on.up(r.sp, out.sp) {
		err = errLost
	}
	return out, err
}
