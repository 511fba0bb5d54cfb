package expr

import (
	"fmt"

	"kinspect/expr/ktask"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// processFunctions read the memory of processes, as far as the dump has it.
var processFunctions = []Function{
	{
		Name: "task_cmdline", Signature: "task_cmdline(TASK or PID)", Topic: topicTask,
		Doc: "the arguments of a process as /proc/PID/cmdline has them, a list of strings (mm->arg_start, in the process's own memory); " +
			"nil for a thread of the kernel",
		Examples: []string{"task_cmdline(1)", "tasks() | filter(.mm != NULL) | map([.pid, task_cmdline(#)])"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) { return c.processStrings(ktask.Arguments) },
	},
	{
		Name: "task_environ", Signature: "task_environ(TASK or PID)", Topic: topicTask,
		Doc:      "the environment of a process as /proc/PID/environ has it, a list of strings (mm->env_start); nil for a thread of the kernel",
		Examples: []string{"task_environ(1) | filter(# startsWith 'PATH=')"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) { return c.processStrings(ktask.Environment) },
	},
	{
		Name: "task_mem", Signature: "task_mem(TASK or PID, ADDRESS[, LENGTH])", Topic: topicTask,
		Doc:      "the bytes at an address of a process, 64 or LENGTH of them, by its page tables (mm->pgd)",
		Examples: []string{"task_mem(1, task(1)->mm->arg_start, 32)"},
		MinArgs:  2, MaxArgs: 3,
		Call: callTaskMem,
	},
}

func (c *Call) processStrings(read func(value.Value) ([]string, bool, error)) (any, error) {
	t, err := c.task(0)
	if err != nil {
		return nil, err
	}
	list, ok, err := read(t)
	if err != nil || !ok {
		return nil, err
	}
	return words(list), c.Grow(len(list))
}

func callTaskMem(c *Call) (any, error) {
	t, err := c.task(0)
	if err != nil {
		return nil, err
	}
	at, err := addressOf(c.Arg(1))
	if err != nil {
		return nil, err
	}
	n := int64(64)
	if c.Arg(2) != nil {
		if n, err = c.Int(2, "the number of bytes"); err != nil {
			return nil, err
		}
	}
	if n < 1 || n > maxDump {
		return nil, fmt.Errorf("task_mem reads 1 to %d bytes", maxDump)
	}
	mem, ok, err := ktask.Memory(t)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, value.Faultf("the task has no memory of a process: it is a thread of the kernel, or has exited")
	}
	data := make([]byte, n)
	if err := mem.ReadMem(at, data); err != nil {
		return nil, err
	}
	return dumped{kmem.Addr(at), data}, nil
}
