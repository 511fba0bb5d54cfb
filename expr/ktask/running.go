package ktask

import (
	"encoding/binary"
	"errors"
	"fmt"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// ErrRunning says that a task runs on a CPU whose registers are not known: a live kernel's, or
// those of a dump without notes of them.
var ErrRunning = errors.New("the task runs on a CPU, and where it is stands in the registers of that, which this source does not have")

// runningOn is where a task that runs was found by its CPU's registers.
type runningOn struct {
	regs        registers
	stack       [2]kmem.Addr // that of the CPU's interrupts, where they are on that
	interrupted string       // says so then
	user        string       // says so where the CPU runs the process's own code
	waits       bool         // it is none of the CPU's, which switches to or from the task: what it has left is true
}

// runsOn finds the registers of the CPU that a task runs on, and the stack that they are on: the
// task's own from base to end, or that of the CPU's interrupts. The notes of a dump are what the
// CPUs had when it was made; a kernel that crashed has left what they had then in its memory, too,
// which is what the notes of its own dump are copies of.
func runsOn(task value.Value, base, end kmem.Addr) (runningOn, error) {
	k := task.Kernel()
	if k.Image == nil || k.Image.Live() {
		return runningOn{}, ErrRunning
	}
	cpu, err := cpuOf(task)
	if err != nil {
		return runningOn{}, err
	}
	var no error
	for _, read := range []func(*value.Kernel, int) (kmem.CPURegisters, bool, error){notedRegisters, crashRegisters} {
		c, ok, err := read(k, cpu)
		if err != nil {
			return runningOn{}, err
		}
		if !ok {
			continue
		}
		out := runningOn{regs: registers{ip: c.IP, sp: c.SP, bp: c.BP, signal: true}}
		switch irqBase, irqEnd := interruptStack(k, cpu); {
		case c.User:
			out.user = fmt.Sprintf("CPU %d ran the process's own code, at %s: there is nothing on its kernel stack", cpu, c.IP)
			return out, nil
		case c.SP >= base && c.SP < end:
			return out, nil
		case c.SP >= irqBase && c.SP < irqEnd:
			out.stack = [2]kmem.Addr{irqBase, irqEnd}
			out.interrupted = fmt.Sprintf("CPU %d was in an interrupt, on the stack that it has for those: what it interrupted is not told", cpu)
			return out, nil
		}
		if other, err := beingSwitched(task, cpu, c.SP); err != nil {
			return runningOn{}, err
		} else if other {
			out.waits = true
			return out, nil
		}
		if no == nil {
			no = value.Faultf("the registers that the dump has of CPU %d do not fit the task: their stack pointer %s is neither on its stack, %s to %s, nor on that of the CPU's interrupts", cpu, c.SP, base, end)
		}
	}
	if no == nil {
		no = ErrRunning
	}
	return runningOn{}, no
}

// beingSwitched reports whether a CPU is between a task and another one: both of them say then that they run
// (on_cpu, kernel/sched/core.c: prepare_task and finish_task), and the CPU is on the other one's stack. The first has
// not come to run yet or does no longer: what it has left when it was switched from is true.
func beingSwitched(task value.Value, cpu int, sp kmem.Addr) (bool, error) {
	k := task.Kernel()
	size, err := stackSize(k)
	if err != nil {
		return false, err
	}
	self, ok := task.Addr()
	if !ok {
		return false, nil
	}
	on := func(t value.Value) bool {
		if at, _ := t.Addr(); at == self {
			return false
		}
		base, err := t.PointerPath("stack")
		if err != nil || sp < base || sp >= base.Add(size) {
			return false
		}
		running, err := t.UintPath("on_cpu")
		if err != nil || running == 0 {
			return false
		}
		at, err := cpuOf(t)
		return err == nil && at == cpu
	}
	if rqs, err := k.Global("runqueues"); err == nil { // its idle task is in no list
		if rq, err := k.PerCPU(rqs, cpu); err == nil {
			if idle, err := rq.PointerPath("idle"); err == nil && on(k.Ref(task.Type(), idle)) {
				return true, nil
			}
		}
	}
	found := false
	err = EachAddr(k, true, func(st *btf.Struct, a kmem.Addr) error {
		if found = on(k.Ref(st, a)); found {
			return value.Stop()
		}
		return nil
	})
	if found || errors.Is(err, value.Stop()) {
		err = nil
	}
	return found, err
}

// cpuOf is the CPU that a task runs on.
func cpuOf(task value.Value) (int, error) {
	where := "thread_info.cpu" // since 5.16
	if task.Has("cpu") {
		where = "cpu"
	}
	cpu, err := task.UintPath(where)
	return int(min(cpu, 1<<20)), err
}

// notedRegisters are those of a CPU by the notes of the dump. QEMU's tell which CPU's they are by its
// GS register. Of others it is known where there is one for each CPU that is online: their order
// is that of the CPUs.
func notedRegisters(k *value.Kernel, cpu int) (r kmem.CPURegisters, ok bool, err error) {
	all := k.Image.CPURegisters()
	if len(all) == 0 {
		return r, false, nil
	}
	offset, err := k.CPUOffset(cpu)
	if err != nil {
		return r, false, err
	}
	known := false
	for _, r := range all {
		if r.GS == offset && offset != 0 {
			return r, true, nil
		}
		known = known || r.GS != 0
	}
	if known {
		return r, false, nil
	}
	online, err := k.Global("__cpu_online_mask")
	if err != nil {
		return r, false, nil // the order tells nothing then
	}
	bits, err := online.Path("bits")
	if err != nil {
		return r, false, nil
	}
	raw, err := bits.Bytes()
	if err != nil {
		return r, false, err
	}
	at, n := -1, 0
	for i := range 8 * len(raw) {
		if raw[i/8]>>(i%8)&1 == 0 {
			continue
		}
		if i == cpu {
			at = n
		}
		n++
	}
	if at < 0 || n != len(all) {
		return r, false, nil
	}
	return all[at], true, nil
}

// crashNoteHead is what stands before the content of the note that a CPU leaves when the kernel
// crashes: its lengths and type, and the name CORE with its padding.
const (
	crashNoteHead = 12 + 8
	crashNoteSize = crashNoteHead + 336
)

// crashRegisters are those that a CPU has left in memory when the kernel crashed
// (kernel/crash_core.c: crash_save_cpu).
func crashRegisters(k *value.Kernel, cpu int) (r kmem.CPURegisters, ok bool, err error) {
	sym, found := k.LookupSymbol("crash_notes")
	if !found {
		return r, false, nil
	}
	// note_buf_t __percpu *crash_notes
	notes, err := kmem.ReadAddr(k, sym.Addr)
	if err != nil {
		return r, false, err
	}
	if notes == 0 {
		return r, false, nil
	}
	offset, err := k.CPUOffset(cpu)
	if err != nil {
		return r, false, err
	}
	raw := make([]byte, crashNoteSize)
	if err := k.ReadMem(notes+offset, raw); err != nil {
		return r, false, err
	}
	le := binary.LittleEndian
	if le.Uint32(raw) != 5 || le.Uint32(raw[8:]) != 1 || string(raw[12:16]) != "CORE" {
		return r, false, nil
	}
	r, ok = kmem.ParseCPURegisters(raw[crashNoteHead:])
	return r, ok, nil
}

// interruptStack is the stack of a CPU's interrupts (arch/x86/kernel/irq_64.c), 16 KiB that end
// where hardirq_stack_ptr points, or two words behind that, where the kernel keeps what it came
// from: in struct pcpu_hot from 6.2 to 6.14. It is empty where that is not known.
func interruptStack(k *value.Kernel, cpu int) (base, end kmem.Addr) {
	offset, err := k.CPUOffset(cpu)
	if err != nil {
		return 0, 0
	}
	at, ok := kmem.Addr(0), false
	if sym, found := k.LookupSymbol("hardirq_stack_ptr"); found {
		at, ok = sym.Addr, true
	} else if sym, found := k.LookupSymbol("pcpu_hot"); found {
		st, err := k.Struct("pcpu_hot")
		if err != nil {
			return 0, 0
		}
		f, err := st.FindMember("hardirq_stack_ptr")
		if err != nil {
			return 0, 0
		}
		at, ok = sym.Addr.Add(int64(f.Offset())), true
	}
	if !ok {
		return 0, 0
	}
	top, err := kmem.ReadAddr(k, at+offset)
	if err != nil || !top.IsKernel() {
		return 0, 0
	}
	end = (top + kmem.PageSize - 1) &^ (kmem.PageSize - 1)
	return end.Add(-4 * kmem.PageSize), end
}
