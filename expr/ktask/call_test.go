package ktask

import "testing"

// TestOperandLength has the lengths that objdump gives these calls.
func TestOperandLength(t *testing.T) {
	for _, tt := range []struct {
		code string
		want int
	}{
		{"\xff\xd0", 2},                         // call *%rax
		{"\xff\x10", 2},                         // call *(%rax)
		{"\xff\x14\x24", 3},                     // call *(%rsp)
		{"\xff\x50\x18", 3},                     // call *0x18(%rax)
		{"\xff\x54\x24\x08", 4},                 // call *0x8(%rsp)
		{"\xff\x15\x00\x10\x00\x00", 6},         // call *0x1000(%rip)
		{"\xff\x90\x00\x01\x00\x00", 6},         // call *0x100(%rax)
		{"\xff\x94\x24\x00\x01\x00\x00", 7},     // call *0x100(%rsp)
		{"\xff\x14\x25\x00\x00\x00\x80", 7},     // call *0xffffffff80000000
		{"\xff\x14\xc5\x00\x00\x00\x80\x90", 7}, // call *-0x80000000(,%rax,8)
	} {
		if got := operandLength([]byte(tt.code)[1:]); got != tt.want {
			t.Errorf("% x: %d, want %d", tt.code, got, tt.want)
		}
	}
}
