package btf

import (
	"strings"
	"testing"
)

func TestString(t *testing.T) {
	s := sample().parse(t)
	want := []string{
		"void", "int", "unsigned long", "char", "_Bool", "unsigned char", "u8", "struct list_head *",
		"struct list_head", "struct stats", "struct {...}", "union {...}", "struct device *", "struct device",
		"char [16]", "struct stats [2]", "int (struct device *, ...)", "int (*)(struct device *, ...)", "int []",
		"enum mode", "enum wide", "struct elsewhere", "union either", "const char", "const char *",
		"struct stats __percpu", "struct stats __percpu *", "struct stats __percpu *const", "volatile int",
		"struct device *restrict", "int (struct device *)", "int open(struct device *dev)", "unsigned long counter",
		`section ".data..percpu"`, "double", `btf_decl_tag("fastcall")`,
	}
	for id := range ID(s.NumTypes()) {
		typ, err := s.TypeByID(id)
		if err != nil {
			t.Fatal(err)
		}
		if int(id) >= len(want) || typ.String() != want[id] {
			t.Errorf("type %d is %q, want %q", id, typ, want[min(int(id), len(want)-1)])
		}
	}
	if s.NumTypes() != len(want) {
		t.Errorf("%d types, want %d", s.NumTypes(), len(want))
	}
}

func TestCDecl(t *testing.T) {
	s := sample().parse(t)
	for _, test := range []struct{ typ, name, want string }{
		{"struct list_head[16]", "ptype_base", "struct list_head ptype_base[16]"},
		{"int (*)(struct device *, int)", "func", "int (*func)(struct device *, int)"},
		{"struct device *", "dev", "struct device *dev"},
		{"struct device **", "dev", "struct device **dev"},
		{"struct device *[4]", "dev", "struct device *dev[4]"},
		{"struct device (*)[4]", "dev", "struct device (*dev)[4]"},
		{"int (*(*)(void))(int)", "get", "int (*(*get)(void))(int)"},
		{"int (*[2][3])(void)", "ops", "int (*ops[2][3])(void)"},
		{"const char *const *", "names", "const char *const *names"},
		{"char *const volatile", "p", "char *const volatile p"},
		{"const volatile int", "x", "const volatile int x"},
		{"const int[3]", "x", "const int x[3]"},
		{"const int (*)[3]", "x", "const int (*x)[3]"},
		{"struct stats __percpu *", "stats", "struct stats __percpu *stats"},
		{"char __user *__percpu *", "p", "char __user *__percpu *p"},
		{"void (*)(void)", "f", "void (*f)(void)"},
		{"int []", "x", "int x[]"},
		{"unsigned long", "", "unsigned long"},
	} {
		typ, err := s.ParseType(test.typ)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := CDecl(typ, test.name); got != test.want {
			t.Errorf("CDecl(%s, %s) = %q, want %q", test.typ, test.name, got, test.want)
		}
		// What is printed can be read again and prints the same.
		again, err := s.ParseType(typ.String())
		if err != nil || again.String() != typ.String() {
			t.Errorf("ParseType(%q) = %v, %v", typ, again, err)
		}
	}
}

func TestTypeTags(t *testing.T) {
	b := newBlob()
	char := b.int("char", 1, 2)
	tag := func(name string, flag uint32) ID {
		return b.ref(kindPointer, "", b.add(name, kindTypeTag, 0, flag, uint32(char)))
	}
	ids := []ID{tag("user", 0), tag("rcu", 0), tag("kptr", 0), tag("address_space(1)", kindFlag)}
	s := b.parse(t)
	for i, want := range []string{
		"char __user *", "char __rcu *", `char __attribute__((btf_type_tag("kptr"))) *`, "char __attribute__((address_space(1))) *",
	} {
		if got := s.typeOrUnknown(ids[i]).String(); got != want {
			t.Errorf("tag %d is %q, want %q", i, got, want)
		}
	}
}

