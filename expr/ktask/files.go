package ktask

import (
	"encoding/binary"
	"errors"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// maxFiles bounds a task's table of open files; the kernel's own bound, sysctl_nr_open,
// can be raised to this.
const maxFiles = 1 << 30

// EachFile calls visit with each open file of a task: files->fdt (fs/file.c). Where visit
// returns [value.Stop] the walk ends. A task that has exited has none.
func EachFile(task value.Value, visit func(fd int, file value.Value) error) error {
	k := task.Kernel()
	st, err := k.Struct("file")
	if err != nil {
		return err
	}
	err = EachFileAddr(task, func(fd int, file kmem.Addr) error { return visit(fd, k.Ref(st, file)) })
	if errors.Is(err, value.Stop()) {
		return nil
	}
	return err
}

// EachFileAddr is [EachFile] with the address of each struct file, which is not read, and returns
// what visit does.
func EachFileAddr(task value.Value, visit func(fd int, file kmem.Addr) error) error {
	files, a, err := at(task, "files")
	if err != nil || a == 0 {
		return err
	}
	table, a, err := at(files, "fdt")
	if err != nil {
		return err
	}
	if a == 0 {
		return value.Faultf("the task's table of open files is NULL: it is damaged, or it changed while it was read")
	}
	n, err := table.UintPath("max_fds")
	if err != nil {
		return err
	}
	first, err := table.PointerPath("fd")
	if err != nil {
		return err
	}
	if n > maxFiles {
		return value.Faultf("the task's table of open files claims %d rows: it is damaged", n)
	}
	const chunk = kmem.PageSize / 8
	var raw [8 * chunk]byte
	for fd := 0; fd < int(n); fd += chunk {
		part := raw[:8*min(chunk, int(n)-fd)]
		if err := task.Kernel().ReadMem(first.Add(8*int64(fd)), part); err != nil {
			return err
		}
		for i := 0; i < len(part); i += 8 {
			// Bits 0 and 1 are flags of the kernel's own while a file is put into the table.
			file := kmem.Addr(binary.LittleEndian.Uint64(part[i:])) &^ 3
			if file == 0 {
				continue
			}
			if err := visit(fd+i/8, file); err != nil {
				return err
			}
		}
	}
	return nil
}
