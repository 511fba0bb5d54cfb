package disasm

import "testing"

// TestExtra: lengths and names as objdump 2.40 has them.
func TestExtra(t *testing.T) {
	for _, test := range []struct {
		code []byte
		n    int
		text string
	}{
		{[]byte{0xf3, 0x0f, 0x1e, 0xfa, 0x90}, 4, "endbr64"},
		{[]byte{0x67, 0x48, 0x0f, 0xb9, 0x3a, 0x90}, 5, "ud1"},
		{[]byte{0x0f, 0xb9, 0x40, 0x08, 0x90}, 4, "ud1"},             // disp8
		{[]byte{0x0f, 0xb9, 0x05, 1, 2, 3, 4, 0x90}, 7, "ud1"},       // disp32(%rip)
		{[]byte{0x0f, 0xb9, 0x44, 0x24, 0x08, 0x90}, 5, "ud1"},       // SIB, disp8
		{[]byte{0x0f, 0xb9, 0x04, 0x25, 1, 2, 3, 4, 0x90}, 8, "ud1"}, // SIB without a base, disp32
		{[]byte{0x0f, 0xb9, 0x80, 1, 2, 3}, 0, ""},                   // cut
		{[]byte{0x67}, 0, ""},
		{[]byte{0x67, 0x48}, 0, ""},
		{nil, 0, ""},
	} {
		if n, text := extra(test.code); n != test.n || text != test.text {
			t.Errorf("%x: %d %q, want %d %q", test.code, n, text, test.n, test.text)
		}
	}
}
