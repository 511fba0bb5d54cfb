package main

import (
	"path/filepath"
	"strconv"
	"strings"
)

// A maker is a program that writes dumps, and when it does.
type maker int

const (
	byQEMU         maker = iota // dump-guest-memory, while the guest stands still
	byMakedumpfile              // on this machine, of vmcore.elf
	byCrashKernel               // makedumpfile in the kernel that runs after the crash, of /proc/vmcore
	byPacker                    // a compression program, of another row
)

// Directories of the dumps, in a kernel's own.
const (
	formatsDir       = "formats"        // incident.elf's memory
	noinfoDir        = "noinfo"         // a guest without the vmcoreinfo device
	vmcoreFormatsDir = "vmcore-formats" // vmcore.elf's memory
	packedDir        = "packed"         // dumps of the others, compressed as a whole
)

// A row is a dump that the lab makes and asks: SERIES/DIR/NAME.
type row struct {
	dir, name string
	by        maker
	how       string // dump-guest-memory's format, makedumpfile's flags, or the packing command
	of        string // what a packed one is made of, DIR/NAME
	kernels   string // series, separated by spaces; "" is every kernel
	paging    bool   // dump-guest-memory's
	parts     int    // of a split dump: NAME.part1 and so on
	room      string // of a file system that is too small for it
}

const (
	ownQEMUKernels = "6.12"          // whose shared boot is the lab's own QEMU's
	filterable     = "5.10 6.1 6.12" // kernels that makedumpfile 1.7.8 knows
)

