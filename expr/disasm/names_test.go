package disasm

import "testing"

// TestRename: the texts on the right are objdump 2.40's.
func TestRename(t *testing.T) {
	for _, test := range []struct {
		code []byte
		text string
		want string
	}{
		{[]byte{0x48, 0x63, 0xd8}, "movsxd %eax,%rbx", "movslq %eax,%rbx"},
		{[]byte{0x48, 0x98}, "cdqe", "cltq"},
		{[]byte{0xc3}, "retq", "ret"},
		{[]byte{0xe8, 0, 0, 0, 0}, "callq 0xffffffff81000005 <cdqe+0x0>", "call 0xffffffff81000005 <cdqe+0x0>"},
		{[]byte{0x66, 0x90}, "data16 nop", "xchg %ax,%ax"},
		{[]byte{0x66, 0x66, 0x66, 0x90}, "data16 data16 data16 nop", "data16 data16 xchg %ax,%ax"},
		{[]byte{0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}, "data32 nopw %cs:(%rax,%rax)", "data16 cs nopw 0x0(%rax,%rax,1)"},
		{[]byte{0x48, 0xb8, 0, 1, 0, 0, 0, 0, 0xad, 0xde}, "mov $-0x2152ffffffffff00,%rax", "movabs $-0x2152ffffffffff00,%rax"},
		{[]byte{0x6a, 0}, "pushq $0x0", "push $0x0"},
		{[]byte{0xf3, 0xa6}, "rep cmpsb %es:(%rdi),%ds:(%rsi)", "repz cmpsb %es:(%rdi),%ds:(%rsi)"},
		{[]byte{0xf3, 0xa4}, "rep movsb %ds:(%rsi),%es:(%rdi)", "rep movsb %ds:(%rsi),%es:(%rdi)"},
	} {
		if text := rename(test.code, test.text); text != test.want {
			t.Errorf("%x: %s is %s, want %s", test.code, test.text, text, test.want)
		}
	}
}
