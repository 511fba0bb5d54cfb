package ktask

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"kinspect/expr/debuginfo"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// A Frame is one function of a stack.
type Frame struct {
	Addr  kmem.Addr // where it goes on
	Guess bool      // it may be left over from an earlier call
	// Return: it is where a call returns to, and so what stands behind it. Where an interrupt or a fault came,
	// it is the instruction itself.
	Return bool
}

// A Stack is a task's kernel stack, the innermost frame first.
type Stack struct {
	Frames []Frame
	// Note says why some frames are guesses.
	Note string
}

const (
	maxStack  = 1 << 20 // bytes; THREAD_SIZE is 16 KiB, with KASAN 32
	maxFrames = 1024
)

// StackOf unwinds the kernel stack of a task that waits: by the kernel's ORC tables from
// the registers that switching away from it has left at thread.sp (arch/x86: struct
// inactive_task_frame). Where they do not lead on, the numbers on the rest of the stack
// that could be addresses to return to are guesses. What runs is unwound from the registers of
// its CPU, which dumps have; where there are none it is an [ErrRunning].
func StackOf(task value.Value) (Stack, error) {
	k := task.Kernel()
	base, err := task.PointerPath("stack")
	if err != nil {
		return Stack{}, err
	}
	if base == 0 {
		return Stack{}, value.Faultf("the task has no kernel stack any more: it has exited")
	}
	size, err := stackSize(k)
	if err != nil {
		return Stack{}, err
	}
	end := base.Add(size)
	on := stacks{{base, end}}
	onCPU, err := task.UintPath("on_cpu")
	if err != nil {
		return Stack{}, err
	}
	running := onCPU != 0
	var r registers
	var interrupted string // where the task's own stack is not what is unwound, what that is
	if running {
		var at runningOn
		if at, err = runsOn(task, base, end); err == nil && at.user != "" {
			return Stack{Note: at.user}, nil
		}
		r, interrupted = at.regs, at.interrupted
		if interrupted != "" {
			on = append(stacks{at.stack}, on...)
		}
		running = !at.waits
	}
	if err == nil && !running {
		r, err = switched(task, on)
	}
	if err != nil {
		return Stack{}, err
	}
	out := Stack{Frames: []Frame{{Addr: r.ip, Return: !r.signal}}}
	orc, err := openORC(k)
	if err == nil {
		var up []Frame
		up, r, err = orc.up(r, on)
		out.Frames = append(out.Frames, up...)
	}
	if errors.Is(err, errTop) {
		return out, nil
	}
	if interrupted != "" && (r.sp < base || r.sp >= end) {
		out.Note = interrupted
		return out, nil
	}
	why := fmt.Sprintf("the unwind tables do not lead on from %s", k.Symbolize(r.ip))
	if !errors.Is(err, errLost) {
		why = err.Error()
	}
	out.Note = why + ": the frames with ? are what could be return addresses on the rest of the stack"
	guesses, err := scan(k, r.sp, end)
	for _, g := range guesses {
		out.Frames = append(out.Frames, Frame{Addr: g.ip, Guess: true, Return: true})
		if orc == nil {
			continue
		}
		// What leads up to the end of the stack is a chain of calls.
		if up, _, err := orc.up(registers{ip: g.ip, sp: g.sp, bp: r.bp}, on); errors.Is(err, errTop) && len(up) > 0 {
			out.Frames = append(out.Frames, up...)
			break
		}
	}
	return out, err
}

// up unwinds as far as the tables lead: the callers, the last of them, and why it ends.
func (o *orcTables) up(r registers, on stacks) (frames []Frame, last registers, err error) {
	for len(frames) < maxFrames {
		up, err := o.caller(r, on)
		if err != nil {
			return frames, r, err
		}
		r = up
		frames = append(frames, Frame{Addr: r.ip, Return: !r.signal})
	}
	return frames, r, errLost
}

// stacks are those that a chain of calls is on, from the innermost out: an interrupt's, where there is one, then the
// task's own. Each is its first address and its end.
type stacks [][2]kmem.Addr

// of is the number of the stack that an address is on, or -1.
func (s stacks) of(a kmem.Addr) int {
	return slices.IndexFunc(s, func(r [2]kmem.Addr) bool { return a >= r[0] && a < r[1] })
}

func (s stacks) hold(a kmem.Addr) bool { return s.of(a) >= 0 }

// up reports whether a frame whose stack pointer is to may have called one whose stack pointer is from: it is
// further up the same stack, or on one further out.
func (s stacks) up(from, to kmem.Addr) bool {
	at, outer := s.of(from), s.of(to-1)
	if at < 0 {
		at = s.of(from - 1) // nothing is on it any more
	}
	return outer >= 0 && (outer > at || outer == at && to > from)
}

