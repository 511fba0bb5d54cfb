package expr

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kinspect/btf"
	"kinspect/expr/value"
)

var (
	updateC = flag.Bool("update-c", false, "make testdata/c.txt.gz anew with gcc")
	seedC   = flag.Uint64("c-seed", 0, "the seed of the fresh expressions, 0 for a new one")
)

// cGolden holds expressions and what gcc makes of them: the bytes of the variables
// in a line of its own, then one expression a line with the size and signedness of
// its type and its value, or "undefined".
const cGolden = "testdata/c.txt.gz"

// TestC compares C expressions with gcc, bit for bit, their types too: a batch that
// is committed, and where gcc is at hand a fresh one.
func TestC(t *testing.T) {
	if *updateC {
		writeGolden(t)
	}
	t.Run("golden", func(t *testing.T) {
		raw, err := os.ReadFile(cGolden)
		if err != nil {
			t.Fatal(err)
		}
		zr, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(zr)
		if err != nil {
			t.Fatal(err)
		}
		if n := compareC(t, string(text)); n < 3000 {
			t.Errorf("only %d expressions with a defined value", n)
		}
	})
	t.Run("fresh", func(t *testing.T) {
		if _, err := exec.LookPath("gcc"); err != nil {
			t.Skip("no gcc")
		}
		seed := *seedC
		if seed == 0 {
			seed = uint64(time.Now().UnixNano())
		}
		t.Logf("again with -c-seed %d", seed)
		if n := compareC(t, runC(t, seed, 800)); n < 300 {
			t.Errorf("only %d expressions with a defined value", n)
		}
	})
}

