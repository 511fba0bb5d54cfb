package ktask

import (
	"errors"
	"fmt"
	"math/bits"

	"kinspect/btf"
	"kinspect/expr/value"
)

// maxTasks bounds walks over tasks: it is the kernel's PID_MAX_LIMIT.
const maxTasks = 4 << 20

// Each calls visit with every process, the idle ones aside, by its leader, in the order
// in which they were made: init_task.tasks (kernel/fork.c). Where visit returns
// [value.Stop] the walk ends.
func Each(k *value.Kernel, visit func(value.Value) error) error {
	first, err := k.Global("init_task")
	if err != nil {
		return err
	}
	head, err := first.Member("tasks")
	if err != nil {
		return err
	}
	st, ok := first.StructType()
	if !ok {
		return fmt.Errorf("init_task is a %s", first.Type())
	}
	return value.EachEntry(head, st, "tasks", maxTasks, visit)
}

// EachThread calls visit with every thread of the process that a task belongs to:
// signal->thread_head (kernel/fork.c).
func EachThread(task value.Value, visit func(value.Value) error) error {
	st, ok := task.StructType()
	if !ok {
		return fmt.Errorf("%s is no task", task.Type())
	}
	if p, err := task.PointerPath("signal"); err != nil || p == 0 {
		// Its process is gone: what is left of a task that has been reaped.
		return err
	}
	head, err := task.Path("signal.thread_head")
	if err != nil {
		return err
	}
	return value.EachEntry(head, st, "thread_node", maxTasks, visit)
}

// EachOfAll calls visit with every thread of every process.
func EachOfAll(k *value.Kernel, visit func(value.Value) error) error {
	stopped := false
	return Each(k, func(leader value.Value) error {
		err := EachThread(leader, func(t value.Value) error {
			err := visit(t)
			stopped = errors.Is(err, value.Stop())
			return err
		})
		if stopped {
			return value.Stop()
		}
		return err
	})
}

// ByPID is the task that init's PID namespace knows by a number: a thread, or a
// process by its leader; 0 is the first idle task. ok is false where there is none.
// The number leads to a struct pid (init_pid_ns.idr), which lists its tasks.
func ByPID(k *value.Kernel, pid uint64) (task value.Value, ok bool, err error) {
	if pid == 0 {
		task, err = k.Global("init_task")
		return task, err == nil, err
	}
	ns, err := k.Global("init_pid_ns")
	if err != nil {
		return task, false, err
	}
	ids, err := ns.Path("idr.idr_rt")
	if err != nil {
		return task, false, err
	}
	e, ok, err := k.XALoad(ids, pid)
	if err != nil || !ok {
		return task, false, err
	}
	st, err := k.Struct("pid")
	if err != nil {
		return task, false, err
	}
	kind, err := k.Enumerator("PIDTYPE_PID")
	if err != nil {
		return task, false, err
	}
	first, err := k.Ref(st, e.Entry).PointerPath(fmt.Sprintf("tasks[%d].first", kind))
	if err != nil || first == 0 {
		return task, false, err
	}
	ts, err := k.Struct("task_struct")
	if err != nil {
		return task, false, err
	}
	link, err := ts.FindMember(fmt.Sprintf("pid_links[%d]", kind))
	if err != nil {
		return task, false, err
	}
	task = k.Ref(ts, first.Add(-int64(link.Offset())))
	if got, err := task.UintPath("pid"); err != nil || got != pid {
		return task, false, errors.Join(err, fmt.Errorf("the struct pid of %d leads to a task with pid %d: it is damaged, or it changed while it was read", pid, got))
	}
	return task, true, nil
}

// The bits of a task's state that are asked for here (include/linux/sched.h); they have
// not changed since 4.14, and the last two came with 5.16 and 6.1.
const (
	taskUninterruptible = 0x2
	taskReport          = 0x7f // what /proc/PID/status tells apart
	taskIdle            = 0x402
	taskRTLockWait      = 0x1000
	taskFrozen          = 0x8000
)

// states are the words of fs/proc/array.c, by the highest bit of the state.
var states = [...]string{
	"R (running)", "S (sleeping)", "D (disk sleep)", "T (stopped)", "t (tracing stop)",
	"X (dead)", "Z (zombie)", "P (parked)",
}

// State is what a task does, as /proc/PID/status has it: "S (sleeping)".
func State(task value.Value) (string, error) {
	member := "__state" // since 5.14
	if !task.Has(member) {
		member = "state"
	}
	state, err := task.UintPath(member)
	if err != nil {
		return "", err
	}
	exit, err := task.UintPath("exit_state")
	if err != nil {
		return "", err
	}
	if state&taskIdle == taskIdle {
		return "I (idle)", nil
	}
	report := (state | exit) & taskReport
	if member == "__state" && state&(taskRTLockWait|taskFrozen) != 0 {
		report = taskUninterruptible
	}
	return states[bits.Len64(report)], nil
}

// namespaces are the members of struct nsproxy, by the names of /proc/PID/ns.
var namespaces = map[string]string{
	"net": "net_ns", "mnt": "mnt_ns", "uts": "uts_ns", "ipc": "ipc_ns", "cgroup": "cgroup_ns",
	"time": "time_ns", "pid_for_children": "pid_ns_for_children",
}

// Namespaces are the kinds of namespaces that [Namespace] knows.
var Namespaces = []string{"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "user", "uts"}

// Namespace is a task's namespace of a kind, by its name in /proc/PID/ns. ok is false
// where the task has none any more, since it exits.
func Namespace(task value.Value, kind string) (ns value.Value, ok bool, err error) {
	switch kind {
	case "pid": // the innermost namespace that its pid is a number in
		p, err := task.PointerPath("thread_pid")
		if err != nil || p == 0 {
			return ns, false, err
		}
		level, err := task.UintPath("thread_pid.level")
		if err != nil {
			return ns, false, err
		}
		if level > 32 { // MAX_PID_NS_LEVEL
			return ns, false, fmt.Errorf("the task's struct pid claims level %d: it is damaged", level)
		}
		numbers, err := task.Path("thread_pid.numbers")
		if err != nil {
			return ns, false, err
		}
		// The array is declared with one element or none, and has level + 1.
		first, ok := numbers.Addr()
		t, isArray := btf.Underlying(numbers.Type()).(*btf.Array)
		if !ok || !isArray {
			return ns, false, fmt.Errorf("the numbers of a struct pid are %s", numbers.Type())
		}
		size, err := btf.Sizeof(t.Elem())
		if err != nil {
			return ns, false, err
		}
		ns, err = task.Kernel().Ref(t.Elem(), first.Add(int64(level*size))).Member("ns")
		if err != nil {
			return ns, false, err
		}
	case "user":
		if ns, err = task.Path("real_cred.user_ns"); err != nil {
			return ns, false, err
		}
	default:
		member, known := namespaces[kind]
		if !known {
			return ns, false, fmt.Errorf("there is no kind of namespace %s: there are %s", value.Quote(kind), words(Namespaces))
		}
		p, err := task.PointerPath("nsproxy")
		if err != nil || p == 0 {
			return ns, false, err
		}
		if ns, err = task.Path("nsproxy." + member); err != nil {
			return ns, false, err
		}
	}
	if ns, err = ns.Load(); err != nil {
		return ns, false, err
	}
	p, err := ns.Pointer()
	return ns, p != 0, err
}

// words lists words: "a, b and c".
func words(list []string) string {
	var out string
	for i, w := range list {
		switch {
		case i == 0:
		case i == len(list)-1:
			out += " and "
		default:
			out += ", "
		}
		out += w
	}
	return out
}
