package expr

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// memory is what synthetic values point to.
type memory map[kmem.Addr][]byte

func (m memory) ReadMem(a kmem.Addr, buf []byte) error {
	for base, data := range m {
		if a >= base && uint64(a-base)+uint64(len(buf)) <= uint64(len(data)) {
			copy(buf, data[a-base:])
			return nil
		}
	}
	return &kmem.Fault{Addr: uint64(a), Len: uint64(len(buf)), Reason: kmem.Unmapped}
}

const textAddr = 0xffff888000001000

var charType = &btf.Int{Name: "char", Size: 1, Signed: true, Char: true}

// testSession has no kernel to open, but functions that make values of each
// integer type: u64(5), s8(-1), and str(), a char [16], and strp(), a char *.
func testSession() *Session {
	k := value.New(nil, memory{textAddr: append([]byte("bond0\x00\x1b[2J"), make([]byte, 4096)...)})
	s := NewSession(nil, nil, Options{})
	for name, t := range map[string]*btf.Int{
		"u64": {Name: "u64", Size: 8}, "s64": {Name: "s64", Size: 8, Signed: true},
		"u32": {Name: "u32", Size: 4}, "s32": {Name: "s32", Size: 4, Signed: true},
		"u16": {Name: "u16", Size: 2}, "s16": {Name: "s16", Size: 2, Signed: true},
		"u8": {Name: "u8", Size: 1}, "s8": {Name: "s8", Size: 1, Signed: true},
		"boolean": {Name: "_Bool", Size: 1, Bool: true},
	} {
		s.Register(Function{
			Name: name, Signature: name + "(N)", MinArgs: 1, MaxArgs: 1,
			Call: func(c *Call) (any, error) {
				n, ok, err := numberOf(c.Arg(0))
				if !ok || err != nil {
					return nil, errors.New("not a number")
				}
				return k.InHand(t, binary.LittleEndian.AppendUint64(nil, n.Bits)), nil
			},
		})
	}
	fixed := func(name string, v value.Value) {
		s.Register(Function{Name: name, Signature: name + "()", Call: func(*Call) (any, error) { return v, nil }})
	}
	fixed("str", k.Ref(btf.NewArray(charType, 16), textAddr))
	fixed("strp", k.Pointer(charType, textAddr))
	fixed("ints", k.Ref(btf.NewArray(&btf.Int{Name: "u32", Size: 4}, 4), textAddr))
	fixed("intp", k.Pointer(&btf.Int{Name: "u32", Size: 4}, textAddr+8))
	fixed("null", k.Pointer(&btf.Int{Name: "u32", Size: 4}, 0))
	fixed("wild", k.Pointer(&btf.Int{Name: "u32", Size: 4}, 0xffff888000000000))
	return s
}

// eval evaluates and prints, "error: …" for errors.
func eval(s *Session, src string) string {
	r, err := s.Eval(context.Background(), src)
	if err != nil {
		return "error: " + err.Error()
	}
	text, err := r.Text(value.DefaultFormat)
	if err != nil {
		text += " error: " + err.Error()
	}
	return text
}

// cases run expressions and compare their text; a want that ends in … compares
// the beginning.
func cases(t *testing.T, s *Session, table [][2]string) {
	t.Helper()
	for _, c := range table {
		got, want := eval(s, c[0]), c[1]
		if p, ok := strings.CutSuffix(want, "…"); ok && strings.HasPrefix(got, p) {
			continue
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", c[0], got, want)
		}
	}
}

