package ktask

import (
	"encoding/binary"
	"strings"
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// TestBeingSwitched: of two tasks that a CPU switches between, the one whose stack the CPU's registers are not on is
// unwound from what it has left.
func TestBeingSwitched(t *testing.T) {
	img := kernels.Open(t, "6.12")
	o := kernels.NewOverlay(img, 1<<17)
	c := kernels.Words{Reader: o, At: map[kmem.Addr]uint64{}}
	k := value.New(img, c)
	word := func(v value.Value, path string, n uint64) {
		t.Helper()
		m, err := v.Path(path)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := m.Addr()
		c.At[a] = n
	}
	const cpu, stacks = 0, kernels.Base + 0x8000
	size, err := stackSize(k)
	if err != nil {
		t.Fatal(err)
	}
	frame, err := k.Struct("inactive_task_frame")
	if err != nil {
		t.Fatal(err)
	}
	schedule, ok := k.LookupSymbol("__schedule")
	if !ok {
		t.Fatal("no __schedule")
	}
	// A process of two threads, which is all that there is.
	signal := place(t, k, o, 0x1000, "signal_struct")
	var two []object
	for i := range int64(2) {
		task := place(t, k, o, 0x10000+0x4000*i, "task_struct")
		stack := stacks.Add(i * size)
		sp := stack.Add(size - 0x200)
		task.set("signal", uint64(signal.at))
		task.set("on_cpu", 1)
		task.set("thread_info.cpu", cpu)
		task.set("stack", uint64(stack))
		task.set("thread.sp", uint64(sp))
		word(k.Ref(frame, sp), "ret_addr", uint64(schedule.Addr)+5)
		two = append(two, task)
	}
	signal.set("thread_head.next", two[0].of("thread_node"))
	two[0].set("thread_node.next", two[1].of("thread_node"))
	two[1].set("thread_node.next", signal.of("thread_head"))
	init, err := k.Global("init_task")
	if err != nil {
		t.Fatal(err)
	}
	head, err := init.Path("tasks")
	if err != nil {
		t.Fatal(err)
	}
	at, _ := head.Addr()
	word(head, "next", two[0].of("tasks"))
	two[0].set("tasks.next", uint64(at))
	// What a crash has left of the CPU: it is on the second task's stack.
	notes, ok := k.LookupSymbol("crash_notes")
	if !ok {
		t.Fatal("no crash_notes")
	}
	offset, err := k.CPUOffset(cpu)
	if err != nil {
		t.Fatal(err)
	}
	note := kernels.Base + 0x100
	c.At[notes.Addr] = uint64(note - offset)
	raw := make([]byte, crashNoteSize)
	binary.LittleEndian.PutUint32(raw, 5)
	binary.LittleEndian.PutUint32(raw[8:], 1)
	copy(raw[12:], "CORE")
	reg := func(n int, v uint64) { binary.LittleEndian.PutUint64(raw[crashNoteHead+112+8*n:], v) }
	reg(16, uint64(schedule.Addr)+100)
	reg(17, 0x10)
	reg(19, uint64(stacks.Add(2*size-0x100)))
	o.PutBytes(note, raw)

	first := func(task value.Value) string {
		t.Helper()
		s, err := StackOf(task)
		if err != nil {
			return err.Error()
		}
		return k.Symbolize(s.Frames[0].Addr)
	}
	if got := first(two[0].Value); got != "__schedule+0x5" {
		t.Errorf("the one that the CPU is not on: %s", got)
	}
	if got := first(two[1].Value); got != "__schedule+0x64" {
		t.Errorf("the one that it is on: %s", got)
	}
	// Where the other one does not run, or on another CPU, the registers are nobody's.
	for path, n := range map[string]uint64{"on_cpu": 0, "thread_info.cpu": 1} {
		old, err := two[1].UintPath(path)
		if err != nil {
			t.Fatal(err)
		}
		two[1].set(path, n)
		if got := first(two[0].Value); !strings.Contains(got, "do not fit the task") {
			t.Errorf("the other one's %s is %d: %s", path, n, got)
		}
		two[1].set(path, old)
	}
}
