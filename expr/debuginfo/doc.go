// Package debuginfo reads what a vmlinux or a module with debug information (DWARF 4 and 5, x86-64) knows beyond symbols
// and BTF: the file and line of an address, and, for a kernel without BTF, its types.
//
// # The format
//
// The sections .debug_* of an ELF file (https://dwarfstd.org). .debug_info is a row of units, one for each
// file that was compiled: some 3,000 in a kernel, 200 MB. A unit is a tree of entries, DIEs; what attributes
// an entry has, and in which form, a table in .debug_abbrev says. Most entries tell by their attribute
// DW_AT_sibling where the next one beside them begins, so that what is within can be skipped. A unit names its
// line table in .debug_line, which is a program for a small machine: debug/dwarf of the standard library runs
// it. .debug_aranges says which unit an address belongs to; a compiler may leave it out (clang does), and then
// each unit's own ranges tell.
//
// # Why not debug/dwarf alone
//
// It wants all sections in memory, 330 MB, and makes an object of every entry and attribute. A lookup here
// reads .debug_aranges and one unit; the conversion of types reads each unit once, and of these only the
// entries that are types, several units at a time.
//
// # Modules
//
// A module's file is a relocatable object. Its sections have no addresses, and fields of the debug information that
// should hold one are filled by rows of tables of relocations: object.go gives each section a place of its own, and
// applies these. Where the kernel put a section, the addresses of the module's symbols tell. A module's types are a
// split BTF on top of the kernel's, which has no type again that the kernel has by name and layout.
//
// # Contract
//
// Addresses are those that the file was linked at; what KASLR added is the caller's to take away, and of a module
// [File.Load] does so. A [File] is
// safe for concurrent use. Files are hostile input: nothing here panics, each allocation is bounded by what the
// file holds, walks over damaged trees end, and errors tell the section and the offset. debug/dwarf may panic,
// and takes a line table's own counts for true: these are checked before, and a panic becomes an error.
package debuginfo
