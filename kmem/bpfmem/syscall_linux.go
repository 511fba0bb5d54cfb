package bpfmem

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// The calls are made here and not by the library, whose tests of what a kernel knows load ten programs and take ten times
// as long as all that is wanted: one map, one program. The kernel also counts all that was ever loaded, and
// explain reads that count.

// The parts of the kernel's union bpf_attr (include/uapi/linux/bpf.h) that 5.10 knows as well.
type (
	mapCreate struct {
		kind, keySize, valueSize, maxEntries, flags, innerFD, node uint32
		name                                                       [unix.BPF_OBJ_NAME_LEN]byte
	}
	progLoad struct {
		kind, count       uint32
		insns, license    unsafe.Pointer
		logLevel, logSize uint32
		log               unsafe.Pointer
		version, flags    uint32
		name              [unix.BPF_OBJ_NAME_LEN]byte
	}
	testRun struct {
		progFD, retval          uint32
		dataSizeIn, dataSizeOut uint32
		dataIn, dataOut         uint64
		repeat, duration        uint32
		ctxSizeIn, ctxSizeOut   uint32
		ctxIn, ctxOut           uint64
		flags, cpu              uint32
	}
)

// bpf is bpf(2). Its descriptors are closed in programs that are started.
func bpf(cmd int, attr unsafe.Pointer, size uintptr) (int, error) {
	for range 10 {
		fd, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(attr), size)
		switch errno {
		case 0:
			return int(fd), nil
		case unix.EINTR, unix.EAGAIN: // a signal came, of which the runtime has many
			continue
		}
		return -1, errno
	}
	return -1, unix.EAGAIN
}

// newArray makes an array of one value that can be mapped.
func newArray(name string, size int) (int, error) {
	attr := mapCreate{kind: uint32(ebpf.Array), keySize: 4, valueSize: uint32(size), maxEntries: 1, flags: unix.BPF_F_MMAPABLE}
	copy(attr.name[:len(attr.name)-1], name)
	return bpf(unix.BPF_MAP_CREATE, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
}

// newProgram loads a program. Its licence is what the kernel demands of who calls its tracing helpers. Where the verifier
// refuses it, the error has the last of its words.
func newProgram(kind ebpf.ProgramType, name string, insns asm.Instructions) (int, error) {
	var code bytes.Buffer
	if err := insns.Marshal(&code, binary.LittleEndian); err != nil {
		return -1, err
	}
	license := []byte("Dual MIT/GPL\x00")
	attr := progLoad{
		kind: uint32(kind), count: uint32(code.Len() / asm.InstructionSize),
		insns: unsafe.Pointer(&code.Bytes()[0]), license: unsafe.Pointer(&license[0]),
	}
	if kind == ebpf.Syscall {
		attr.flags = unix.BPF_F_SLEEPABLE
	}
	copy(attr.name[:len(attr.name)-1], name)
	fd, err := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err != nil && !errors.Is(err, unix.EPERM) {
		log := make([]byte, 64<<10)
		attr.logLevel, attr.logSize, attr.log = 1, uint32(len(log)), unsafe.Pointer(&log[0])
		if fd, err = bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr)); err != nil {
			err = verifierError(log, err)
		}
		runtime.KeepAlive(log)
	}
	runtime.KeepAlive(license)
	runtime.KeepAlive(code.Bytes())
	return fd, err
}

// verifierError adds the last thing that the verifier said, but for its statistics.
func verifierError(log []byte, err error) error {
	if i := bytes.IndexByte(log, 0); i >= 0 {
		log = log[:i]
	}
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	for i := len(lines) - 1; i >= 0; i-- {
		line := bytes.TrimSpace(lines[i])
		if len(line) > 0 && !bytes.HasPrefix(line, []byte("processed ")) && !bytes.HasPrefix(line, []byte("verification time")) && !bytes.HasPrefix(line, []byte("stack depth")) {
			return fmt.Errorf("%w: %s", err, line)
		}
	}
	return err
}

// run runs a program once.
func run(fd int) error {
	attr := testRun{progFD: uint32(fd)}
	_, err := bpf(unix.BPF_PROG_TEST_RUN, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	return err
}
