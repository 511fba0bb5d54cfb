package ktask

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

func made(tb testing.TB, series string) (*value.Kernel, *kernels.Overlay) {
	tb.Helper()
	img := kernels.Open(tb, series)
	o := kernels.NewOverlay(img, 1<<17)
	return value.New(img, o), o
}

// object is a struct in made-up memory.
type object struct {
	value.Value
	t  testing.TB
	o  *kernels.Overlay
	at kmem.Addr
}

func place(tb testing.TB, k *value.Kernel, o *kernels.Overlay, off int64, name string) object {
	tb.Helper()
	st, err := k.Struct(name)
	if err != nil {
		tb.Fatal(err)
	}
	at := kernels.Base.Add(off)
	return object{k.Ref(st, at), tb, o, at}
}

// set writes an integer or pointer of the struct.
func (b object) set(path string, n uint64) {
	b.t.Helper()
	m, err := b.Path(path)
	if err != nil {
		b.t.Fatal(err)
	}
	size, err := m.Size()
	if err != nil {
		b.t.Fatal(err)
	}
	a, _ := m.Addr()
	var raw [8]byte
	for i := range raw {
		raw[i] = byte(n >> (8 * i))
	}
	b.o.PutBytes(a, raw[:size])
}

// of is the address of a member.
func (b object) of(path string) uint64 {
	b.t.Helper()
	m, err := b.Path(path)
	if err != nil {
		b.t.Fatal(err)
	}
	a, _ := m.Addr()
	return uint64(a)
}

func TestState(t *testing.T) {
	for _, series := range kernels.Series {
		k, o := made(t, series)
		task := place(t, k, o, 0, "task_struct")
		var states StateReader
		for _, c := range []struct {
			state, exit uint64
			want        string
		}{
			{0, 0, "R (running)"},
			{1, 0, "S (sleeping)"},
			{2, 0, "D (disk sleep)"},
			{0x102, 0, "D (disk sleep)"}, // TASK_KILLABLE
			{0x2001, 0, "S (sleeping)"},  // freezable
			{0x402, 0, "I (idle)"},
			{4, 0, "T (stopped)"},
			{0x108, 0, "t (tracing stop)"},
			{0x80, 0x20, "Z (zombie)"},
			{0x80, 0x10, "X (dead)"},
			{0x40, 0, "P (parked)"},
			{0x8000, 0, "D (disk sleep)"},
			{0x1000, 0, "D (disk sleep)"},
		} {
			task.set("__state", c.state)
			task.set("exit_state", c.exit)
			if got, err := State(task.Value); err != nil || got != c.want {
				t.Errorf("%s: %#x, %#x: %s, %v, want %s", series, c.state, c.exit, got, err, c.want)
			}
			if got, err := states.Of(&task.Value); err != nil || got != c.want {
				t.Errorf("%s: %#x, %#x: %s, %v, want %s, as one of many", series, c.state, c.exit, got, err, c.want)
			}
		}
	}
}

// TestThreads walks made-up threads, whole and damaged.
func TestThreads(t *testing.T) {
	k, o := made(t, "6.12")
	signal := place(t, k, o, 0, "signal_struct")
	var tasks []object
	for i := range 3 {
		task := place(t, k, o, 0x8000+0x4000*int64(i), "task_struct")
		task.set("signal", uint64(signal.at))
		task.set("pid", uint64(100+i))
		tasks = append(tasks, task)
	}
	st, _ := tasks[1].StructType()
	lists, err := k.ListBehind(st, "signal", "thread_head", "thread_node")
	if err != nil {
		t.Fatal(err)
	}
	walk := func() (pids []uint64, err error) {
		err = EachThread(tasks[1].Value, func(v value.Value) error {
			pid, err := v.UintPath("pid")
			pids = append(pids, pid)
			return err
		})
		var same []uint64
		sameErr := lists.Each(tasks[1].at, maxTasks, func(a kmem.Addr) error {
			pid, err := k.Ref(st, a).UintPath("pid")
			same = append(same, pid)
			return err
		})
		if fmt.Sprint(same, sameErr) != fmt.Sprint(pids, err) {
			t.Errorf("%v, %v, and as one of many %v, %v", pids, err, same, sameErr)
		}
		return pids, err
	}
	signal.set("thread_head.next", tasks[0].of("thread_node"))
	tasks[0].set("thread_node.next", tasks[1].of("thread_node"))
	tasks[1].set("thread_node.next", tasks[2].of("thread_node"))
	tasks[2].set("thread_node.next", signal.of("thread_head"))
	if got, err := walk(); err != nil || !slices.Equal(got, []uint64{100, 101, 102}) {
		t.Errorf("%v, %v", got, err)
	}
	tasks[2].set("thread_node.next", tasks[1].of("thread_node"))
	if _, err := walk(); err == nil || !strings.Contains(err.Error(), "circle") {
		t.Errorf("a circle: %v", err)
	}
	tasks[2].set("thread_node.next", 0)
	if _, err := walk(); err == nil || !strings.Contains(err.Error(), "NULL") {
		t.Errorf("an end: %v", err)
	}
	tasks[1].set("signal", 0)
	if got, err := walk(); err != nil || got != nil {
		t.Errorf("a task without a process: %v, %v", got, err)
	}
}

