// Package ktask knows the tasks of a kernel: which there are, what they do, their
// namespaces, their open files, and where their kernel stacks have come from.
//
// Vocabulary, as the kernel has it:
//
//   - A task is a thread, struct task_struct; a process is a thread group, known by
//     its leader. Its pid is the number of /proc/PID.
//   - A path is a pair of a mount and a dentry.
//   - A frame is one function of a stack, called from the next. It is sure where the
//     kernel's own unwind tables (ORC) lead to it, and a guess where a number on the
//     stack merely looks like an address to return to.
//
// What a kernel looks like is asked of its BTF, never of its release. Walks are
// bounded, and what is damaged is an error. On a live kernel tasks come and go while
// they are read: a walk may miss them, or end with an error of its own.
package ktask
