package ktask

import (
	"encoding/binary"
	"errors"
	"fmt"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// A Frame is one function of a stack.
type Frame struct {
	Addr  kmem.Addr // where it goes on
	Guess bool      // it may be left over from an earlier call
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

// ErrRunning says that a task runs on a CPU, whose registers are not in memory.
var ErrRunning = errors.New("the task runs on a CPU: where it is stands in the CPU's registers, which memory does not hold")

// StackOf unwinds the kernel stack of a task that waits: by the kernel's ORC tables from
// the registers that switching away from it has left at thread.sp (arch/x86: struct
// inactive_task_frame). Where they do not lead on, the numbers on the rest of the stack
// that could be addresses to return to are guesses. After a panic the CPUs have left their
// registers in memory, too (crash_notes); else what runs is [ErrRunning].
func StackOf(task value.Value) (Stack, error) {
	k := task.Kernel()
	base, err := task.PointerPath("stack")
	if err != nil {
		return Stack{}, err
	}
	if base == 0 {
		return Stack{}, errors.New("the task has no kernel stack any more: it has exited")
	}
	size, err := stackSize(k)
	if err != nil {
		return Stack{}, err
	}
	end := base.Add(size)
	onStack := func(a kmem.Addr) bool { return a >= base && a < end }
	running, err := task.UintPath("on_cpu")
	if err != nil {
		return Stack{}, err
	}
	var r registers
	if running != 0 {
		r, err = crashed(task)
	} else {
		r, err = switched(task, onStack)
	}
	if err != nil {
		return Stack{}, err
	}
	if !onStack(r.sp) {
		return Stack{}, fmt.Errorf("the stack pointer %s of the task is not on its stack, %s to %s: it runs on another one, or it is damaged", r.sp, base, end)
	}
	out := Stack{Frames: []Frame{{r.ip, false}}}
	orc, err := openORC(k)
	if err == nil {
		var up []Frame
		up, r, err = orc.up(r, onStack)
		out.Frames = append(out.Frames, up...)
	}
	if errors.Is(err, errTop) {
		return out, nil
	}
	why := fmt.Sprintf("the unwind tables do not lead on from %s", k.Symbolize(r.ip))
	if !errors.Is(err, errLost) {
		why = err.Error()
	}
	out.Note = why + ": the frames with ? are what could be return addresses on the rest of the stack"
	guesses, err := scan(k, r.sp, end)
	for _, g := range guesses {
		out.Frames = append(out.Frames, Frame{g.ip, true})
		if orc == nil {
			continue
		}
		// What leads up to the end of the stack is a chain of calls.
		if up, _, err := orc.up(registers{ip: g.ip, sp: g.sp, bp: r.bp}, onStack); errors.Is(err, errTop) && len(up) > 0 {
			out.Frames = append(out.Frames, up...)
			break
		}
	}
	return out, err
}

// up unwinds as far as the tables lead: the callers, the last of them, and why it ends.
func (o *orcTables) up(r registers, onStack func(kmem.Addr) bool) (frames []Frame, last registers, err error) {
	for len(frames) < maxFrames {
		up, err := o.caller(r, onStack)
		if err != nil {
			return frames, r, err
		}
		r = up
		frames = append(frames, Frame{r.ip, false})
	}
	return frames, r, errLost
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
func switched(task value.Value, onStack func(kmem.Addr) bool) (registers, error) {
	k := task.Kernel()
	sp, err := task.PointerPath("thread.sp")
	if err != nil {
		return registers{}, err
	}
	st, err := k.Struct("inactive_task_frame")
	if err != nil {
		return registers{}, err
	}
	if !onStack(sp) || !onStack(sp.Add(int64(st.Size))) {
		return registers{}, fmt.Errorf("the stack pointer %s of the task is not on its stack: it is damaged, or it changed while it was read", sp)
	}
	frame := k.Ref(st, sp)
	bp, err := frame.PointerPath("bp")
	if err != nil {
		return registers{}, err
	}
	ip, err := frame.PointerPath("ret_addr")
	return registers{ip: ip, sp: sp.Add(int64(st.Size)), bp: bp}, err
}

// The note that a CPU leaves when the kernel crashes: an ELF note NT_PRSTATUS named
// CORE, whose struct elf_prstatus has the registers at byte 112, as struct
// user_regs_struct (include/linux/elfcore.h, arch/x86/include/asm/user_64.h).
const (
	noteHead   = 12 + 8 // lengths and type, and the name with its padding
	noteRegs   = noteHead + 112
	noteLength = noteRegs + 27*8
	noteBP     = noteRegs + 4*8
	noteIP     = noteRegs + 16*8
	noteSP     = noteRegs + 19*8
)

// crashed are the registers that a task's CPU has left in memory when the kernel crashed.
func crashed(task value.Value) (registers, error) {
	k := task.Kernel()
	sym, ok := k.LookupSymbol("crash_notes")
	if !ok || k.Image.Live() {
		return registers{}, ErrRunning
	}
	where := "thread_info.cpu" // since 5.16
	if task.Has("cpu") {
		where = "cpu"
	}
	cpu, err := task.UintPath(where)
	if err != nil {
		return registers{}, err
	}
	// note_buf_t __percpu *crash_notes (kernel/crash_core.c)
	notes, err := kmem.ReadAddr(k, sym.Addr)
	if err != nil {
		return registers{}, err
	}
	types, err := k.Types()
	if err != nil {
		return registers{}, err
	}
	char, err := types.ParseType("char")
	if err != nil {
		return registers{}, err
	}
	note, err := k.PerCPU(k.Pointer(char, notes), int(min(cpu, 1<<20)))
	if err != nil {
		return registers{}, err
	}
	a, _ := note.Addr()
	raw := make([]byte, noteLength)
	if err := k.ReadMem(a, raw); err != nil {
		return registers{}, err
	}
	le := binary.LittleEndian
	if le.Uint32(raw) != 5 || le.Uint32(raw[8:]) != 1 || string(raw[12:16]) != "CORE" {
		return registers{}, ErrRunning
	}
	at := func(off int) kmem.Addr { return kmem.Addr(le.Uint64(raw[off:])) }
	return registers{ip: at(noteIP), sp: at(noteSP), bp: at(noteBP), signal: true}, nil
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
		if sym, off, ok := k.SymbolAt(a); ok && off > 0 && (sym.Type|0x20) == 't' {
			out = append(out, registers{ip: a, sp: sp.Add(int64(i) + 8)})
		}
	}
	return out, nil
}

// Text is the frame as the kernel prints it: "? " before a guess, then the function.
func (f Frame) Text(k *value.Kernel) string {
	if f.Guess {
		return "? " + k.Symbolize(f.Addr)
	}
	return k.Symbolize(f.Addr)
}