// pathMemory makes / with a directory dir, in which another file system is mounted, which
// has a file name: the path of it is /dir/name.
type pathMemory struct {
	root, dir, top, file object // dentries
	mount, inner         object
	path                 object
}

func newPaths(tb testing.TB, series string) *pathMemory {
	tb.Helper()
	k, o := made(tb, series)
	dentry := func(i int64, name string, parent *object) object {
		d := place(tb, k, o, 0x1000*i, "dentry")
		up := d.at
		if parent != nil {
			up = parent.at
		}
		d.set("d_parent", uint64(up))
		text := d.at + 0x800
		o.PutBytes(text, append([]byte(name), 0))
		d.set("d_name.name", uint64(text))
		d.set("d_hash.pprev", uint64(kernels.Base))
		return d
	}
	m := &pathMemory{}
	m.root = dentry(1, "/", nil)
	m.dir = dentry(2, "dir", &m.root)
	m.top = dentry(3, "/", nil)
	m.file = dentry(4, "name", &m.top)
	m.mount = place(tb, k, o, 0x5000, "mount")
	m.mount.set("mnt.mnt_root", uint64(m.root.at))
	m.mount.set("mnt_parent", uint64(m.mount.at))
	m.mount.set("mnt_mountpoint", uint64(m.root.at))
	m.inner = place(tb, k, o, 0x6000, "mount")
	m.inner.set("mnt.mnt_root", uint64(m.top.at))
	m.inner.set("mnt_parent", uint64(m.mount.at))
	m.inner.set("mnt_mountpoint", uint64(m.dir.at))
	m.path = place(tb, k, o, 0x7000, "path")
	m.path.set("mnt", m.inner.of("mnt"))
	m.path.set("dentry", uint64(m.file.at))
	return m
}

func TestPath(t *testing.T) {
	for _, series := range kernels.Series {
		for _, c := range []struct {
			name   string
			change func(*pathMemory)
			want   string
		}{
			{"a file", func(*pathMemory) {}, "/dir/name"},
			{"a mount", func(m *pathMemory) { m.path.set("dentry", uint64(m.top.at)) }, "/dir"},
			{"the root", func(m *pathMemory) {
				m.path.set("dentry", uint64(m.root.at))
				m.path.set("mnt", m.mount.of("mnt"))
			}, "/"},
			{"a deleted file", func(m *pathMemory) { m.file.set("d_hash.pprev", 0) }, "/dir/name (deleted)"},
			{"a circle of dentries", func(m *pathMemory) { m.top.set("d_parent", uint64(m.file.at)); m.inner.set("mnt.mnt_root", 0) }, "error: the path has more than"},
			{"a circle of mounts", func(m *pathMemory) {
				m.mount.set("mnt_parent", uint64(m.inner.at))
				m.mount.set("mnt_mountpoint", uint64(m.top.at))
			}, "error: the path has more than"},
			{"no dentry", func(m *pathMemory) { m.path.set("dentry", 0) }, "error: the path is not set"},
			{"a wild name", func(m *pathMemory) { m.file.set("d_name.name", 0x1000) }, "error: "},
			{"a wild parent", func(m *pathMemory) { m.file.set("d_parent", 0xffff999f00000000) }, "error: "},
		} {
			m := newPaths(t, series)
			c.change(m)
			got, err := PathOf(m.path.Value)
			if err != nil {
				got = "error: " + err.Error()
			}
			if got != c.want && (!strings.HasPrefix(c.want, "error: ") || !strings.HasPrefix(got, c.want)) {
				t.Errorf("%s, %s: %s, want %s", series, c.name, got, c.want)
			}
		}
	}
}