func TestErrorColumn(t *testing.T) {
	s := testSession()
	for _, c := range []struct {
		src    string
		column int
	}{
		{"1 + foo", 4},
		{"'äöü' + foo", 8}, // runes, not bytes
		{"u64(1)->x + 1", 8},
		{"0xffffffffffffffff + foo", 21},
		{"'->' == u64(1)->x", 16},
		{"1 +", 3},
		{"1 + )", 4},
		{"'abc", 0},
		{"'a' + 'abc", 6},
		{"[1, 2][5]", 6},
		{"1 / 0", 2},
		{"intp() + 1 & 3", 11},
		{"1 << -2", 2},
		{"~'ab'", 0},
		{"*5", 0},
		{"(struct foo *)x", 1},
		{"010", 0},
		{"/* foo */ bar", 10},
		{"`->` == 0xffffffffffffffff", 5},
		{"map([1], 'xy' * #)", 14},
		{"!'a' || 1", 1},
		{"1 ? foo : 2", 4},
		{"nosuch(1)", 0},
		{"1 | 'ab'", 2},
		{"#nope", 0},
		{"'ä' | upper", 6},
		{"'ä' | upper | lower()", 6},
		{"1 + 1.5e999 + 2", 4},
		{"1e400", 0},
		{"[1] | max(.a).b", 13},
		{"netdev bond0", 7},
	} {
		_, err := s.Eval(context.Background(), c.src)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v is no *Error", c.src, err)
			continue
		}
		if e.Column != c.column {
			t.Errorf("%s: %s: column %d, want %d\n%s", c.src, e.Msg, e.Column, c.column, e.Caret())
		}
		if strings.Count(e.Msg, "\n") > 1 || e.Msg == "" {
			t.Errorf("%s: the message is not one or two lines: %q", c.src, e.Msg)
		}
	}
}

func TestCaret(t *testing.T) {
	for _, c := range []struct {
		src    string
		column int
		want   string
	}{
		{"1 + foo", 4, "1 + foo\n    ^"},
		{"äö + x", 5, "äö + x\n     ^"},
		{"a\n\tb c", 5, " b c\n   ^"},
		{"x\x1b[2J", 1, "x\\x1b[2J\n ^"},
		{"x", -1, ""},
		{"ab", 2, "ab\n  ^"},
	} {
		e := &Error{Src: c.src, Column: c.column}
		if got := e.Caret(); got != c.want {
			t.Errorf("%q at %d:\n%s\nwant\n%s", c.src, c.column, got, c.want)
		}
	}
	long := &Error{Src: strings.Repeat("x", 5000), Column: 2500}
	line, caret, _ := strings.Cut(long.Caret(), "\n")
	if len(line) > 200 || len(caret) > 100 {
		t.Errorf("a long line is not cut: %d and %d bytes", len(line), len(caret))
	}
}

