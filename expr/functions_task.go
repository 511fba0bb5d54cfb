package expr

import (
	"errors"
	"fmt"
	"strings"

	"kinspect/btf"
	"kinspect/expr/ktask"
	"kinspect/expr/value"
	"kinspect/kmem"
)

const topicTask = "tasks"

var taskFunctions = []Function{
	{
		Name: "tasks", Signature: "tasks(['all'])", Topic: topicTask,
		Doc:      "every process by its leader, or with 'all' every thread, as struct task_struct * (init_task.tasks, kernel/fork.c)",
		Examples: []string{"tasks() | map([.pid, .comm])", "tasks('all') | count(task_state(#) == 'D (disk sleep)')"},
		MaxArgs:  1, Args: []ArgKind{WordArg}, Words: oneOf("all"),
		Call: callTasks,
	},
	{
		Name: "threads", Signature: "threads(TASK)", Topic: topicTask,
		Doc:      "the threads of a task's process (signal->thread_head, kernel/fork.c)",
		Examples: []string{"threads(task(1)) | map(.pid)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			t, err := c.task(0)
			if err != nil {
				return nil, err
			}
			return c.pointers("threads", func(visit func(value.Value) error) error { return ktask.EachThread(t, visit) }), nil
		},
	},
	{
		Name: "task", Signature: "task(PID)", Topic: topicTask,
		Doc:      "the task with a number, as init's PID namespace has it (init_pid_ns.idr, kernel/pid.c); 0 is CPU 0's idle task",
		Examples: []string{"task(1).comm"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			t, err := c.task(0)
			if err != nil {
				return nil, err
			}
			return t.AddressOf()
		},
	},
	{
		Name: "task_state", Signature: "task_state(TASK or PID)", Topic: topicTask,
		Doc:      "what a task does, as /proc/PID/status says it: 'S (sleeping)' (fs/proc/array.c)",
		Examples: []string{"task_state(task(1))", "groupBy(tasks('all'), task_state(#)) | keys()"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			t, err := c.task(0)
			if err != nil {
				return nil, err
			}
			return ktask.State(t)
		},
		onStruct: stateOfEach,
	},
	{
		Name: "task_parent", Signature: "task_parent(TASK or PID)", Topic: topicTask,
		Doc:      "the task that made another, or took it over (real_parent)",
		Examples: []string{"task_parent(1).comm"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			t, err := c.task(0)
			if err != nil {
				return nil, err
			}
			p, err := t.Member("real_parent")
			if err != nil {
				return nil, err
			}
			return p.Load()
		},
	},
	{
		Name: "task_ns", Signature: "task_ns(TASK or PID, 'KIND')", Topic: topicTask,
		Doc:      "a task's namespace: net, mnt, pid, user, uts, ipc, cgroup, time or pid_for_children; nil where it has none any more",
		Examples: []string{"task_ns(1, 'mnt').ns.inum", "task_ns(1, 'pid') == addr(init_pid_ns)"},
		MinArgs:  2, MaxArgs: 2, Args: []ArgKind{AnyArg, WordArg}, Words: namespaceKinds,
		Call: func(c *Call) (any, error) {
			kind, err := c.String(1, "a kind of namespace")
			if err != nil {
				return nil, err
			}
			return c.taskNS(kind)
		},
	},
	{
		Name: "task_netns", Signature: "task_netns(TASK or PID)", Topic: topicTask,
		Doc:      "a task's network namespace, a struct net * (nsproxy); nil where it has none any more",
		Examples: []string{"task_netns(1) == addr(init_net)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) { return c.taskNS("net") },
	},
	{
		Name: "task_files", Signature: "task_files(TASK or PID)", Topic: topicTask,
		Doc:      "a task's open files as {fd, file, path}, file a struct file * (files->fdt, fs/file.c)",
		Examples: []string{"task_files(1) | map([.fd, .path])"},
		MinArgs:  1, MaxArgs: 1,
		Call: callTaskFiles,
	},
	{
		Name: "file_path", Signature: "file_path(FILE or PATH)", Topic: topicTask,
		Doc:      "the path of a struct file or struct path, up to the root of its mount namespace (fs/d_path.c)",
		Examples: []string{"file_path(task(1).fs.pwd)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			v, err := c.structArg(0, "what has a path", "file", "path")
			if err != nil {
				return nil, err
			}
			if st, _ := v.StructType(); st.Name == "path" {
				return ktask.PathOf(v)
			}
			return ktask.FilePath(v)
		},
	},
	{
		Name: "stack", Signature: "stack(TASK or PID)", Topic: topicTask,
		Doc:      "the kernel stack of a task, the innermost function first: of one that waits, or that runs where a dump has the registers of its CPU; what is a guess has a ?; with --vmlinux each with its line, and the functions inlined there (arch/x86/kernel/unwind_orc.c)",
		Examples: []string{"stack(1)", "tasks() | filter(task_state(#) startsWith 'D') | map([.comm, stack(#)])"},
		MinArgs:  1, MaxArgs: 1,
		Call: callStack,
	},
}

// task is an argument that is a task: a struct task_struct, a pointer to one, or a PID.
func (c *Call) task(i int) (value.Value, error) {
	if v, ok := c.Arg(i).(value.Value); ok {
		if _, isStruct := v.StructType(); isStruct {
			return c.structArg(i, "a task", "task_struct")
		}
	}
	if _, ok, err := numberOf(c.Arg(i)); err == nil && !ok {
		return value.Value{}, fmt.Errorf("a task is a struct task_struct, or the number of one, not %s", describe(c.Arg(i)))
	}
	pid, err := c.Int(i, "the number of a task")
	if err != nil {
		return value.Value{}, err
	}
	if !c.Session.open() {
		return value.Value{}, errNoKernel
	}
	t, ok := value.Value{}, false
	if pid >= 0 {
		if t, ok, err = ktask.ByPID(c.Session.kernel, uint64(pid)); err != nil {
			return t, err
		}
	}
	if !ok {
		return t, fmt.Errorf("there is no task %d", pid)
	}
	return t, nil
}

// isTask reports whether a value is a struct task_struct in memory.
func isTask(v *value.Value) bool {
	st, ok := v.Type().(*btf.Struct)
	return ok && st.Name == "task_struct" && !st.Union && v.InMemory()
}

// stateOfEach is task_state for the elements of a walk.
func stateOfEach() structCall {
	var states ktask.StateReader
	var last string
	var boxed any // which is last, as most are what the one before them was
	return func(v *value.Value) (any, bool, error) {
		if !isTask(v) {
			return nil, false, nil
		}
		state, err := states.Of(v)
		if err != nil {
			return nil, true, err
		}
		if boxed == nil || state != last {
			last, boxed = state, state
		}
		return boxed, true, nil
	}
}

func callTasks(c *Call) (any, error) {
	if !c.Session.open() {
		return nil, errNoKernel
	}
	all := false
	if c.Arg(0) != nil {
		which, err := c.String(0, "which tasks")
		if err != nil {
			return nil, err
		}
		if which != "all" {
			return nil, fmt.Errorf("tasks('all') are those of every thread: there is no %s", value.Quote(which))
		}
		all = true
	}
	s := c.Session
	return newSequence("tasks", func(visit func(*elem) error) error {
		e := &elem{isRef: true}
		var own error
		err := ktask.EachAddr(s.kernel, all, func(st *btf.Struct, a kmem.Addr) error {
			if own != nil { // the end of one part is not that of the walk
				return own
			}
			if own = s.stopped(); own != nil {
				return own
			}
			if e.v = nil; !e.ref.Valid() {
				e.ref = s.kernel.Ref(st, a)
			}
			e.ref.MoveTo(a)
			own = visit(e)
			return own
		})
		if own != nil {
			return own
		}
		return err
	}), nil
}

// taskNS is a namespace of the task that the first argument is.
func (c *Call) taskNS(kind string) (any, error) {
	t, err := c.task(0)
	if err != nil {
		return nil, err
	}
	ns, ok, err := ktask.Namespace(t, kind)
	if err != nil || !ok {
		return nil, err
	}
	return ns, nil
}

func callTaskFiles(c *Call) (any, error) {
	t, err := c.task(0)
	if err != nil {
		return nil, err
	}
	return c.Session.sequence("files", func(visit func(any) error) error {
		return ktask.EachFile(t, func(fd int, file value.Value) error {
			p, err := file.AddressOf()
			if err != nil {
				return err
			}
			path, err := orFault(ktask.FilePath(file))
			if err != nil {
				return fmt.Errorf("the path of file %d: %w", fd, err)
			}
			return visit(map[string]any{"fd": fd, "file": p, "path": path})
		})
	}), nil
}

func callStack(c *Call) (any, error) {
	t, err := c.task(0)
	if err != nil {
		return nil, err
	}
	st, err := ktask.StackOf(t)
	if errors.Is(err, ktask.ErrRunning) {
		// In a list of tasks some run.
		c.Warn("%v", err)
		return []any{}, nil
	}
	if err != nil {
		return nil, err
	}
	if st.Note != "" {
		c.Warn("%s", st.Note)
	}
	out := make([]any, len(st.Frames))
	for i, f := range st.Frames {
		// Symbols are printable already: the language escapes strings when it prints them.
		out[i] = strings.ReplaceAll(f.Text(t.Kernel()), `\\`, `\`)
	}
	return out, c.Grow(len(out))
}
