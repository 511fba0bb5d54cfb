package expr

import (
	"slices"
	"strings"

	"kinspect/btf"
	"kinspect/expr/syntax"
)

// foreignCommands are words of crash, and of gdb, that are no commands of the prompt, with what
// to write instead.
var foreignCommands = map[string]string{
	"bt":      "a task's stack is stack(PID), and that of each task tasks('all') | map([.comm, stack(#)])",
	"files":   "the open files of a task are task_files(PID)",
	"p":       "an expression is printed as it stands, without p: init_task.comm",
	"print":   "an expression is printed as it stands: init_task.comm",
	"px":      "hex(EXPRESSION) prints in hexadecimal, and so does all after set hex",
	"vm":      "the address space of a task is task(PID).mm",
	"sys":     "init_uts_ns.name and uptime() tell of the system, and kinspect info does",
	"task":    "a task is task(PID)",
	"foreach": "tasks('all') | map(EXPRESSION) does it for each task, with # for the task",
	"kmem":    "meminfo() has the figures of memory, and slab_caches() those of slab caches",
	"mount":   "the mounts are mounts()",
	"irq":     "the interrupts are interrupts()",
	"timer":   "per_cpu(timer_bases, CPU) has the timers of a CPU",
	"runq":    "per_cpu(runqueues, CPU) is the run queue of a CPU, and its curr the task that runs",
	"search":  "search(VALUE) looks for a value in memory",
	"sig":     "the pending signals of a task are task(PID).pending.signal",
	"swap":    "swap_info has the swap areas, and meminfo() what is free of them",
	"vtop":    "mem(ADDR, N) reads an address: there is no need to translate it",
	"whatis":  "a type or the type of a value is layout('TYPE') and typeof(EXPRESSION); at the prompt: type NAME",
	"list":    "list_for_each(HEAD, 'struct TYPE', 'MEMBER') walks a list",
	"tree":    "rbtree_for_each(ROOT, 'struct TYPE', 'MEMBER') walks a tree",
	"ptov":    "addresses of memory are the kernel's own here: (void *)(page_offset_base + PHYSICAL)",
	"ipcs":    "init_ipc_ns has the System V objects",
	"repeat":  "0..N | map(EXPRESSION) evaluates several times",
	"lsmod":   "the modules are modules()",
	"prog":    "a symbol is written as it stands: prog['init_task'] is init_task",
}

// foreign is what to write instead of a command that another program has.
func foreign(word string) (string, bool) {
	instead, ok := foreignCommands[word]
	return instead, ok
}

// foreignCommand is the error for a command of another program before a word, bt 1.
func (s *Session) foreignCommand(src []rune, col int) *Error {
	word := strings.TrimSpace(string(src[:col]))
	instead, ok := foreign(word)
	if !ok {
		return nil
	}
	return errorAt("", strings.Index(string(src), word), "%s is no command here: %s", word, instead)
}

// typeNames are those of integers, which are mistyped most.
var typeNames = []string{
	"u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "__u8", "__u16", "__u32", "__u64", "__be16", "__be32", "__be64",
	"__le16", "__le32", "__le64", "size_t", "ssize_t", "loff_t", "pid_t", "gfp_t", "uintptr_t", "bool", "char", "short", "int", "long",
}

// noCast is the error for a cast to what is no type, (u46)5.
func (s *Session) noCast(src []rune, col int) *Error {
	if col >= len(src) || !isWord(src[col]) && !strings.ContainsRune("'\"`", src[col]) {
		return nil
	}
	b := openBrackets(src[:col])
	before := strings.TrimRight(string(src[:col]), " \t")
	if b.closed < 0 || !strings.HasSuffix(before, ")") || src[b.closed] != '(' {
		return nil
	}
	end := len([]rune(before)) - 1
	name := strings.TrimSpace(string(src[b.closed+1 : end]))
	base := strings.TrimRight(name, "* ")
	if base == "" || strings.ContainsFunc(base, func(r rune) bool { return !isWord(r) }) || '0' <= base[0] && base[0] <= '9' || syntax.IsKeyword(base) {
		return nil
	}
	if prev := strings.TrimRight(string(src[:b.closed]), " \t"); prev != "" && isWord([]rune(prev)[len([]rune(prev))-1]) {
		return nil // the brackets of a call
	}
	if _, variable := s.variables[base]; variable || s.open() && s.kernel != nil && s.isKernelName(base) {
		return nil
	}
	msg := "there is no type " + base + ", which these brackets would make a cast"
	if near := btf.Near(base, slices.Clone(typeNames)); len(near) > 0 {
		msg += "; did you mean " + joinOr(near) + "?"
	}
	return errorAt("", b.closed+1, "%s", msg)
}

func (s *Session) isKernelName(name string) bool {
	_, err := s.global(name)
	return err == nil
}
