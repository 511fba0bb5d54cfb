// Package kmem reads the memory of a Linux kernel, live or dead, and knows
// its symbols.
//
// Vocabulary:
//
//   - An [Image] is one opened kernel: /proc/kcore, a dump (ELF or kdump-compressed), a snapshot, or the
//     running kernel's memory as package bpfmem reads it.
//   - An [Addr] is a kernel virtual address, a [PhysAddr] a physical one.
//   - A [Fault] says why memory could not be read: where, how much, why.
//   - VMCOREINFO is the kernel's own note about itself, see [VMCoreInfo].
//   - [Scan] reads all memory of a dump, once, on all cores.
//   - A [SymbolTable] turns names into addresses and back.
//
// Each format of dumps is a package of its own: elfcore and kdump, and around them flattened
// and packed. What they share is in dump; the list of formats is in source.go. Pages are
// unpacked by inflate (zlib) and lzo.
//
// Everything here is little-endian x86-64 with 4 KiB base pages; a file of
// another machine is refused when it is opened.
//
// An Image is safe for concurrent readers. A file is hostile input: sizes taken
// from it bound no allocation beyond what the file can hold, every walk has a
// limit, and nothing here panics. The package never writes to kernel memory.
package kmem