// TestFiles reads a made-up table of open files.
func TestFiles(t *testing.T) {
	k, o := made(t, "7.3")
	task := place(t, k, o, 0, "task_struct")
	files := place(t, k, o, 0x4000, "files_struct")
	table := place(t, k, o, 0x5000, "fdtable")
	task.set("files", uint64(files.at))
	files.set("fdt", uint64(table.at))
	table.set("max_fds", 600)
	table.set("fd", uint64(kernels.Base+0x6000))
	o.Put(kernels.Base+0x6000, 0xffff888000001000, 0, 0xffff888000002000)
	o.Put(kernels.Base+0x6000+8*555, 0xffff888000003000)
	walk := func(most int) (got string, err error) {
		err = EachFile(task.Value, func(fd int, file value.Value) error {
			a, _ := file.Addr()
			got += fmt.Sprintf("%d:%s ", fd, a)
			if most--; most == 0 {
				return value.Stop()
			}
			return nil
		})
		return got, err
	}
	if got, err := walk(100); err != nil || got != "0:0xffff888000001000 2:0xffff888000002000 555:0xffff888000003000 " {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := walk(1); err != nil || got != "0:0xffff888000001000 " {
		t.Errorf("%s, %v", got, err)
	}
	table.set("max_fds", 0xffffffff)
	if _, err := walk(100); err == nil || !strings.Contains(err.Error(), "claims") {
		t.Errorf("too many: %v", err)
	}
	files.set("fdt", 0)
	if _, err := walk(100); err == nil {
		t.Error("no table")
	}
	task.set("files", 0)
	if got, err := walk(100); err != nil || got != "" {
		t.Errorf("a task that has exited: %s, %v", got, err)
	}
}

func TestNamespace(t *testing.T) {
	k, o := made(t, "6.1")
	task := place(t, k, o, 0, "task_struct")
	proxy := place(t, k, o, 0x4000, "nsproxy")
	if _, ok, err := Namespace(task.Value, "net"); ok || err != nil {
		t.Errorf("a task without namespaces: %v, %v", ok, err)
	}
	task.set("nsproxy", uint64(proxy.at))
	proxy.set("net_ns", 0xffff888000001000)
	ns, ok, err := Namespace(task.Value, "net")
	if err != nil || !ok || ns.Type().String() != "struct net *" {
		t.Errorf("%v %v %v", ns, ok, err)
	}
	pid := place(t, k, o, 0x5000, "pid")
	task.set("thread_pid", uint64(pid.at))
	pid.set("level", 1)
	o.Put(kmem.Addr(pid.of("numbers"))+16, 7, 0xffff888000002000) // struct upid
	if ns, ok, err = Namespace(task.Value, "pid"); err != nil || !ok {
		t.Errorf("%v, %v", ok, err)
	}
	if a, err := ns.Pointer(); err != nil || a != 0xffff888000002000 {
		t.Errorf("%s, %v", a, err)
	}
	// Its number there is another one than that which the first namespace has for it.
	inner := place(t, k, o, 0x6000, "pid_namespace")
	inner.set("ns.inum", 4026532234)
	o.Put(kmem.Addr(pid.of("numbers"))+16, 7, uint64(inner.at))
	if nr, inum, err := InnerPID(task.Value); err != nil || nr != 7 || inum != 4026532234 {
		t.Errorf("%d in pid:[%d], %v", nr, inum, err)
	}
	pid.set("level", 0)
	if nr, inum, err := InnerPID(task.Value); err != nil || nr != 0 || inum != 0 {
		t.Errorf("of the first namespace: %d in pid:[%d], %v", nr, inum, err)
	}
	pid.set("level", 1000)
	if _, _, err := InnerPID(task.Value); err == nil {
		t.Error("a level that there is not has a number")
	}
	if _, _, err := Namespace(task.Value, "pid"); err == nil || !strings.Contains(err.Error(), "level") {
		t.Errorf("a level that there is not: %v", err)
	}
	if _, _, err := Namespace(task.Value, "nets"); err == nil || !strings.Contains(err.Error(), "cgroup, ipc") {
		t.Errorf("no kind: %v", err)
	}
}

// TestUnwind gives the unwinder rows of its own.
func TestUnwind(t *testing.T) {
	k, o := made(t, "6.12")
	st, err := k.Struct("orc_entry")
	if err != nil {
		t.Fatal(err)
	}
	// Code of 64 bytes a function, and rows for four of them: one that has pushed two
	// words, one with a frame pointer, the last one of the stack, and one that has moved to an interrupt's stack and
	// left its own at the top of that.
	const code, ips, rows, stack = kernels.Base + 0x1000, kernels.Base + 0x8000, kernels.Base + 0x9000, kernels.Base + 0x10000
	const irq = kernels.Base + 0x12000
	orc := &orcTables{
		k: k, row: st, vmlinux: orcTable{ips, rows, 4}, low: code, high: code + 0x1000,
		regs: orcNumbers[5],
	}
	for i, r := range []struct {
		sp, bp int16
		regs   byte // sp_reg and bp_reg
		kind   byte
	}{{24, 0, 5, 2}, {16, -16, 4 | 1<<4, 2}, {0, 0, 0, 1}, {8, 0, 9, 2}} {
		at := ips.Add(4 * int64(i))
		off := uint32(code.Add(64*int64(i)) - at)
		o.PutBytes(at, []byte{byte(off), byte(off >> 8), byte(off >> 16), byte(off >> 24)})
		o.PutBytes(rows.Add(int64(i)*int64(st.Size)), []byte{byte(r.sp), byte(r.sp >> 8), byte(r.bp), byte(uint16(r.bp) >> 8), r.regs, r.kind})
	}
	onStack := stacks{{stack, stack + 0x1000}}
	o.Put(stack+0x100, 1, 2, uint64(code)+64+5)                 // two words and an address to return to
	o.Put(stack+0x200, uint64(stack)+0x300, uint64(code)+128+5) // a frame pointer, and where it returns to
	r := registers{ip: code + 10, sp: stack + 0x100, bp: stack + 0x200}
	r, err = orc.caller(r, onStack)
	if want := (registers{ip: code + 64 + 5, sp: stack + 0x118, bp: stack + 0x200}); err != nil || r != want {
		t.Fatalf("%+v, %v", r, err)
	}
	r, err = orc.caller(r, onStack)
	if want := (registers{ip: code + 128 + 5, sp: stack + 0x210, bp: stack + 0x300}); err != nil || r != want {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err = orc.caller(r, onStack); err != errTop {
		t.Errorf("the end: %v", err)
	}
	// A frame pointer that leads off the stack, or back.
	for _, bp := range []kmem.Addr{0, stack + 0x2000, stack - 8, stack + 0x10} {
		if _, err := orc.caller(registers{ip: code + 64 + 5, sp: stack + 0x118, bp: bp}, onStack); err != errLost {
			t.Errorf("the frame pointer %s: %v", bp, err)
		}
	}
	// From an interrupt's stack to the task's, if it leads there.
	both := append(stacks{{irq, irq + 0x1000}}, onStack...)
	o.Put(irq+0xff8, uint64(stack)+0x100)
	o.Put(stack+0x100, uint64(code)+5)
	r = registers{ip: code + 192 + 5, sp: irq + 0xff8, bp: stack + 0x200}
	up, err := orc.caller(r, both)
	if want := (registers{ip: code + 5, sp: stack + 0x108, bp: stack + 0x200}); err != nil || up != want {
		t.Errorf("from the interrupt's stack: %+v, %v", up, err)
	}
	if _, err = orc.caller(r, stacks{{irq, irq + 0x1000}}); err != errLost {
		t.Errorf("to a stack that is nobody's: %v", err)
	}
}
