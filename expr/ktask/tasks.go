package ktask

import (
	"errors"
	"fmt"
	"math/bits"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// maxTasks bounds walks over tasks: it is the kernel's PID_MAX_LIMIT.
const maxTasks = 4 << 20

// EachThread calls visit with every thread of the process that a task belongs to:
// signal->thread_head (kernel/fork.c).
func EachThread(task value.Value, visit func(value.Value) error) error {
	// Where it is NULL the process is gone: what is left is of a task that has been reaped.
	return value.EachEntryBehind(task, "signal", "thread_head", "thread_node", maxTasks, visit)
}

// EachAddr calls visit with every process, the idle ones aside, by its leader, in the order in which they were
// made: init_task.tasks (kernel/fork.c); or, where all is set, with every thread of each. visit gets the struct that a
// task is, and its address: nothing of it but what links it is read. Where visit returns [value.Stop] the
// walk ends.
func EachAddr(k *value.Kernel, all bool, visit func(*btf.Struct, kmem.Addr) error) error {
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
	link, err := k.Place(st, "tasks")
	if err != nil {
		return err
	}
	each := func(leader kmem.Addr) error { return visit(st, leader) }
	if all {
		threads, err := k.ListBehind(st, "signal", "thread_head", "thread_node")
		if err != nil {
			return err
		}
		stopped := false
		thread := func(a kmem.Addr) error {
			err := visit(st, a)
			stopped = err != nil && errors.Is(err, value.Stop())
			return err
		}
		each = func(leader kmem.Addr) error {
			err := threads.Each(leader, maxTasks, thread)
			if stopped {
				return value.Stop()
			}
			return err
		}
	}
	return value.EachLink(head, false, maxTasks, func(a kmem.Addr) error { return each(a - kmem.Addr(link.Offset())) })
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
		return task, false, errors.Join(err, value.Faultf("the struct pid of %d leads to a task with pid %d: it is damaged, or it changed while it was read", pid, got))
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
	member := stateMember(task)
	state, err := task.UintPath(member)
	if err != nil {
		return "", err
	}
	exit, err := task.UintPath("exit_state")
	if err != nil {
		return "", err
	}
	return stateWord(member, state, exit), nil
}

// stateMember is the member of a task that has its state.
func stateMember(task value.Value) string {
	if renamed := "__state"; task.Has(renamed) { // since 5.14
		return renamed
	}
	return "state"
}

// stateWord is the word for the content of a task's state, which is in that member, and its exit_state.
func stateWord(member string, state, exit uint64) string {
	if state&taskIdle == taskIdle {
		return "I (idle)"
	}
	report := (state | exit) & taskReport
	if member == "__state" && state&(taskRTLockWait|taskFrozen) != 0 {
		report = taskUninterruptible
	}
	return states[bits.Len64(report)]
}

// A StateReader is [State] for many tasks: it remembers where the members lie. It is for one goroutine.
type StateReader struct {
	st          *btf.Struct
	member      string
	state, exit intPlace
	buf         [16]byte
}

// intPlace is a member that is an integer.
type intPlace struct {
	off    uint64
	size   uint32
	signed bool
}

// Of is the state of a task.
func (r *StateReader) Of(task *value.Value) (string, error) {
	st, ok := task.Type().(*btf.Struct)
	if !ok || !task.InMemory() || st != r.st && !r.learn(task.Kernel(), st) {
		return State(*task)
	}
	state, err := task.ReadIntAt(r.state.off, r.state.size, r.state.signed, &r.buf)
	if err != nil {
		return "", err
	}
	exit, err := task.ReadIntAt(r.exit.off, r.exit.size, r.exit.signed, &r.buf)
	if err != nil {
		return "", err
	}
	return stateWord(r.member, state.Bits, exit.Bits), nil
}

// learn looks the members up. It is false where they are not what they should be, which [State] tells.
func (r *StateReader) learn(k *value.Kernel, st *btf.Struct) bool {
	find := func(member string) (p intPlace, ok bool) {
		f, err := k.Place(st, member)
		if err != nil || f.BitSize != 0 {
			return p, false
		}
		t, ok := btf.Underlying(f.Type).(*btf.Int)
		if !ok || t.Size != 4 && t.Size != 8 || t.Bool {
			return p, false
		}
		return intPlace{f.Offset(), t.Size, t.Signed}, true
	}
	member := stateMember(k.Ref(st, 0))
	state, ok1 := find(member)
	exit, ok2 := find("exit_state")
	if !ok1 || !ok2 {
		return false
	}
	r.st, r.member, r.state, r.exit = st, member, state, exit
	return true
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
		number, _, ok, err := innermost(task)
		if err != nil || !ok {
			return ns, false, err
		}
		if ns, err = number.Member("ns"); err != nil {
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

// innermost is a task's number in the innermost PID namespace that it has one in (struct upid), and how deep that is: 0
// is the first namespace. ok is false where the task has none any more, since it exits.
func innermost(task value.Value) (number value.Value, level uint64, ok bool, err error) {
	p, err := task.PointerPath("thread_pid")
	if err != nil || p == 0 {
		return number, 0, false, err
	}
	if level, err = task.UintPath("thread_pid.level"); err != nil {
		return number, 0, false, err
	}
	if level > 32 { // MAX_PID_NS_LEVEL
		return number, 0, false, value.Faultf("the task's struct pid claims level %d: it is damaged", level)
	}
	numbers, err := task.Path("thread_pid.numbers")
	if err != nil {
		return number, 0, false, err
	}
	// The array is declared with one element or none, and has level + 1.
	first, ok := numbers.Addr()
	t, isArray := btf.Underlying(numbers.Type()).(*btf.Array)
	if !ok || !isArray {
		return number, 0, false, fmt.Errorf("the numbers of a struct pid are %s", numbers.Type())
	}
	size, err := btf.Sizeof(t.Elem())
	if err != nil {
		return number, 0, false, err
	}
	return task.Kernel().Ref(t.Elem(), first.Add(int64(level*size))), level, true, nil
}

// InnerPID is a task's number in its own PID namespace, and that namespace's inode number, which is 0 for the first
// namespace, where the number is the one that all tools show.
func InnerPID(task value.Value) (nr, inum uint64, err error) {
	number, level, ok, err := innermost(task)
	if err != nil || !ok || level == 0 {
		return 0, 0, err
	}
	if nr, err = number.UintPath("nr"); err != nil {
		return 0, 0, err
	}
	inum, err = number.UintPath("ns.ns.inum")
	return nr, inum, err
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