func writeGolden(t *testing.T) {
	var out bytes.Buffer
	zw, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(4) {
		_, _ = io.WriteString(zw, runC(t, seed, 1500))
	}
	_ = zw.Close()
	if err := os.WriteFile(cGolden, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// cVar is a variable of the expressions, a member of struct vars.
type cVar struct {
	name, decl string
	typ        uint32 // in the BTF below
	off        uint32 // in bits
	bits       uint32 // of a bit-field
}

// The types of the BTF, by their numbers, and the variables. The layout is checked
// by the C program.
const (
	typeChar = iota + 1
	typeS8
	typeU8
	typeS16
	typeU16
	typeS32
	typeU32
	typeS64
	typeU64
	typeBool
	typeEnumU
	typeEnumS
	typeVars
)

var cVars = []cVar{
	{"c0", "char c0", typeChar, 0, 0},
	{"sc0", "signed char sc0", typeS8, 8, 0},
	{"uc0", "unsigned char uc0", typeU8, 16, 0},
	{"bo0", "_Bool bo0", typeBool, 24, 0},
	{"ss0", "short ss0", typeS16, 32, 0},
	{"us0", "unsigned short us0", typeU16, 48, 0},
	{"si0", "int si0", typeS32, 64, 0},
	{"ui0", "unsigned int ui0", typeU32, 96, 0},
	{"sl0", "long sl0", typeS64, 128, 0},
	{"ul0", "unsigned long ul0", typeU64, 192, 0},
	{"eu0", "enum eu eu0", typeEnumU, 256, 0},
	{"es0", "enum es es0", typeEnumS, 288, 0},
	{"fu3", "unsigned int fu3:3", typeU32, 320, 3},
	{"fs7", "int fs7:7", typeS32, 323, 7},
	{"fu22", "unsigned int fu22:22", typeU32, 330, 22},
	{"fu31", "unsigned int fu31:31", typeU32, 352, 31},
	{"fb1", "_Bool fb1:1", typeBool, 383, 1},
	{"fs32", "int fs32:32", typeS32, 384, 32},
	{"fu32", "unsigned int fu32:32", typeU32, 416, 32},
	{"fl20", "unsigned long fl20:20", typeU64, 448, 20},
	{"fm11", "long fm11:11", typeS64, 468, 11},
	{"ui1", "unsigned int ui1", typeU32, 480, 0},
	{"si1", "int si1", typeS32, 512, 0},
	{"ul1", "unsigned long ul1", typeU64, 576, 0},
	{"sl1", "long sl1", typeS64, 640, 0},
	{"uc1", "unsigned char uc1", typeU8, 704, 0},
	{"us1", "unsigned short us1", typeU16, 720, 0},
}

const varsSize = 96

// cTypes makes struct vars out of a BTF.
func cTypes(t *testing.T) *btf.Struct {
	t.Helper()
	le := binary.LittleEndian
	names := []byte{0}
	str := func(s string) uint32 {
		at := uint32(len(names))
		names = append(append(names, s...), 0)
		return at
	}
	var types []byte
	words := func(w ...uint32) {
		for _, x := range w {
			types = le.AppendUint32(types, x)
		}
	}
	integer := func(name string, size, enc uint32) { words(str(name), 1<<24, size, enc<<24|8*size) }
	integer("char", 1, 0) // as kernels since 6.2 have it: -funsigned-char
	integer("signed char", 1, 1)
	integer("unsigned char", 1, 0)
	integer("short", 2, 1)
	integer("unsigned short", 2, 0)
	integer("int", 4, 1)
	integer("unsigned int", 4, 0)
	integer("long", 8, 1)
	integer("unsigned long", 8, 0)
	integer("_Bool", 1, 4)
	words(str("eu"), 6<<24|2, 4, str("EU_A"), 0, str("EU_B"), 5)
	words(str("es"), 1<<31|6<<24|2, 4, str("ES_A"), 0xffffffff, str("ES_B"), 7)
	words(str("vars"), 1<<31|4<<24|uint32(len(cVars)), varsSize)
	for _, v := range cVars {
		words(str(v.name), v.typ, v.bits<<24|v.off)
	}
	blob := le.AppendUint16(nil, 0xeb9f)
	blob = append(blob, 1, 0)
	for _, w := range []uint32{24, 0, uint32(len(types)), uint32(len(types)), uint32(len(names))} {
		blob = le.AppendUint32(blob, w)
	}
	spec, err := btf.Parse(append(append(blob, types...), names...))
	if err != nil {
		t.Fatal(err)
	}
	st, err := spec.Struct("vars")
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// cGen writes random expressions.
type cGen struct{ r *rand.Rand }

func (g *cGen) pick(of ...string) string { return of[g.r.IntN(len(of))] }

// expr is one of some depth, and whether it needs no brackets as an operand.
func (g *cGen) expr(depth int) (text string, closed bool) {
	if depth == 0 || g.r.IntN(8) == 0 {
		return g.leaf()
	}
	switch n := g.r.IntN(20); {
	case n < 3:
		x := g.operand(depth - 1)
		return g.pick("-", "+", "~", "!", "~", "-") + " " + x, false
	case n < 6:
		return "(" + g.pick("char", "signed char", "unsigned char", "short", "unsigned short", "int", "unsigned int", "long",
			"unsigned long", "unsigned", "_Bool", "u8", "s16", "u32", "s64", "size_t") + ")" + g.operand(depth-1), false
	case n < 8:
		return g.operand(depth-1) + " ? " + g.operand(depth-1) + " : " + g.operand(depth-1), false
	case n < 10:
		// A chain of these means something else than in C.
		return "(" + g.operand(depth-1) + " " + g.pick("<", ">", "<=", ">=") + " " + g.operand(depth-1) + ")", true
	case n < 12:
		return g.operand(depth-1) + " " + g.pick("<<", ">>") + " " + g.pick("@1@", "@3@", "@7@", "@8@", "@15@", "@31@", "@32@", "@63@u", "fu3", "fs7", "uc0"), false
	case n == 18:
		return "(__typeof__(" + g.typed(depth-1) + "))" + g.operand(depth-1), false
	case n == 19 && g.r.IntN(2) == 0:
		return "(sizeof(__typeof__(" + g.typed(depth-1) + ")))", true // x | sizeof(…) would be a pipe
	case n == 19:
		return "(" + g.operand(depth-1) + ", " + g.operand(depth-1) + ")", true
	}
	return g.operand(depth-1) + " " + g.pick("+", "-", "*", "/", "%", "&", "|", "^", "==", "!=", "&&", "||", "+", "-", "&", "|", "^") + " " + g.operand(depth-1), false
}

// operand is an expression that stands in another one, often without the brackets
// that its structure asks for: then it has another one, the same in both languages.
func (g *cGen) operand(depth int) string {
	text, closed := g.expr(depth)
	if closed || g.r.IntN(3) == 0 {
		return text
	}
	return "(" + text + ")"
}

// typed is an expression that typeof takes: a bit-field it does not.
func (g *cGen) typed(depth int) string {
	if g.r.IntN(4) > 0 {
		return "+ " + g.operand(depth)
	}
	for {
		if v := cVars[g.r.IntN(len(cVars))]; v.bits == 0 {
			return v.name
		}
	}
}

func (g *cGen) leaf() (string, bool) {
	if g.r.IntN(3) > 0 {
		return cVars[g.r.IntN(len(cVars))].name, true
	}
	digits := g.pick("0", "1", "2", "5", "127", "128", "255", "256", "32767", "65535", "65536", "2147483647", "2147483648", "4294967295", "4294967296",
		"0x7f", "0x80", "0xff", "0x8000", "0x7fffffff", "0x80000000", "0xffffffff", "0x100000000", "0x7fffffffffffffff", "0x8000000000000000", "0xffffffffffffffff")
	return "@" + digits + "@" + g.pick("", "", "u", "l", "ul", "ull", "ll", "U", "UL"), true
}

// values are the bytes of the variables, with a liking for the edges.
func (g *cGen) values() []byte {
	out := make([]byte, varsSize)
	for _, v := range cVars {
		bits := v.bits
		if bits == 0 {
			bits = []uint32{0, 8, 8, 8, 16, 16, 32, 32, 64, 64, 8, 32, 32}[v.typ]
		}
		var x uint64
		switch g.r.IntN(5) {
		case 0:
			x = []uint64{0, 1, 2, 3, 7}[g.r.IntN(5)]
		case 1:
			x = ^uint64(g.r.IntN(3))
		case 2:
			x = 1<<(bits-1) - uint64(g.r.IntN(2))
		default:
			x = g.r.Uint64() >> g.r.IntN(64)
		}
		if v.typ == typeBool {
			x &= 1
		}
		for i := range bits {
			if x>>i&1 != 0 {
				out[(v.off+i)/8] |= 1 << ((v.off + i) % 8)
			}
		}
	}
	return out
}

// cLiteral is a literal in an expression as it is generated.
var cLiteral = regexp.MustCompile(`@(\w+)@(\w*)`)

// cName is a variable in it.
var cName = regexp.MustCompile(`\b(` + strings.Join(func() (names []string) {
	for _, v := range cVars {
		names = append(names, v.name)
	}
	return names
}(), "|") + `)\b`)

// runC makes expressions, and has gcc evaluate them. What C leaves undefined traps, but where gcc has made use of that before:
// -x < 1 becomes x > -1, and nothing overflows. Such ones have another value where integers wrap around, and are undefined.
func runC(t *testing.T, seed uint64, n int) string {
	t.Helper()
	g := &cGen{rand.New(rand.NewPCG(seed, 1))}
	var exprs []string
	for len(exprs) < n {
		if e, _ := g.expr(1 + g.r.IntN(5)); len(e) < 300 {
			exprs = append(exprs, e)
		}
	}
	data := g.values()
	var src bytes.Buffer
	src.WriteString(`#include <stdio.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <stddef.h>
typedef unsigned char u8; typedef short s16; typedef unsigned int u32; typedef long long s64;
enum eu { EU_A, EU_B = 5 };
enum es { ES_A = -1, ES_B = 7 };
struct vars {
`)
	for _, v := range cVars {
		fmt.Fprintf(&src, "\t%s;\n", v.decl)
	}
	fmt.Fprintf(&src, "};\n_Static_assert(sizeof(struct vars) == %d, \"size\");\n", varsSize)
	for _, v := range cVars {
		if v.bits == 0 {
			fmt.Fprintf(&src, "_Static_assert(offsetof(struct vars, %s) == %d, \"%s\");\n", v.name, v.off/8, v.name)
		}
	}
	fmt.Fprintf(&src, "static volatile struct vars S; // of which nothing is simplified away before it can trap\nstatic const unsigned char init[] = {")
	for _, b := range data {
		fmt.Fprintf(&src, "%d,", b)
	}
	// A literal goes through a variable, so that nothing is folded by the compiler
	// before it can trap.
	src.WriteString(`};
#define K(x) ({ volatile __typeof__(x) v_ = (x); v_; })
#define SIGNED(x) _Generic((x), int: 1, long: 1, long long: 1, unsigned: 0, unsigned long: 0, unsigned long long: 0)
#define SHOW(x) do { if (sigsetjmp(env, 1) == 0) { unsigned long r = (unsigned long)(x); \
	printf("%zu %c %lx\n", sizeof(+(x)), SIGNED(+(x)) ? 's' : 'u', r); } else printf("undefined\n"); } while (0)
static sigjmp_buf env;
static void trap(int s) { siglongjmp(env, 1); }
`)
	for i, e := range exprs {
		c := cName.ReplaceAllString(cLiteral.ReplaceAllString(e, "K($1$2)"), "S.$1")
		fmt.Fprintf(&src, "static void f%d(void) { SHOW(%s); }\n", i, c)
	}
	src.WriteString("int main(void) { memcpy((void *)&S, init, sizeof S); signal(SIGILL, trap); signal(SIGFPE, trap); signal(SIGTRAP, trap);\n")
	for i := range exprs {
		fmt.Fprintf(&src, "f%d();\n", i)
	}
	src.WriteString("return 0; }\n")
	results, wrapped := gcc(t, src.Bytes()), gcc(t, src.Bytes(), "-fwrapv")
	if len(results) != len(exprs) || len(wrapped) != len(exprs) {
		t.Fatalf("%d and %d results of %d expressions", len(results), len(wrapped), len(exprs))
	}
	var text strings.Builder
	fmt.Fprintf(&text, "= %x\n", data)
	for i, e := range exprs {
		result := results[i]
		if result != wrapped[i] {
			result = "undefined"
		}
		fmt.Fprintf(&text, "%s\t%s\n", cLiteral.ReplaceAllString(e, "$1$2"), result)
	}
	return text.String()
}

// gcc runs a program, and returns what it prints.
func gcc(t *testing.T, src []byte, flags ...string) (lines []string) {
	t.Helper()
	dir := t.TempDir()
	file, bin := filepath.Join(dir, "c.c"), filepath.Join(dir, "c")
	if err := os.WriteFile(file, src, 0o600); err != nil {
		t.Fatal(err)
	}
	flags = append(flags, "-std=gnu11", "-funsigned-char", "-w", "-O0", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error", "-o", bin, file)
	if out, err := exec.Command("gcc", flags...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out[:min(len(out), 4000)])
	}
	out, err := exec.Command(bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

const varsAddr = 0xffff888000002000

// compareC evaluates what runC wrote, and returns how many have a defined value.
// Each is evaluated twice: on variables, and in a predicate on the members of its
// element, which takes other ways through the compiler.
func compareC(t *testing.T, text string) (n int) {
	t.Helper()
	s := testKernel(t, "6.12")
	st := cTypes(t)
	failed := 0
	sc := bufio.NewScanner(strings.NewReader(text))
	for sc.Scan() && failed < 20 {
		line := sc.Text()
		if raw, ok := strings.CutPrefix(line, "= "); ok {
			data, err := hex.DecodeString(raw)
			if err != nil {
				t.Fatal(err)
			}
			k := value.New(nil, memory{varsAddr: data})
			v := k.Ref(st, varsAddr)
			for _, x := range cVars {
				m, err := v.Member(x.name)
				if err != nil {
					t.Fatal(err)
				}
				if m, err = m.Load(); err != nil {
					t.Fatal(err)
				}
				s.Set(x.name, m)
			}
			s.Set("vars", newSequence("vars", func(visit func(*elem) error) error { return visit(&elem{ref: v, isRef: true}) }))
			continue
		}
		src, want, _ := strings.Cut(line, "\t")
		inner := cName.ReplaceAllString(src, ".$1")
		for _, form := range []string{src, "first(vars | map(" + inner + "))", "vars | sum(" + inner + ")"} {
			got := resultC(t, s, form)
			if strings.HasPrefix(form, "vars | sum") { // of which the type is not the element's
				got, want = got[strings.LastIndex(got, " ")+1:], want[strings.LastIndex(want, " ")+1:]
			}
			if want != "undefined" && got != want {
				failed++
				t.Errorf("%s\n got %s\nwant %s", form, got, want)
			}
		}
		if want != "undefined" {
			n++
		}
	}
	return n
}

// resultC is the promoted type and the value of an expression.
func resultC(t *testing.T, s *Session, src string) string {
	t.Helper()
	r, err := s.Eval(t.Context(), src)
	if err != nil {
		return "error: " + err.Error()
	}
	n, ok, err := numberOf(r.Value)
	if err != nil || !ok {
		return fmt.Sprintf("no number: %v %v", r.Value, err)
	}
	sign := "u"
	num := value.Common(n.Num, value.IntNum(0))
	if num.Signed {
		sign = "s"
	}
	return strconv.Itoa(int(num.Size)) + " " + sign + " " + strconv.FormatUint(num.Bits, 16)
}

// TestShift checks what gcc leaves undefined, and the language tells.
func TestShift(t *testing.T) {
	s := testSession()
	for _, src := range []string{"1u << 32", "1u << -1", "u64(1) >> 64", "u8(1) << 32", "1 << 64", "s32(1) >> -5"} {
		if got := eval(s, src); !strings.HasPrefix(got, "error: shift by ") {
			t.Errorf("%s: %s", src, got)
		}
	}
	if !slices.Contains([]string{"(int)1"}, eval(s, "u8(128) >> 7")) {
		t.Errorf("u8(128) >> 7: %s", eval(s, "u8(128) >> 7"))
	}
}
