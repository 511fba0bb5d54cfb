package disasm

import "bytes"

// extras are instructions of kernels that golang.org/x/arch does not know, by their bytes. They
// have no operands, so that the bytes are all (Intel SDM, volume 2).
var extras = []struct {
	code []byte
	text string
}{
	{[]byte{0xf3, 0x0f, 0x1e, 0xfa}, "endbr64"},
	{[]byte{0xf3, 0x0f, 0x1e, 0xfb}, "endbr32"},
	{[]byte{0x0f, 0x01, 0xca}, "clac"},
	{[]byte{0x0f, 0x01, 0xcb}, "stac"},
	{[]byte{0x0f, 0x01, 0xee}, "rdpkru"},
	{[]byte{0x0f, 0x01, 0xef}, "wrpkru"},
	{[]byte{0x0f, 0x01, 0xc1}, "vmcall"},
	{[]byte{0x0f, 0x01, 0xd9}, "vmmcall"},
	{[]byte{0x0f, 0x01, 0xc8}, "monitor %rax,%ecx,%edx"},
	{[]byte{0x0f, 0x01, 0xc9}, "mwait  %eax,%ecx"},
	{[]byte{0x0f, 0x01, 0xf8}, "swapgs"},
	{[]byte{0x0f, 0x01, 0xf9}, "rdtscp"},
	{[]byte{0x0f, 0x01, 0xd0}, "xgetbv"},
	{[]byte{0x0f, 0x01, 0xd1}, "xsetbv"},
	{[]byte{0x0f, 0x01, 0xe8}, "serialize"},
	{[]byte{0x0f, 0x01, 0xcf}, "encls"},
	{[]byte{0xf3, 0x0f, 0x09}, "wbnoinvd"},
	{[]byte{0x0f, 0x0b}, "ud2"},
}

// extra is the length and text of such an instruction, or 0.
func extra(code []byte) (int, string) {
	for _, e := range extras {
		if bytes.HasPrefix(code, e.code) {
			return len(e.code), e.text
		}
	}
	if n := ud1(code); n > 0 {
		return n, "ud1"
	}
	return 0, ""
}

// ud1 is the length of that instruction, or 0. Kernels since 7.0 have it for WARN, whose arguments its
// operands name (arch/x86/include/asm/bug.h).
func ud1(code []byte) int {
	i := 0
	for i < len(code) && i < 2 && (code[i] == 0x67 || code[i]&0xf0 == 0x40) { // address size, REX
		i++
	}
	if len(code) < i+4 || code[i] != 0x0f || code[i+1] != 0xb9 {
		return 0
	}
	modrm := code[i+2]
	n := i + 3
	mod, rm := modrm>>6, modrm&7
	if mod != 3 && rm == 4 { // a SIB byte
		if mod == 0 && code[i+3]&7 == 5 {
			n += 4
		}
		n++
	}
	switch {
	case mod == 1:
		n++
	case mod == 2 || mod == 0 && rm == 5:
		n += 4
	}
	if n > len(code) {
		return 0
	}
	return n
}
