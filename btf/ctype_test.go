package btf

import (
	"errors"
	"strings"
	"testing"
)

func TestParseType(t *testing.T) {
	s := sample().parse(t)
	for _, test := range []struct {
		text, want string
		size       uint64
	}{
		{"int", "int", 4},
		{"  int\t", "int", 4},
		{"unsigned long", "unsigned long", 8},
		{"long unsigned int", "unsigned long", 8},
		{"unsigned long int", "unsigned long", 8},
		{"unsigned", "unsigned int", 4}, // not in the blob
		{"long long unsigned", "unsigned long long", 8},
		{"short", "short", 2},
		{"signed char", "signed char", 1},
		{"__int128 unsigned", "unsigned __int128", 16},
		{"_Bool", "_Bool", 1},
		{"double", "double", 8},
		{"float", "float", 4},              // not in the blob
		{"long double", "long double", 16}, // not in the blob
		{"long double *", "long double *", 8},
		{"u8", "u8", 1},
		{"u8 const", "const u8", 1},
		{"void *", "void *", 8},
		{"struct list_head[16]", "struct list_head [16]", 256},
		{"struct list_head [0x10][2]", "struct list_head [16][2]", 512},
		{"struct list_head[]", "struct list_head []", 0},
		{"struct list_head *[4]", "struct list_head *[4]", 32},
		{"struct list_head (*)[4]", "struct list_head (*)[4]", 8},
		{"const struct device *", "const struct device *", 8},
		{"struct device const *", "const struct device *", 8},
		{"struct device *const", "struct device *const", 8},
		{"struct elsewhere *", "struct elsewhere *", 8},
		{"union either *", "union either *", 8},
		{"enum mode", "enum mode", 4},
		{"struct stats __percpu *", "struct stats __percpu *", 8},
		{"int (*)(struct device *, ...)", "int (*)(struct device *, ...)", 8},
		{"int (*)(struct device *dev, int flags)", "int (*)(struct device *, int)", 8},
		{"void (*)(void)", "void (*)(void)", 8},
		{"void (*)()", "void (*)(void)", 8},
		{"int (*(*)[3])(void (*)(int))", "int (*(*)[3])(void (*)(int))", 8},
	} {
		typ, err := s.ParseType(test.text)
		if err != nil {
			t.Error(err)
			continue
		}
		size, err := Sizeof(typ)
		if typ.String() != test.want || size != test.size || err != nil {
			t.Errorf("%q is %q of %d bytes (%v), want %q of %d", test.text, typ, size, err, test.want, test.size)
		}
	}
	// Names give the blob's types, not copies.
	a, _ := s.ParseType("struct device")
	if b, _ := s.Struct("device"); a != Type(b) {
		t.Error("struct device is another type than Struct(device)")
	}
}

func TestParseTypeErrors(t *testing.T) {
	s := sample().parse(t)
	for _, test := range []struct {
		text   string
		column int // from 1
		want   string
	}{
		{"", 1, "expected a type, found the end"},
		{"*", 1, `expected a type, found "*"`},
		{"struct", 7, "expected the name of the struct, found the end"},
		{"struct 5", 8, `expected the name of the struct, found "5"`},
		{"struct devise *", 8, `no struct "devise" in the BTF of vmlinux; did you mean device?`},
		{"struct elsewere", 8, `no struct "elsewere"`},
		{"enum mod", 6, `did you mean mode?`},
		{"union device", 7, `no union "device"`},
		{"device *", 1, `"device" needs its keyword: struct device`},
		{"mode", 1, `"mode" needs its keyword: enum mode`},
		{"u9", 1, `no typedef or integer type "u9" in the BTF of vmlinux; did you mean u8?`},
		{"int x", 5, `expected the end of the type, found "x"`},
		{"int int", 1, `"int int" is not a type`},
		{"unsigned _Bool", 1, `"unsigned _Bool" is not a type`},
		{"unsigned u8", 10, `expected the end of the type, found "u8"`},
		{"int [x]", 6, `expected the number of elements, found "x"`},
		{"int [-1]", 6, `expected the number of elements, found "-"`},
		{"int [4294967296]", 6, `"4294967296" is not a number of elements`},
		{"int [3", 7, `expected "]", found the end`},
		{"int (*", 7, `expected ")", found the end`},
		{"int (*)(int", 12, `expected ",", found the end`},
		{"int (*)(int,", 13, `expected a type, found the end`},
		{"int (*)(int, void)", 18, `parameter of type void`},
		{"void [3]", 1, `array of void`},
		{"int (*)(void)[3]", 1, `function that returns int [3]`},
		{"int () ()", 1, `function that returns int (void)`},
		{"int @", 5, `found "@"`},
		{strings.Repeat("*", 40), 1, "expected a type"},
		{"int " + strings.Repeat("*", 40), 37, "too deep"},
		{"int " + strings.Repeat("[1]", 40), 104, "too deep"},
		{"int " + strings.Repeat("(*", 40), 37, "too deep"},
		{"int" + strings.Repeat(" (*)(int", 40), 0, "too deep"},
		{strings.Repeat("x", 5000), 1, "too long"},
	} {
		typ, err := s.ParseType(test.text)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q is %v, %v, want a SyntaxError", test.text, typ, err)
			continue
		}
		if !strings.Contains(err.Error(), test.want) || test.column != 0 && syntax.Column+1 != test.column {
			t.Errorf("%q: %q in column %d, want %q in column %d", test.text, err, syntax.Column+1, test.want, test.column)
		}
	}
	if _, err := s.ParseType("struct nothing"); !errors.Is(err, ErrNotFound) {
		t.Errorf("an unknown name is no ErrNotFound: %v", err)
	}
}
