package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Types of BPF programs and where they are attached (include/uapi/linux/bpf.h).
const (
	progSchedCLS = 3
	progXDP      = 6

	attachXDP        = 37
	attachTCXIngress = 46

	xdpSKBMode = 2 // XDP_FLAGS_SKB_MODE: generic XDP
)

// xdpDrop attaches a program that drops everything to generic XDP of an interface, says "open", and holds
// it until it is killed.
func xdpDrop(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one interface, got %q", args)
	}
	iface, err := net.InterfaceByName(args[0])
	if err != nil {
		return err
	}
	const drop = 1
	fd, err := loadProgram(progXDP, "lab_drop", instruction(0xb7, 0, drop), instruction(0x95, 0, 0))
	if err != nil {
		return fmt.Errorf("loading for XDP: %w", err)
	}
	if err := linkCreate(fd, iface.Index, attachXDP, xdpSKBMode); err != nil {
		return fmt.Errorf("attaching to XDP: %w", err)
	}
	return holdOpen()
}

// redirect attaches a program to TCX ingress of an interface that hands each frame to another one as if it
// had been received there, says "open", and holds it until it is killed.
func redirect(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want two interfaces, got %q", args)
	}
	from, err := net.InterfaceByName(args[0])
	if err != nil {
		return err
	}
	to, err := net.InterfaceByName(args[1])
	if err != nil {
		return err
	}
	const ingress, bpfRedirect = 1, 23 // BPF_F_INGRESS, BPF_FUNC_redirect
	fd, err := loadProgram(
		progSchedCLS, "lab_redirect",
		instruction(0xb7, 1, int32(to.Index)), instruction(0xb7, 2, ingress),
		instruction(0x85, 0, bpfRedirect), instruction(0x95, 0, 0))
	if err != nil {
		return fmt.Errorf("loading for TCX: %w", err)
	}
	if err := linkCreate(fd, from.Index, attachTCXIngress, 0); err != nil {
		return fmt.Errorf("attaching to TCX: %w", err)
	}
	return holdOpen()
}

func holdOpen() error {
	fmt.Fprintln(os.Stdout, "open")
	for {
		time.Sleep(time.Hour)
	}
}

// instruction is one BPF instruction: b7 sets a register, 85 calls a helper, 95 ends.
func instruction(op, register byte, immediate int32) [8]byte {
	code := [8]byte{0: op, 1: register}
	binary.LittleEndian.PutUint32(code[4:], uint32(immediate))
	return code
}

// loadProgram loads a BPF program.
func loadProgram(typ uint32, name string, code ...[8]byte) (fd int, err error) {
	license := []byte("GPL\x00")
	load := struct {
		typ, count     uint32
		code, license  uint64
		level, size    uint32
		log            uint64
		version, flags uint32
		name           [16]byte
	}{
		typ: typ, count: uint32(len(code)), code: uint64(uintptr(unsafe.Pointer(&code[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0]))),
	}
	copy(load.name[:15], name)
	return bpf(5, unsafe.Pointer(&load), unsafe.Sizeof(load)) // BPF_PROG_LOAD
}

// programID asks for a program's number.
func programID(fd int) (uint32, error) {
	var info struct{ typ, id uint32 }
	get := struct {
		fd, size uint32
		info     uint64
	}{uint32(fd), uint32(unsafe.Sizeof(info)), uint64(uintptr(unsafe.Pointer(&info)))}
	_, err := bpf(15, unsafe.Pointer(&get), unsafe.Sizeof(get)) // BPF_OBJ_GET_INFO_BY_FD
	return info.id, err
}

// linkCreate attaches a program as long as this process lives.
func linkCreate(prog, index int, attach, flags uint32) error {
	create := struct {
		prog, index, attach, flags uint32
		rest                       [6]uint32
	}{prog: uint32(prog), index: uint32(index), attach: attach, flags: flags}
	_, err := bpf(28, unsafe.Pointer(&create), unsafe.Sizeof(create)) // BPF_LINK_CREATE
	return err
}

func bpf(cmd int, attr unsafe.Pointer, size uintptr) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(attr), size)
	if errno != 0 {
		return 0, errno
	}
	return int(fd), nil
}