// stackSize is THREAD_SIZE, by the distance of init's stack to its end.
func stackSize(k *value.Kernel) (int64, error) {
	first, ok1 := k.LookupSymbol("init_stack")
	last, ok2 := k.LookupSymbol("__end_init_stack")
	if !ok1 || !ok2 { // __end_init_task before 6.10
		first, ok1 = k.LookupSymbol("init_stack")
		last, ok2 = k.LookupSymbol("__end_init_task")
	}
	size := int64(last.Addr - first.Addr)
	if !ok1 || !ok2 || size < kmem.PageSize || size > maxStack {
		return 4 * kmem.PageSize, nil // THREAD_SIZE without KASAN
	}
	return size, nil
}

// switched are the registers of a task that has been switched away from.
func switched(task value.Value, on stacks) (registers, error) {
	k := task.Kernel()
	sp, err := task.PointerPath("thread.sp")
	if err != nil {
		return registers{}, err
	}
	st, err := k.Struct("inactive_task_frame")
	if err != nil {
		return registers{}, err
	}
	if !on.hold(sp) || !on.hold(sp.Add(int64(st.Size))) {
		return registers{}, value.Faultf("the stack pointer %s of the task is not on its stack: it is damaged, or it changed while it was read", sp)
	}
	frame := k.Ref(st, sp)
	bp, err := frame.PointerPath("bp")
	if err != nil {
		return registers{}, err
	}
	ip, err := frame.PointerPath("ret_addr")
	return registers{ip: ip, sp: sp.Add(int64(st.Size)), bp: bp}, err
}

// scan lists what may be addresses to return to from a stack pointer to a stack's end, each
// with the stack pointer that its caller would have.
func scan(k *value.Kernel, sp, end kmem.Addr) ([]registers, error) {
	sp = (sp + 7) &^ 7
	if sp >= end || end-sp > maxStack {
		return nil, nil
	}
	raw := make([]byte, end-sp)
	if err := k.ReadMem(sp, raw); err != nil {
		return nil, err
	}
	var out []registers
	for i := 0; i+8 <= len(raw) && len(out) < maxFrames; i += 8 {
		a := kmem.Addr(binary.LittleEndian.Uint64(raw[i:]))
		if sym, off, ok := k.SymbolAt(a); ok && off > 0 && (sym.Type|0x20) == 't' && behindCall(k, a) {
			out = append(out, registers{ip: a, sp: sp.Add(int64(i) + 8)})
		}
	}
	return out, nil
}

// behindCall reports whether a call may stand before an address: what else looks like an address
// in code, such as the registers that a crash has saved on the stack, is none to return to. Code
// that cannot be read may have one.
func behindCall(k *value.Kernel, a kmem.Addr) bool {
	var code [7]byte
	if k.ReadMem(a.Add(-int64(len(code))), code[:]) != nil {
		return true
	}
	if code[2] == 0xe8 { // call rel32
		return true
	}
	// call r/m64: ff /2, with the bytes of its operand behind it.
	for n := 2; n <= len(code); n++ {
		if op := code[len(code)-n:]; op[0] == 0xff && op[1]>>3&7 == 2 && n == operandLength(op[1:]) {
			return true
		}
	}
	return false
}

// operandLength is the length of an instruction of one opcode byte, by what stands behind that:
// its ModRM byte, and where there is one its SIB byte.
func operandLength(op []byte) int {
	mod, rm := op[0]>>6, op[0]&7
	n := 2
	if mod == 3 {
		return n
	}
	base := rm
	if rm == 4 {
		n++
		if len(op) > 1 {
			base = op[1] & 7
		}
	}
	switch {
	case mod == 1:
		n++
	case mod == 2, mod == 0 && base == 5:
		n += 4
	}
	return n
}

// Text is the frame as the kernel prints it: "? " before a guess, then the function; and behind it the lines of
// the source and the functions that were inlined there, where the kernel's debug information is known.
func (f Frame) Text(k *value.Kernel) string {
	// A call of a function that never returns may be its caller's last instruction: the address behind it is
	// another function's.
	at, back := f.Addr, kmem.Addr(0)
	if f.Return {
		back = 1
	}
	text := k.Symbolize(at)
	if sym, off, ok := k.SymbolAt(at - back); ok && back > 0 {
		text = value.SymbolText(sym, off+1)
	}
	if f.Guess {
		text = "? " + text
	}
	if frames, err := k.Frames(at - back); err == nil {
		text += "  " + debuginfo.Text(frames)
	}
	return text
}