func TestCDefinition(t *testing.T) {
	s := sample().parse(t)
	for _, test := range []struct {
		kind    Kinds
		name    string
		printer Printer
		want    string
	}{
		{Structs, "list_head", Printer{}, `
struct list_head {
	struct list_head *next;
	struct list_head *prev;
};
`},
		{Structs, "device", Printer{Offsets: true}, `
struct device {
	char name[16];                                  /*     0    16 */
	u8 up:1;                                        /*    16:0   1 */
	u8 mode:3;                                      /*    16:1   3 */
	union {
		unsigned long whole;                    /*    24     8 */
		struct {
			int lo;                         /*    24     4 */
			int hi;                         /*    28     4 */
		};                                      /*    24     8 */
	};                                              /*    24     8 */
	struct stats port[2];                           /*    32    32 */
	struct device *parent;                          /*    64     8 */
	int (*poll)(struct device *, ...);              /*    72     8 */
	struct list_head list;                          /*    80    16 */
	int tags[];                                     /*   120     0 */
} /* size: 120 */;
`},
		{Structs, "device", Printer{Exact: true}, `
struct device {
	char name[16];
	u8 up:1;
	u8 mode:3;
	union {
		unsigned long whole;
		struct {
			int lo;
			int hi;
		};
	};
	struct stats port[2];
	struct device *parent;
	int (*poll)(struct device *, ...);
	struct list_head list;
	unsigned char __pad1[24];
	int tags[0];
};
`},
		{Enums, "mode", Printer{}, `
enum mode {
	MODE_NONE = -1,
	MODE_FULL = 7,
};
`},
		{Enums, "wide", Printer{Exact: true}, `
enum wide {
	WIDE_TOP = 9223372036854775808ULL,
} __attribute__((mode(DI)));
`},
		{Typedefs, "u8", Printer{}, "\ntypedef unsigned char u8;\n"},
		{Forwards, "either", Printer{}, "\nunion either;\n"},
		{Funcs, "open", Printer{}, "\nint open(struct device *dev);\n"},
		{Vars, "counter", Printer{}, "\nunsigned long counter;\n"},
		{Ints, "long unsigned int", Printer{}, "\nunsigned long\n"},
		{DataSecs, ".data..percpu", Printer{Offsets: true}, `
/* section ".data..percpu", 8 bytes */
unsigned long counter;                                  /*     0     8 */
`},
	} {
		typ, err := s.first(test.kind, test.name)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := "\n" + test.printer.Definition(typ); got != test.want {
			t.Errorf("%s: got%swant%s", test.name, got, test.want)
		}
	}
}

// TestExactPacking has a layout that C needs "packed" for, and one that it needs
// gaps of bits for.
func TestExactPacking(t *testing.T) {
	b := newBlob()
	n := b.int("int", 4, 1)
	u := b.int("unsigned char", 1, 0)
	b.structOf(kindStruct, "packed", 5, memberOf{"c", u, 0, 0}, memberOf{"n", n, 8, 0})
	b.structOf(kindStruct, "gaps", 8, memberOf{"a", n, 3, 2}, memberOf{"b", n, 21, 4}, memberOf{"c", n, 32, 1})
	s := b.parse(t)
	for name, want := range map[string]string{
		"packed": "struct packed {\n\tunsigned char c;\n\tint n;\n} __attribute__((packed));\n",
		"gaps": "struct gaps {\n\tunsigned char :3;\n\tint a:2;\n\tunsigned char :3;\n\tunsigned char __pad1[1];\n" +
			"\tunsigned char :5;\n\tint b:4;\n\tunsigned char :7;\n\tint c:1;\n};\n",
	} {
		st, err := s.Struct(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := (Printer{Exact: true}).Definition(st); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
}

// TestRealStrings reads back how every type of a real kernel is spelled.
func TestRealStrings(t *testing.T) {
	eachReal(t, func(t *testing.T, s *Spec) {
		n := 0
		for id := ID(1); int(id) < s.NumTypes(); id++ {
			typ, err := s.TypeByID(id)
			if err != nil {
				t.Fatal(err)
			}
			text := typ.String()
			switch typ.(type) {
			case *Func, *Var, *DataSec, *DeclTag, *Unknown:
				continue // no type names
			}
			if strings.Contains(text, "{...}") || strings.Contains(text, "va_list") || strings.Contains(text, "__attribute__") {
				continue
			}
			again, err := s.ParseType(text)
			if err != nil {
				t.Fatalf("type %d: %v", id, err)
			}
			if again.String() != text {
				t.Fatalf("type %d: %q is read as %q", id, text, again)
			}
			n++
		}
		if n < s.NumTypes()/3 {
			t.Errorf("read %d of %d types", n, s.NumTypes())
		}
		t.Logf("read %d of %d types", n, s.NumTypes())
	})
}
