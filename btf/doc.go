// Package btf reads the types of a Linux kernel from its BTF and spells them in C.
//
// # The format
//
// BTF, the BPF Type Format, is what the kernel knows of its own C types. The
// build turns the compiler's debug information of vmlinux into one blob of 3 to 6
// MB, without addresses, lines or local variables, and links it into the kernel
// image between the symbols __start_BTF and __stop_BTF. A running kernel shows it
// as /sys/kernel/btf/vmlinux (5.4), and one file for each module (5.11). The
// definitions are in include/uapi/linux/btf.h, the kernel's reader is
// kernel/bpf/btf.c. All numbers are in the byte order of the machine, here
// little-endian.
//
// A blob starts with struct btf_header:
//
//	offset  size
//	     0     2  magic, 0xeb9f
//	     2     1  version, 1
//	     3     1  flags, 0
//	     4     4  hdr_len, in bytes
//	     8     8  type_off, type_len
//	    16     8  str_off, str_len
//	    24     8  layout_off, layout_len (7.1, if hdr_len is 32 or more)
//
// Offsets count bytes from the end of the header, that is from hdr_len. A reader
// takes what it knows of a longer header and leaves the rest alone. Kernels
// since 7.1 may still write the header of 24 bytes: Debian's 7.3 does.
//
// The string section holds NUL-terminated names; the first is empty. A name is
// given as its offset.
//
// The type section is a row of records of different lengths. They have no
// numbers: the first is type 1, the next 2; 0 means void. So where the record of
// an ID starts is known only after a walk over all records before it. Each starts
// with struct btf_type, 12 bytes:
//
//	offset  size
//	     0     4  name_off
//	     4     4  info: bits 0-23 vlen, 24-30 kind, 31 kind_flag
//	     8     4  size in bytes, or the type ID that this type refers to
//
// Up to 7.1, vlen had 16 bits and kind 5; the bits between were zero, so one way
// to read them fits all kernels. The kind decides what follows the 12 bytes: one
// word or more, and vlen rows of members, enumerators, parameters or variables;
// kind.go has the sizes. A reader cannot step over a record whose kind it does not
// know. The layout section (7.1) heals that: for each kind from 0 on an entry of
// 4 bytes says how many bytes follow once (u8), how many for each of vlen (u8),
// and flags (u16, not used yet). With it unknown kinds are skipped and appear as
// [*Unknown]; without it the types before the first unknown kind can be used, and
// [Spec.Incomplete] says why no others.
//
// The order of types is the build's. Since 7.0 named types are sorted by name,
// which nothing here relies on.
//
// The blob of a module is "split": it goes on where vmlinux ends. Its first type
// has the ID after vmlinux's last, its first string the offset after vmlinux's
// last byte, and it means nothing without its base. It repeats no type that
// vmlinux has, so most names have to be looked up in both.
//
// What BTF does not tell: the size of pointers, alignment and packing, the names
// of macros, and the types of global variables; only per-CPU variables are listed.
//
// # Vocabulary
//
//   - A [Spec] is one blob, a [Type] one of its types, an [ID] its number.
//   - A [Member] is what a struct lists. A [Field] is what a path of members
//     leads to, with the offset from the outermost struct.
//   - Offsets of members count bits, sizes of types bytes, bit 0 being the lowest
//     of byte 0; the names say which.
//   - [Kinds] is a set of kinds of named types.
//
// # Why not a library
//
// cilium/ebpf's btf package is good and well tested, and the tests here compare
// every type of real kernels with it. It was not made for one question: it decodes
// or indexes all of a blob first. Open, find net_device, find one member takes it
// 20 to 35 ms and 10 to 16 MB on one core; here it is 0.8 to 1.4 ms and 0.4 to
// 0.7 MB for the blobs of 5.10, 6.1, 6.12, 6.18 and 7.3, of which the walk over
// the 78,000 to 127,000 records takes three quarters. A process that answers one
// question and ends has a few tens of milliseconds in all. It also gives up at a
// kind that it does not know, and its split specs do not find the names of their
// base.
//
// So the walk happens once, in [Parse], and everything else when it is asked for.
// A name is found by comparing the names of all types of its kind where they are
// in the blob, 0.1 to 0.3 ms for a struct; from the fifth such lookup on, a table
// of hashes, made in a millisecond, answers in 0.2 µs. A struct's members are
// decoded when the struct's are asked for, and FindMember decodes only the one.
//
// # Contract
//
// A Spec and all types are safe for concurrent use. They keep a reference to the
// blob, which must stay as it is. Each ID is decoded once: types of one Spec, or
// of a split Spec and its base, are the same if their pointers are.
//
// A blob is hostile input. Nothing here panics. Lengths are checked by Parse; an
// allocation is bounded by what the blob really holds; names of more than 1 KiB
// are cut. Types that refer to themselves have no size ([ErrTooDeep]) and are
// spelled up to a limit. A reference to a type that does not exist is an
// [*Unknown], not an error, so that one bad type does not hide the others.
//
// A struct that no compiler can have made (members that overlap, or are not where their
// alignment puts them) is a [*LayoutError] to whoever asks for a member of it, an integer whose size or sign is
// not its name's an [*Unknown]: a damaged blob is not to give the offset of another member. See
// [Struct.Sound].
//
// Lookups that fail wrap [ErrNotFound]. The texts of these errors suggest names,
// which are looked for when the text is asked for, not before: it is cheap to ask
// whether a kernel has a name.
package btf
