package disasm

import (
	"bytes"
	"strings"
)

// names are the instructions that golang.org/x/arch calls otherwise than objdump 2.40 among
// operands in AT&T's order: by Intel's names, or with a suffix that there is no need for.
var names = map[string]string{
	"callq": "call", "jmpq": "jmp", "retq": "ret", "leaveq": "leave", "popfq": "popf", "pushfq": "pushf",
	"movsxd": "movslq", "cbw": "cbtw", "cwde": "cwtl", "cdqe": "cltq", "cwd": "cwtd", "cdq": "cltd", "cqo": "cqto",
	"data32": "data16", "pushq": "push", "popq": "pop", "shlxq": "shlx", "shrxq": "shrx", "sarxq": "sarx",
}

// rename gives an instruction the name that objdump has.
func rename(code []byte, text string) string {
	if n := len(code) - 1; n > 0 && code[n] == 0x90 && bytes.Count(code, []byte{0x66}) == n {
		return strings.Repeat("data16 ", n-1) + "xchg %ax,%ax"
	}
	words := strings.Split(text, " ")
	for i, w := range words {
		if strings.ContainsAny(w, "%$(") {
			break
		}
		if name, ok := names[w]; ok {
			words[i] = name
		}
		if i+1 == len(words) {
			break
		}
		next := words[i+1]
		switch {
		case w == "mov" && len(code) >= 10 && code[len(code)-9]&0xf8 == 0xb8:
			words[i] = "movabs" // 8 bytes of the instruction are the operand
		case w == "mov" && len(code) >= 9 && code[len(code)-9]&0xfc == 0xa0:
			words[i] = "movabs" // … or its address
		case w == "rep" && (strings.HasPrefix(next, "cmps") || strings.HasPrefix(next, "scas")):
			words[i] = "repz"
		case (w == "nopw" || w == "nopl") && next == "%cs:(%rax,%rax)":
			words[i], words[i+1] = "cs "+w, "0x0(%rax,%rax,1)"
		}
	}
	return strings.Join(words, " ")
}
