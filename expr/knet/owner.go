package knet

import (
	"encoding/binary"
	"fmt"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// Owner is an open file of a process that is a socket.
type Owner struct {
	PID  uint64
	Comm string
	FD   int
}

// maxFDs bounds the files of one process: the kernel's own bound is 1<<20 by default (fs/file.c:
// sysctl_nr_open_max is larger).
const maxFDs = 1 << 24

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
			err = f.table(task, before.fd, found)
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
func (f *fileReader) table(task value.Value, files kmem.Addr, out map[kmem.Addr][]Owner) error {
	n, err := task.UintPath("files.fdt.max_fds")
	if err != nil {
		return err
	}
	pid, err := task.UintPath("tgid")
	if err != nil {
		return err
	}
	if n > maxFDs {
		return fmt.Errorf("process %d claims %d open files", pid, n)
	}
	comm, err := task.StringPath("comm")
	if err != nil {
		return err
	}
	const piece = 1 << 12
	for at := uint64(0); at < n; at += piece {
		raw := make([]byte, 8*min(piece, n-at))
		if err := f.s.K.ReadMem(files+kmem.Addr(8*at), raw); err != nil {
			return err
		}
		for i := 0; i < len(raw); i += 8 {
			sk, err := f.socket(kmem.Addr(binary.LittleEndian.Uint64(raw[i:])))
			if err != nil {
				return fmt.Errorf("process %d, file %d: %w", pid, int(at)+i/8, err)
			}
			if sk != 0 {
				out[sk] = append(out[sk], Owner{pid, comm, int(at) + i/8})
			}
		}
	}
	return nil
}

// socket is the struct sock behind a struct file, or 0.
func (f *fileReader) socket(file kmem.Addr) (kmem.Addr, error) {
	if file == 0 {
		return 0, nil
	}
	if op, err := kmem.ReadAddr(f.s.K, file+f.op); err != nil || op != f.ops {
		return 0, err
	}
	sock, err := kmem.ReadAddr(f.s.K, file+f.private)
	if err != nil || sock == 0 {
		return 0, err
	}
	return kmem.ReadAddr(f.s.K, sock+f.sk)
}
