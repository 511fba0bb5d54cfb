package value

import (
	"errors"
	"testing"
)

const (
	max63 = 0x7fffffffffffffff
	min63 = 0x8000000000000000
	max64 = 0xffffffffffffffff
)

func u(n uint64) Num { return UintNum(n) }
func i(n int64) Num  { return IntNum(n) }

// TestCompare: what a C compiler says of a < b for the types at hand.
func TestCompare(t *testing.T) {
	for _, c := range []struct {
		a, b Num
		want int
	}{
		{u(max63), u(min63), -1},
		{u(min63), u(max63), 1},
		{u(max64), u(max64), 0},
		{u(max64), i(5), 1},
		{u(max64), i(-1), 0},
		{i(-1), u(0), 1},
		{u(min63), i(-9223372036854775808), 0},
		{i(-1), i(1), -1},
		{Num{0xffffffff, 4, false}, i(-1), 0}, // unsigned int against int: unsigned
		{Num{0xffffffff, 4, false}, Num{max64, 8, true}, 1},
		{Num{200, 1, false}, i(-1), 1}, // u8 becomes int
	} {
		if got := Compare(c.a, c.b); got != c.want {
			t.Errorf("Compare(%+v, %+v) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestCompute(t *testing.T) {
	for _, c := range []struct {
		op   string
		a, b Num
		want uint64
		size uint32
		sign bool
	}{
		{"+", u(max64), i(1), 0, 8, false},
		{"+", u(max63), i(1), min63, 8, false},
		{"-", u(0), i(1), max64, 8, false},
		{"*", u(min63), i(2), 0, 8, false},
		{"/", u(max64), i(2), max63, 8, false},
		{"/", i(-7), i(2), ^uint64(0) - 2, 4, true},
		{"%", i(-7), i(2), max64, 4, true},
		{"%", u(max64), i(10), 5, 8, false},
		{">>", u(min63), i(63), 1, 8, false},
		{">>", Num{min63, 8, true}, i(63), max64, 8, true},
		{"<<", i(1), i(31), 0xffffffff80000000, 4, true},
		{"&", u(max64), i(-1), max64, 8, false},
		{"^", u(max64), u(min63), max63, 8, false},
		{"|", Num{0x80000000, 4, false}, i(1), 0x80000001, 4, false},
		{"+", Num{255, 1, false}, Num{1, 1, false}, 256, 4, true},
		{"+", Num{0xffffffff, 4, false}, i(1), 0, 4, false},
		{"+", i(0x7fffffff), i(1), 0xffffffff80000000, 4, true},
	} {
		got, err := Compute(c.op, c.a, c.b)
		if err != nil || got != (Num{c.want, c.size, c.sign}) {
			t.Errorf("%+v %s %+v = %+v, %v; want %#x, size %d, signed %v", c.a, c.op, c.b, got, err, c.want, c.size, c.sign)
		}
	}
}

func TestComputeRefuses(t *testing.T) {
	if _, err := Compute("/", i(1), i(0)); !errors.Is(err, ErrDivide) {
		t.Errorf("1/0: %v", err)
	}
	if _, err := Compute("%", u(1), u(0)); !errors.Is(err, ErrDivide) {
		t.Errorf("1%%0: %v", err)
	}
	if _, err := Compute("<<", i(1), i(32)); err == nil {
		t.Error("1<<32 of an int is undefined in C, and computed here")
	}
	if _, err := Compute("<<", i(1), i(-1)); err == nil {
		t.Error("a negative shift is undefined in C, and computed here")
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"bond0":          "bond0",
		"a\x1b[2Jb":      `a\x1b[2Jb`,
		"a\\x1b":         `a\\x1b`,
		"\xff\xfe":       `\xff\xfe`,
		"é":              "é",
		"\u009b31m":      `\xc2\x9b31m`,
		"\u202eevil":     `\xe2\x80\xaeevil`,
		"tab\there\r\n":  `tab\x09here\x0d\x0a`,
		"\x7f":           `\x7f`,
		"zero\u200bjoin": `zero\xe2\x80\x8bjoin`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Quote(`say "hi"`); got != `"say \"hi\""` {
		t.Errorf("Quote: %s", got)
	}
}
