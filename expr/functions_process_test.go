package expr

import (
	"os"
	"path/filepath"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// TestLabProcess asks for the memory of the guest's first process, whose arguments the lab's kernel
// gave it; what its other processes have the lab compares with /proc.
func TestLabProcess(t *testing.T) {
	dir := os.Getenv("KINSPECT_LAB_RESULTS")
	if dir == "" {
		t.Skip("KINSPECT_LAB_RESULTS is not set: the lab runs this on its dumps")
	}
	for _, series := range []string{"5.10", "6.1", "6.12", "7.3"} {
		img, err := kmem.Open(filepath.Join(dir, series, "incident.elf"))
		if err != nil {
			continue
		}
		k := value.New(img, img)
		cases(t, NewSession(k, knet.New(k, host.None{}), Options{}), [][2]string{
			{"task_cmdline(1)", `["/bin/busybox", "sh", "/init"]`},
			{"task_cmdline(task(1))", `["/bin/busybox", "sh", "/init"]`},
			{"task_environ(1) | filter(# startsWith 'HOME')", `["HOME=/"]`},
			{"task_cmdline(2)", "nil"},
			{"tasks() | filter(task_cmdline(#) == nil) | all(.mm == NULL)", "true"},
			{"search(task_mem(1, task(1)->mm->arg_start, 16)) | len() > 0", "true"},
			{"task_mem(1, 0x10, 8)", "error: cannot read 8 bytes at address 0x10: not mapped: page table entry at level …"},
			{"task_mem(1, init_net, 8)", "error: cannot read 8 bytes at address 0xffffffff…"},
			{"task_mem(2, 0x400000)", "error: the task has no memory of a process: it is a thread of the kernel, or has exited"},
			{"task_mem(1, 0x400000, 0)", "error: task_mem reads 1 to 65536 bytes"},
		})
		img.Close()
	}
}
