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

func TestLanguage(t *testing.T) {
	cases(t, testSession(), [][2]string{
		// Plain numbers.
		{"1 + 2 * 3", "7"},
		{"7 / 2", "3"},
		{"-7 / 2", "-3"},
		{"-7 % 3", "-1"},
		{"7 / 2.0", "3.5"},
		{"2 ** 10", "1024"},
		{"2147483647 + 1", "2147483648"},
		{"1000000 * 1000000", "1000000000000"},
		{"0xffffffff + 1", "0"}, // unsigned int wraps in C
		{"0xffffffff == -1", "true"},
		{"4294967295 == -1", "false"}, // long holds both
		{"0xffffffff81000000 > 5", "true"},
		{"0xffffffff81000000 - 0xffffffff80000000", "16777216"},
		{"18446744073709551615", "18446744073709551615"},
		{"0xffUL + 0", "255"},
		{"1ull - 2", "18446744073709551615"},
		{"1_000", "1000"},
		{"0b101 + 0o17", "20"},
		{"010", "error: 010: C reads this as octal: write 0o10 for that, or leave the leading zeros out"},
		{"0x1ffffffffffffffff", "error: 0x1ffffffffffffffff does not fit into 64 bits"},
		{"5zz", "error: 5zz is not a number"},
		{"5lul", "error: 5lul: \"lul\" is not a suffix of C's integers"},
		{"1 / 0", "error: division by zero"},
		{"1 % 0", "error: division by zero"},
		{"1.5 % 1", "error: no operator % for numbers with a fraction"},
		{"-(-9223372036854775807 - 1) / -1", "-9223372036854775808"},
		{"2 ^ 3", "error: ^ could mean C's exclusive or, or a power: use bitxor(a, b) or a ** b"},
		// Values of the kernel keep C's types.
		{"u64(5)", "(u64)5"},
		{"u8(200) + u8(100)", "(int)300"},
		{"u32(0) - 1", "(unsigned int)4294967295"},
		{"s8(-1) < u64(1)", "false"},
		{"-1 < u32(1)", "false"},
		{"-1 < u16(1)", "true"},
		{"+s8(-1)", "(int)-1"},
		{"-u8(1)", "(int)-1"},
		{"-u64(1)", "(unsigned long)18446744073709551615"},
		{"boolean(1) + 1", "(int)2"},
		{"bitnot(u16(0))", "(int)-1"},
		{"bitshl(1, 40)", "1099511627776"},
		{"bitshl(u32(1), 40)", "error: shift by 40: the left side has 32 bits"},
		{"bitand(u64(0xff00), 0x0ff0)", "(unsigned long)3840"},
		{"hex(s32(-1))", `"0xffffffff"`},
		{"abs(s32(-5))", "(int)5"},
		{"int(u64(0xffffffffffffffff))", "18446744073709551615"},
		{"int('0x10')", "16"},
		// Truth.
		{"u64(0) ? 'yes' : 'no'", `"no"`},
		{"!u64(0) && strp()", "true"},
		{"null() || 0.0", "false"},
		{"true + true", "2"},
		{"if u8(1) { 'a' } else { 'b' }", `"a"`},
		{"str() ? 1 : 2", "error: char [16] is an array, which is true in C whatever it holds: compare it with something"},
		{"'x' && 1", "error: the string \"x\" is neither true nor false: compare it with something"},
		{"not u8(0)", "true"},
		{"1 || (1/0)", "true"},
		{"0 && (1/0)", "false"},
		// ! is looser than * in expr-lang, and would be silently wrong.
		{"!2 * 0", "error: ! binds looser than * here…"},
		{"!(2 * 0)", "true"},
		{"!(2) * 0", "error: ! binds looser than * here…"},
		// Strings.
		{"str() == 'bond0'", "true"},
		{"'bond0' != strp()", "false"},
		{"str() == strp()", "true"},
		{"str() < 'bond1'", "true"},
		{"str()", `(char [16])"bond0"`},
		{"string(strp()) + '!'", `"bond0!"`},
		{"str() startsWith 'bond'", "true"},
		{"str() matches '^b.*0$'", "true"},
		{"str() matches '('", "error: not a regular expression: error parsing regexp: missing closing ): `(`"},
		{"'a' in ['a', 'b']", "true"},
		{"'c' not in ['a', 'b']", "true"},
		{"u16(5) in 1..9", "true"},
		{"str() in ['bond0']", "true"},
		{"len(str())", "5"},
		{"upper(str())", `"BOND0"`},
		{"'a' + 1", "error: the string \"a\" + the number 1: use string(…) to make a string of the number"},
		{"'a' == 1", "error: cannot compare the string \"a\" with the number 1"},
		{`"\x1b[2J"`, `"\x1b[2J"`},
		{"strp()[6]", "(char)27"},
		// Pointers.
		{"intp() - ints()", "(long)2"},
		{"intp() - 2 == ints()", "true"},
		{"hex(intp() + 1)", `"0xffff88800000100c"`},
		{"hex(1 + intp())", `"0xffff88800000100c"`},
		{"intp() == 0xffff888000001008", "true"},
		{"null() == nil", "true"},
		{"intp() != nil", "true"},
		{"intp() + intp()", "error: u32 * + u32 *: pointers take + and - with an integer, and - with one another; int(p) is the address"},
		{"null()[0]", "error: NULL pointer: the u32 * is not set"},
		{"deref(null())", "error: NULL pointer: the u32 * is not set"},
		{"wild()[0] + 1", "error: cannot read 4 bytes at address 0xffff888000000000: not mapped"},
		{"intp().x", "error: u32 * has no members, so no x"},
		{"null()?.x", "nil"},
		{"null()?.x.y ?? 5", "5"},
		// Lists.
		{"ints() | map(# > 0)", "[true, true, true, false]"},
		{"len(ints()[1:3])", "2"},
		{"[1, 2, 3][-1]", "3"},
		{"[1, 2, 3][3]", "error: index 3 is outside the list, which has 3 elements"},
		{"ints()[4]", "error: index 4 is outside u32 [4]: it has elements 0 to 3"},
		{"1..5 | filter(# % 2) | map(# * #)", "[1, 9, 25]"},
		{"[u64(0xffffffffffffffff), u64(1)] | sort()", "[1, 18446744073709551615]"},
		{"max(u64(0xffffffffffffffff), -1)", "(u64)18446744073709551615"},
		{"min([u64(0xffffffffffffffff), s32(-1)])", "(s32)-1"},
		{"[u8(200), u8(100)] | sum()", "(unsigned long)300"},
		{"[u64(0xffffffffffffffff), 1] | sum()", "error: sum: more than 64 bits"},
		{"[u64(0xffffffffffffffff), -1] | sum()", "(unsigned long)18446744073709551614"},
		{"sum([])", "0"},
		{"sum(1..4, # * #)", "30"},
		{"sum(['a'])", "error: sum: the string \"a\" is not a number"},
		{"mean([1, 2])", "1.5"},
		{"groupBy([1, 2, 3, 4], # % 2)", `{"0": [2, 4], "1": [1, 3]}`},
		{"groupBy([1, 2, 3], # % 2)[1]", "[1, 3]"},
		{"sortBy([3, 1, 2], -#)", "[3, 2, 1]"},
		{"sortBy([u64(1), u64(0x8000000000000000)], #, 'desc')", "[9223372036854775808, 1]"},
		{"sortBy([1, 2], #, 'up')", "error: the string \"up\" is no order: it is 'asc' or 'desc'"},
		{"sortBy([1, 'a'], #)", "error: sortBy: strings and numbers have no common order"},
		{"count([0, 1, u8(2)])", "2"},
		{"any([0, u8(0)], #)", "false"},
		{"all([1, u8(2)], #)", "true"},
		{"one([0, 1], #)", "true"},
		{"find([1, 2], # > 5)", "nil"},
		{"reduce([u8(200), u8(100)], #acc + #)", "(int)300"},
		{"reduce([], #acc + #)", "error: reduce of empty array with no initial value"},
		{"uniq([1, u8(1), '1', 2])", `[1, "1", 2]`},
		{"concat([1], 2..3)", "[1, 2, 3]"},
		{"flatten([[1], [2, 3]])", "[1, 2, 3]"},
		{"reverse(1..3)", "[3, 2, 1]"},
		{"take(1..3, 2)", "[1, 2]"},
		{"first([])", "nil"},
		{"keys({b: 1, a: 2, 10: 3, 9: 4})", `["9", "10", "a", "b"]`},
		{"{a: u8(1)}.a", "(u8)1"},
		{"{(u8(7)): 1}[7]", "1"},
		{"{a: 1}.b", `error: the map has no key "b"`},
		{"get({a: 1}, 'b')", "nil"},
		{"[1, 2].name", "error: a list has no member name: map(.name) makes a list of its elements' members"},
		{"1..99999999", "error: the range 1..99999999 is longer than 2 million elements"},
		{"map({name: 1})", "error: …"},
		{"map([1], {name: #})", "error: : does not fit here; a map as the result of a predicate needs braces of its own, { {key: value} }"},
		{"map([1], { {name: #} })", `[{"name": 1}]`},
		{"let x = u8(5); x + 1", "(int)6"},
		{"let x = 1; let y = x + 1; [x, y]", "[1, 2]"},
		{"1 < 2 < 3", "true"},
		{"3 > 2 > 1", "true"}, // in C (3 > 2) > 1 is false
		{"1; 2", "2"},
		{"[1, 2] == [1, u8(2)]", "true"},
		{"join([1, str(), 'x'], '-')", `"1-bond0-x"`},
		{"split('a,b', ',')", `["a", "b"]`},
		// Errors.
		{"", "error: the expression is empty"},
		{"netdev(", "error: the expression is not complete"},
		{"foo", "error: foo: no kernel is open"},
		{"netdevs", "error: netdevs is a function: netdevs([NETNS])"},
		{"netdevs()", "error: no kernel is open, so there are no network devices"},
		{"netdvs()", "error: there is no function netdvs; did you mean netdevs, netns or netdev?"},
		{"now()", "error: there is no function now: help lists them"},
		{"sizeof()", "error: sizeof takes 1 argument, not 0: sizeof('TYPE' or VALUE)"},
		{"bitand(1)", "error: bitand takes 2 arguments, not 1: bitand(A, B)"},
		{"filter([1])", "error: …"},
		{"b'x'", "error: b'…' strings are not in the language: leave out the b"},
		{"intp().f()", "error: a function of the kernel cannot be called: nothing runs in it"},
		{"$env", "error: $env: no kernel is open"},
	})
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
		{"1 << 2", 3},
		{"~1", 0},
		{"*intp()", 0},
		{"(struct foo *)x", 8},
		{"010", 0},
		{"/* foo */ bar", 10},
		{"`->` == 0xffffffffffffffff", 5},
		{"map([1], 'x' * #)", 13},
		{"!'a' || 1", 1},
		{"1 ? foo : 2", 4},
		{"nosuch(1)", 0},
		{"1 |2", 3},
		{"#nope", 0},
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
		if got := scrub(in); got != want {
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
		"proto() == 0x0800":        "false",
		"proto() == 0x0008":        "true", // raw, as C
		"proto() == htons(0x0800)": "true",
		"ntohs(proto()) == 0x0800": "true",
		"proto()":                  "(__be16)0x0800 (raw 0x0008)",
	} {
		if got := eval(s, src); got != want {
			t.Errorf("%s is %s, want %s", src, got, want)
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
	_, err := s.Eval(ctx, "1..1000000 | map([#, interrupt()]) | map(len(#))")
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
