package ktask

import (
	"bytes"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// maxStrings bounds what is read of a process's arguments or environment: an exec takes no
// more than 6 MiB of both (fs/exec.c: bprm_stack_limits).
const maxStrings = 6 << 20

// Where the direct map of physical memory begins, unless page_offset_base tells: with 4 and with
// 5 levels of page tables (arch/x86/include/asm/page_64_types.h, since 4.20).
const (
	pageOffset4 = 0xffff888000000000
	pageOffset5 = 0xff11000000000000
)

// Memory is the memory of the process that a task belongs to (mm->pgd). ok is false for a
// task without one: a thread of the kernel's, or one that has exited.
func Memory(task value.Value) (mem *kmem.UserMemory, ok bool, err error) {
	mm, a, err := at(task, "mm")
	if err != nil || a == 0 {
		return nil, false, err
	}
	pgd, err := mm.PointerPath("pgd")
	if err != nil {
		return nil, false, err
	}
	k := task.Kernel()
	direct := kmem.Addr(pageOffset4)
	if sym, ok := k.LookupSymbol("page_offset_base"); ok {
		if direct, err = kmem.ReadAddr(k, sym.Addr); err != nil {
			return nil, false, err
		}
	} else if pgd < pageOffset4 {
		direct = pageOffset5
	}
	mem, err = kmem.NewUserMemory(k, k.Image.VMCoreInfo(), direct, pgd)
	return mem, err == nil, err
}

// Arguments are the arguments of the process that a task belongs to, as /proc/PID/cmdline has
// them (fs/proc/base.c: get_mm_cmdline): a process may have written something else over
// them. ok is false where the task has no memory of a process's.
func Arguments(task value.Value) (args []string, ok bool, err error) {
	return processStrings(task, "arg_start", "arg_end")
}

// Environment is the environment that a process was given, as /proc/PID/environ has it.
func Environment(task value.Value) (env []string, ok bool, err error) {
	return processStrings(task, "env_start", "env_end")
}

func processStrings(task value.Value, first, last string) ([]string, bool, error) {
	mem, ok, err := Memory(task)
	if err != nil || !ok {
		return nil, false, err
	}
	start, err := task.UintPath("mm." + first)
	if err != nil {
		return nil, false, err
	}
	end, err := task.UintPath("mm." + last)
	if err != nil {
		return nil, false, err
	}
	if start == 0 || start >= end {
		return nil, true, nil // an exec that has not come that far
	}
	if end-start > maxStrings {
		return nil, false, value.Faultf("the process claims %d bytes between mm->%s and mm->%s: it is damaged, or it changed while it was read", end-start, first, last)
	}
	raw := make([]byte, end-start)
	if err := mem.ReadMem(kmem.Addr(start), raw); err != nil {
		return nil, false, err
	}
	if first == "arg_start" && raw[len(raw)-1] != 0 {
		title, err := title(task, mem, start, end)
		return []string{title}, err == nil, err
	}
	var out []string
	for part := range bytes.SplitSeq(bytes.TrimSuffix(raw, []byte{0}), []byte{0}) {
		out = append(out, string(part))
	}
	return out, true, nil
}

// title is what a process has written over its arguments without their last NUL: a text that goes
// on where its environment was, up to a page long (get_mm_proctitle).
func title(task value.Value, mem *kmem.UserMemory, start, end uint64) (string, error) {
	from, err := task.UintPath("mm.env_start")
	if err != nil {
		return "", err
	}
	to, err := task.UintPath("mm.env_end")
	if err != nil {
		return "", err
	}
	if from == end && to > end {
		end = to
	}
	raw := make([]byte, min(end-start, kmem.PageSize))
	if err := mem.ReadMem(kmem.Addr(start), raw); err != nil {
		return "", err
	}
	text, _, _ := bytes.Cut(raw, []byte{0})
	return string(text), nil
}