func TestScrub(t *testing.T) {
	for in, want := range map[string]string{
		"plain\n\ttext \\ äö": "plain\n\ttext \\ äö",
		"a\x1b[2Jb":           `a\x1b[2Jb`,
		"\xff\u0085\u202e":    `\xff\xc2\x85\xe2\x80\xae`,
		"\uFFFD":              "\uFFFD",
	} {
		if got := value.Scrub(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	// A registered function that fails with a name out of the kernel.
	s := testSession()
	s.Register(Function{Name: "bad", Signature: "bad()", Call: func(c *Call) (any, error) {
		c.Warn("odd: \x1b]0;x\a")
		return nil, errors.New("no \x1b[31m")
	}})
	r, err := s.Eval(context.Background(), "bad()")
	if err.Error() != `no \x1b[31m` || r.Warnings[0] != `odd: \x1b]0;x\x07` {
		t.Errorf("%q %q", err, r.Warnings)
	}
}

func TestWarnings(t *testing.T) {
	s := testSession()
	be := value.New(nil, memory{})
	blob, ok := bigEndianType(t)
	if !ok {
		t.Skip("no type __be16 at hand")
	}
	v := be.InHand(blob, []byte{0x08, 0x00}) // ETH_P_IP as it is on the wire
	s.Register(Function{Name: "proto", Signature: "proto()", Call: func(*Call) (any, error) { return v, nil }})
	r, err := s.Eval(context.Background(), "[1, 2, 3] | filter(proto() == 0x0800)")
	if err != nil || len(r.Warnings) != 1 {
		t.Fatalf("%v, warnings %q: want one", err, r.Warnings)
	}
	for _, want := range []string{"0x0800", "0x0008", "htons(0x0800)"} {
		if !strings.Contains(r.Warnings[0], want) {
			t.Errorf("the warning lacks %s: %s", want, r.Warnings[0])
		}
	}
	for src, want := range map[string]string{
		"proto() == 0x0800":                          "false",
		"proto() == 0x0008":                          "true", // raw, as C
		"proto() == htons(0x0800)":                   "true",
		"ntohs(proto()) == 0x0800":                   "true",
		"proto()":                                    "(__be16)0x0800 (raw 0x0008)",
		"(proto() & htons(0xff00)) == htons(0x0800)": "true",
		"keys([proto(), proto()] | groupBy(#))":      `["0x0800"]`,
		"([proto()] | groupBy(#))[proto()] | len()":  "1",
	} {
		if got := eval(s, src); got != want {
			t.Errorf("%s is %s, want %s", src, got, want)
		}
	}
}

// TestMeantWarnings are expressions that C computes in another way than they read, and those
// that are as one means them.
func TestMeantWarnings(t *testing.T) {
	s := testSession()
	be := value.New(nil, memory{})
	blob, _ := bigEndianType(t)
	v := be.InHand(blob, []byte{0x08, 0x00})
	s.Register(Function{Name: "proto", Signature: "proto()", Call: func(*Call) (any, error) { return v, nil }})
	for _, c := range []struct{ src, value, warning string }{
		{"(proto() & 0x00ff) == 0x0800", "false", "the int is in network order, and is compared raw"},
		{"(proto() & 0x00ff | 0) == 8", "true", "the int is in network order"},
		{"~proto() == 0x0800", "false", "the int is in network order"},
		{"proto() >> 8", "(int)0", "the __be16 is in network order, and >> takes its bytes as they lie in memory, as C does: for the number on the wire use ntohs(x)"},
		{"proto() + 1", "(int)9", "the __be16 is in network order, and + takes"},
		{"-proto()", "(int)-8", "the __be16 is in network order, and - takes"},
		{"bitshr(proto(), 8)", "(int)0", "the __be16 is in network order, and >> takes"},
		{"1 << proto()", "(int)256", ""},
		{"ntohs(proto()) >> 8", "8", ""},
		{"u64(5) > -1", "false", "the u64 is unsigned, and compared with -1, which is 18446744073709551615 then, as C does"},
		{"-1 < u32(5)", "false", "the u32 is unsigned, and compared with -1, which is 4294967295 then, as C does"},
		{"[u64(1), u64(2)] | filter(# > -1) | len()", "0", "the u64 is unsigned"},
		{"-1 < u64(1) < 3", "false", "the u64 is unsigned"},
		{"1u > -1", "false", "the number is unsigned"},
		{"u32(0) == -1", "false", "the u32 is unsigned"},
		{"u16(5) > -1", "true", ""}, // promoted
		{"s64(5) > -1", "true", ""},
		{"u32(5) > -1L", "true", ""},
		{"u64(5) > 1 - 0", "true", ""},
		{"intp() != -1", "true", ""},
	} {
		r, err := s.Eval(context.Background(), c.src)
		if err != nil {
			t.Errorf("%s: %v", c.src, err)
			continue
		}
		if got, _ := r.Text(value.DefaultFormat); got != c.value {
			t.Errorf("%s is %s, want %s", c.src, got, c.value)
		}
		switch {
		case c.warning == "" && len(r.Warnings) != 0:
			t.Errorf("%s warns: %q", c.src, r.Warnings)
		case c.warning != "" && (len(r.Warnings) != 1 || !strings.HasPrefix(r.Warnings[0], c.warning)):
			t.Errorf("%s warns %q, want %q", c.src, r.Warnings, c.warning)
		}
	}
}

func TestCancel(t *testing.T) {
	s := testSession()
	ctx, cancel := context.WithCancel(context.Background())
	s.Register(Function{Name: "interrupt", Signature: "interrupt()", Call: func(*Call) (any, error) {
		cancel()
		<-ctx.Done()
		return 1, nil
	}})
	_, err := s.Eval(ctx, "1..1000000 | map([#, interrupt()]) | map(len(#)) | sum()")
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	// The next one is not affected.
	if got := eval(s, "u8(1) + 1"); got != "(int)2" {
		t.Errorf("after a cancelled evaluation: %s", got)
	}
}

func TestDeepInput(t *testing.T) {
	s := testSession()
	for _, src := range []string{
		strings.Repeat("(", 30000) + "1",
		strings.Repeat("[", 30000),
		strings.Repeat("-", 60000) + "1",
		strings.Repeat("!", 60000) + "1",
		"1" + strings.Repeat("+1", 30000),
		strings.Repeat("1?", 20000),
		strings.Repeat("a.", 20000) + "b",
		strings.Repeat("x", 1<<17),
		"\xff\xfe",
		"1" + strings.Repeat(" < 1", 4000),
	} {
		if _, err := s.Eval(context.Background(), src); err == nil && !strings.HasPrefix(src, "1") {
			t.Errorf("%.20s… is accepted", src)
		}
	}
}
