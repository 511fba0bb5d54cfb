package bpfmem

import (
	"errors"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"kinspect/kmem"
)

// The structures are those of include/uapi/linux/bpf.h.
func TestAttributes(t *testing.T) {
	var m mapCreate
	var p progLoad
	var r testRun
	for name, v := range map[string][2]uintptr{
		"map_name": {unsafe.Offsetof(m.name), 28}, "map": {unsafe.Sizeof(m), 44},
		"insns": {unsafe.Offsetof(p.insns), 8}, "log_buf": {unsafe.Offsetof(p.log), 32}, "prog_name": {unsafe.Offsetof(p.name), 48},
		"repeat": {unsafe.Offsetof(r.repeat), 32}, "ctx_in": {unsafe.Offsetof(r.ctxIn), 48}, "cpu": {unsafe.Offsetof(r.cpu), 68},
	} {
		if v[0] != v[1] {
			t.Errorf("%s is at %d, want %d", name, v[0], v[1])
		}
	}
}

func TestVerifierError(t *testing.T) {
	log := "0: (18) r6 = 0xffff\n5: (85) call bpf_probe_read_kernel#113\nunknown func bpf_probe_read_kernel#113\nprocessed 5 insns (limit 1000000)\nstack depth 8\n\x00\x00"
	err := verifierError([]byte(log), unix.EINVAL)
	if !errors.Is(err, unix.EINVAL) || !strings.HasSuffix(err.Error(), ": unknown func bpf_probe_read_kernel#113") {
		t.Errorf("%v", err)
	}
	if err := verifierError(nil, unix.E2BIG); err != error(unix.E2BIG) {
		t.Errorf("%v", err)
	}
}

func TestFault(t *testing.T) {
	for _, tt := range []struct {
		addr   uint64
		status unix.Errno
		reason kmem.Reason
		words  string
	}{
		{0xffff888000000000, unix.EFAULT, kmem.Unmapped, "own read"},
		{0x1000, unix.EFAULT, kmem.Unmapped, "no address of the kernel"},
		{0xffffffffff600000, unix.ERANGE, kmem.Unmapped, "no address of the kernel"},
		{0xffff888000000000, unix.EPERM, kmem.Refused, "locked down"},
		{0xffff888000000000, unix.ENOMEM, kmem.Failed, "cannot allocate memory"},
	} {
		if f := fault(tt.addr, tt.status); f.Addr != tt.addr || f.Reason != tt.reason || !strings.Contains(f.Detail, tt.words) {
			t.Errorf("%#x, %v: %+v", tt.addr, tt.status, f)
		}
	}
}
