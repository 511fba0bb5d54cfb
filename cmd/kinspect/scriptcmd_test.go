package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/ulikunitz/xz"

	"kinspect/kmem"
)

// wantExit runs a program and wants an exit code: exit CODE PROGRAM ARGS…
func wantExit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// extract writes a dump's symbols as a System.map has them, as they were linked,
// or its BTF: extract symbols|btf DUMP OUT.
func extract(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: extract symbols|btf DUMP OUT")
	}
	img, err := kmem.Open(args[1])
	ts.Check(err)
	defer img.Close()
	syms, err := img.Symbols()
	ts.Check(err)
	var out bytes.Buffer
	if args[0] == "btf" {
		start, _ := syms.Lookup("__start_BTF")
		stop, _ := syms.Lookup("__stop_BTF")
		data := make([]byte, stop.Addr-start.Addr)
		ts.Check(img.ReadMem(start.Addr, data))
		out.Write(data)
	} else {
		moved, _ := img.VMCoreInfo().KernelOffset()
		for s := range syms.All {
			if s.Addr >= 0xffffffff80000000 && s.Addr < 0xffffffffc0000000 {
				s.Addr = s.Addr.Add(-moved)
			}
			fmt.Fprintf(&out, "%016x %c %s\n", uint64(s.Addr), s.Type, s.Name)
		}
	}
	ts.Check(writeFile(ts.MkAbs(args[2]), out.Bytes()))
}

// hide renames the VMCOREINFO of an ELF snapshot, so that it has none: hide IN OUT.
func hide(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hide IN OUT")
	}
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if !bytes.Contains(data, []byte("VMCOREINFO\x00")) {
		ts.Fatalf("%s has no VMCOREINFO", args[0])
	}
	ts.Check(writeFile(ts.MkAbs(args[1]), bytes.Replace(data, []byte("VMCOREINFO\x00"), []byte("VMCOREINFX\x00"), 1)))
}

// pack compresses a file: pack gz|zst|xz IN OUT.
func pack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: pack gz|zst|xz IN OUT")
	}
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch args[0] {
	case "gz":
		w = gzip.NewWriter(&out)
	case "zst":
		w, err = zstd.NewWriter(&out)
	default:
		w, err = xz.NewWriter(&out)
	}
	ts.Check(err)
	_, err = io.WriteString(w, ts.ReadFile(args[1]))
	ts.Check(err)
	ts.Check(w.Close())
	ts.Check(writeFile(ts.MkAbs(args[2]), out.Bytes()))
}

// mangle copies a file and changes it: mangle IN OUT cut N | set OFFSET BYTE… |
// sub OLD NEW, the latter two of the same length.
func mangle(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: mangle IN OUT cut N | set OFFSET BYTE… | sub OLD NEW")
	}
	data := []byte(ts.ReadFile(args[0]))
	offset := func() int {
		n, err := strconv.Atoi(args[3])
		ts.Check(err)
		if n > len(data) {
			ts.Fatalf("%s has %d bytes", args[0], len(data))
		}
		return n
	}
	switch args[2] {
	case "cut":
		data = data[:offset()]
	case "set":
		n := offset()
		for i, s := range args[4:] {
			b, err := strconv.ParseUint(s, 0, 8)
			ts.Check(err)
			data[n+i] = byte(b)
		}
	case "sub":
		if len(args) != 5 || len(args[3]) != len(args[4]) || !bytes.Contains(data, []byte(args[3])) {
			ts.Fatalf("%s does not have %q, or it would change its length", args[0], args[3])
		}
		data = bytes.Replace(data, []byte(args[3]), []byte(args[4]), 1)
	default:
		ts.Fatalf("no change %q", args[2])
	}
	ts.Check(writeFile(ts.MkAbs(args[1]), data))
}

func writeFile(name string, data []byte) error { return os.WriteFile(name, data, 0o600) }
