package knet

import (
	"fmt"

	"kinspect/expr/ktask"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// Owner is an open file of a process that is a socket.
type Owner struct {
	PID  uint64
	Comm string
	FD   int
	Task value.Value // struct task_struct of the process
}

// Owners finds the processes that have sockets open, by the address of struct sock, in order of the list
// of tasks. Sockets on their way through another one (SCM_RIGHTS), and the kernel's own, have no owner.
func (s *Stack) Owners() (map[kmem.Addr][]Owner, error) {
	ops, ok := s.K.LookupSymbol("socket_file_ops")
	if !ok {
		return nil, fmt.Errorf("%w: socket_file_ops, which tells sockets from other files", value.ErrNoSymbol)
	}
	init, err := s.K.Global("init_task")
	if err != nil {
		return nil, err
	}
	st, err := s.K.Struct("task_struct")
	if err != nil {
		return nil, err
	}
	head, err := init.Path("tasks")
	if err != nil {
		return nil, err
	}
	f := fileReader{s: s, ops: ops.Addr}
	for member, to := range map[string]*kmem.Addr{"f_op": &f.op, "private_data": &f.private} {
		if *to, err = s.offset("file", member); err != nil {
			return nil, err
		}
	}
	if f.sk, err = s.offset("socket", "sk"); err != nil {
		return nil, err
	}
	out := map[kmem.Addr][]Owner{}
	err = value.EachEntry(head, st, "tasks", maxTasks, func(task value.Value) error {
		return f.process(task, out)
	})
	if err != nil {
		return out, fmt.Errorf("the open files of processes: %w", err)
	}
	return out, nil
}

// fileReader finds the sockets among open files: their file operations are socket_file_ops
// (net/socket.c: sock_from_file).
type fileReader struct {
	s       *Stack
	ops     kmem.Addr
	op      kmem.Addr // offsets
	private kmem.Addr
	sk      kmem.Addr
}

// openFiles are where a process has its table of open files: each changes when the table grows, when it
// is shared no longer, and when the process exits.
type openFiles struct{ files, table, fd kmem.Addr }

func tableOf(task value.Value) (t openFiles, err error) {
	if t.files, err = task.PointerPath("files"); err != nil || t.files == 0 {
		return t, err // NULL of one that is exiting
	}
	if t.table, err = task.PointerPath("files.fdt"); err != nil {
		return t, err
	}
	t.fd, err = task.PointerPath("files.fdt.fd")
	return t, err
}

// process adds the sockets of one process. What fails is tried again where the table was another one
// meanwhile, as a live kernel's may be.
func (f *fileReader) process(task value.Value, out map[kmem.Addr][]Owner) error {
	const tries = 3
	for try := 1; ; try++ {
		before, err := tableOf(task)
		if err == nil && before.files == 0 {
			return nil
		}
		found := map[kmem.Addr][]Owner{}
		if err == nil {
			err = f.table(task, found)
		}
		if err == nil {
			for sk, owners := range found {
				out[sk] = append(out[sk], owners...)
			}
			return nil
		}
		if after, again := tableOf(task); try == tries || again != nil || after == before {
			return err
		}
	}
}

// table adds the sockets in a process's table of open files.
func (f *fileReader) table(task value.Value, out map[kmem.Addr][]Owner) error {
	pid, err := task.UintPath("tgid")
	if err != nil {
		return err
	}
	comm, err := task.StringPath("comm")
	if err != nil {
		return err
	}
	err = ktask.EachFileAddr(task, func(fd int, file kmem.Addr) error {
		sk, err := f.socket(file)
		if err != nil {
			return fmt.Errorf("file %d: %w", fd, err)
		}
		if sk != 0 {
			out[sk] = append(out[sk], Owner{pid, comm, fd, task})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	return nil
}

// socket is the struct sock behind a struct file, or 0 where it is no socket.
func (f *fileReader) socket(file kmem.Addr) (kmem.Addr, error) {
	if op, err := kmem.ReadAddr(f.s.K, file+f.op); err != nil || op != f.ops {
		return 0, err
	}
	sock, err := kmem.ReadAddr(f.s.K, file+f.private)
	if err != nil || sock == 0 {
		return 0, err
	}
	return kmem.ReadAddr(f.s.K, sock+f.sk)
}
