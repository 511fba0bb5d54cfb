package kmem

import (
	"encoding/binary"
	"encoding/hex"
)

// maxBuildNotes bounds the notes of a kernel's image, in bytes: they have some hundred.
const maxBuildNotes = 64 << 10

// BuildIDInMemory is the kernel's GNU build ID as its own image has it, in hexadecimal: in the
// notes between __start_notes and __stop_notes (include/asm-generic/vmlinux.lds.h), which
// /sys/kernel/notes shows, too. It is "" where they cannot be read.
func BuildIDInMemory(r Reader, syms SymbolTable) string {
	start, ok1 := syms.Lookup("__start_notes")
	stop, ok2 := syms.Lookup("__stop_notes")
	if !ok1 || !ok2 || stop.Addr <= start.Addr || stop.Addr-start.Addr > maxBuildNotes {
		return ""
	}
	data := make([]byte, stop.Addr-start.Addr)
	if r.ReadMem(start.Addr, data) != nil {
		return ""
	}
	return GNUBuildID(data)
}

// GNUBuildID finds the build ID among ELF notes, in hexadecimal: a note of type 3, owner "GNU". It is "" where there is
// none.
func GNUBuildID(data []byte) string {
	le := binary.LittleEndian
	for len(data) >= 12 {
		name, desc := uint64(le.Uint32(data)), uint64(le.Uint32(data[4:]))
		descAt := 12 + (name+3)&^3
		next := descAt + (desc+3)&^3
		if next > uint64(len(data)) {
			break
		}
		if le.Uint32(data[8:]) == 3 && string(data[12:12+name]) == "GNU\x00" {
			return hex.EncodeToString(data[descAt : descAt+desc])
		}
		data = data[next:]
	}
	return ""
}