// rows are all dumps but the captures themselves: incident.elf, scenarios.elf,
// wide.elf and vmcore.elf.
//
// Level 1 leaves out pages of zeros, which makedumpfile sees. Level 31 also leaves out
// what it takes for user memory and caches; of a kernel that is newer than it knows
// (7.3) it took a net_device for that, so such a kernel gets no level 31.
var rows = []row{
	{dir: formatsDir, name: "zlib.kdump", by: byQEMU, how: "kdump-zlib"},
	{dir: formatsDir, name: "lzo.kdump", by: byQEMU, how: "kdump-lzo", kernels: ownQEMUKernels},
	{dir: formatsDir, name: "snappy.kdump", by: byQEMU, how: "kdump-snappy", kernels: ownQEMUKernels},
	{dir: formatsDir, name: "zlib.raw", by: byQEMU, how: "kdump-raw-zlib", kernels: ownQEMUKernels},
	{dir: formatsDir, name: "lzo.raw", by: byQEMU, how: "kdump-raw-lzo", kernels: ownQEMUKernels},
	{dir: formatsDir, name: "snappy.raw", by: byQEMU, how: "kdump-raw-snappy", kernels: ownQEMUKernels},
	{dir: formatsDir, name: "paging.elf", by: byQEMU, how: "elf", paging: true, kernels: "6.12"},

	{dir: noinfoDir, name: "whole.elf", by: byQEMU, how: "elf", kernels: "6.12"},
	{dir: noinfoDir, name: "paging.elf", by: byQEMU, how: "elf", paging: true, kernels: "6.12"},
	{dir: noinfoDir, name: "zlib.kdump", by: byQEMU, how: "kdump-zlib", kernels: "6.12"},

	{dir: vmcoreFormatsDir, name: "zlib31", by: byCrashKernel, how: "-c -d 31", kernels: filterable},
	{dir: vmcoreFormatsDir, name: "lzo31", by: byCrashKernel, how: "-l -d 31", kernels: filterable},
	{dir: vmcoreFormatsDir, name: "zstd31", by: byCrashKernel, how: "-z -d 31", kernels: "6.12"},
	{dir: vmcoreFormatsDir, name: "snappy31", by: byCrashKernel, how: "-p -d 31", kernels: "6.12"},
	{dir: vmcoreFormatsDir, name: "incomplete31", by: byCrashKernel, how: "-c -d 31", room: "9m", kernels: "6.12"},
	{dir: vmcoreFormatsDir, name: "incomplete31.elf", by: byCrashKernel, how: "-E -d 31", room: "9m", kernels: "6.12"},
	{dir: vmcoreFormatsDir, name: "incomplete31.flat", by: byCrashKernel, how: "-c -d 31 -F", room: "9m", kernels: "6.12"},

	{dir: vmcoreFormatsDir, name: "zlib1", by: byMakedumpfile, how: "-c -d 1"},
	{dir: vmcoreFormatsDir, name: "lzo1", by: byMakedumpfile, how: "-l -d 1"},
	{dir: vmcoreFormatsDir, name: "zlib1.flat", by: byMakedumpfile, how: "-c -d 1 -F"},
	{dir: vmcoreFormatsDir, name: "zlib31.flat", by: byMakedumpfile, how: "-c -d 31 -F", kernels: filterable},
	{dir: vmcoreFormatsDir, name: "snappy1", by: byMakedumpfile, how: "-p -d 1", kernels: "6.12"},
	{dir: vmcoreFormatsDir, name: "zstd1", by: byMakedumpfile, how: "-z -d 1", kernels: "6.12"},
	{dir: vmcoreFormatsDir, name: "raw31", by: byMakedumpfile, how: "-d 31", kernels: "6.12"},
	{dir: vmcoreFormatsDir, name: "lzo0", by: byMakedumpfile, how: "-l -d 0", kernels: "6.12"},
	{dir: vmcoreFormatsDir, name: "elf31", by: byMakedumpfile, how: "-E -d 31", kernels: "6.12"},
	{dir: vmcoreFormatsDir, name: "elf31.flat", by: byMakedumpfile, how: "-E -d 31 -F", kernels: "6.12"},
	{dir: vmcoreFormatsDir, name: "split31", by: byMakedumpfile, how: "-l -d 31 --split --splitblock-size 16", parts: 3, kernels: "6.12"},

	{dir: packedDir, name: "lzo31.gz", by: byPacker, how: "gzip -1c", of: "vmcore-formats/lzo31", kernels: "6.12"},
	{dir: packedDir, name: "lzo31.xz", by: byPacker, how: "xz -0c", of: "vmcore-formats/lzo31", kernels: "6.12"},
	{dir: packedDir, name: "lzo31.zst", by: byPacker, how: "zstd -qc", of: "vmcore-formats/lzo31", kernels: "6.12"},
	{dir: packedDir, name: "elf31.gz", by: byPacker, how: "gzip -1c", of: "vmcore-formats/elf31", kernels: "6.12"},
	{dir: packedDir, name: "elf31.xz", by: byPacker, how: "xz -0c", of: "vmcore-formats/elf31", kernels: "6.12"},
	{dir: packedDir, name: "elf31.zst", by: byPacker, how: "zstd -qc", of: "vmcore-formats/elf31", kernels: "6.12"},
}

// rowsOf are a kernel's rows by some maker, in one directory.
func rowsOf(series, dir string, by maker) []row {
	var list []row
	for _, d := range rows {
		if d.dir == dir && d.by == by && (d.kernels == "" || contains(strings.Fields(d.kernels), series)) {
			list = append(list, d)
		}
	}
	return list
}

// file is the dump's path under a kernel's results, of its first part.
func (d row) file() string { return d.files()[0] }

// files are the dump's files under a kernel's results.
func (d row) files() []string {
	path := filepath.Join(d.dir, d.name)
	if d.parts == 0 {
		return []string{path}
	}
	var list []string
	for i := range d.parts {
		list = append(list, path+".part"+strconv.Itoa(i+1))
	}
	return list
}

// incomplete tells that the dump stops in the middle.
func (d row) incomplete() bool { return d.room != "" }

// snappy tells whether makedumpfile has to be built with snappy for this.
func (d row) snappy() bool {
	return (d.by == byMakedumpfile || d.by == byCrashKernel) && contains(strings.Fields(d.how), "-p")
}
