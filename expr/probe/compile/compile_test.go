package compile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/asm"

	"kinspect/btf"
	"kinspect/expr"
	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// member is one of struct vars.
type member struct {
	name string
	typ  uint32 // in the BTF below
	off  uint32 // in bits
	bits uint32 // of a bit-field
}

// The types of the BTF, by their numbers.
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
	typeBE16
	typeBE32
	typeChars   // char[8]
	typeCharP   // char *
	typeInts    // int[4]
	typeIntP    // int *
	typeVarsP   // struct vars *
	typeVoidP   // void *
	typeStrings // char *[2]
	typeVars
)

var members = []member{
	{"c0", typeChar, 0, 0},
	{"sc0", typeS8, 8, 0},
	{"uc0", typeU8, 16, 0},
	{"bo0", typeBool, 24, 0},
	{"ss0", typeS16, 32, 0},
	{"us0", typeU16, 48, 0},
	{"si0", typeS32, 64, 0},
	{"ui0", typeU32, 96, 0},
	{"sl0", typeS64, 128, 0},
	{"ul0", typeU64, 192, 0},
	{"eu0", typeEnumU, 256, 0},
	{"es0", typeEnumS, 288, 0},
	{"fu3", typeU32, 320, 3},
	{"fs7", typeS32, 323, 7},
	{"fu22", typeU32, 330, 22},
	{"fu31", typeU32, 352, 31},
	{"fb1", typeBool, 383, 1},
	{"fs32", typeS32, 384, 32},
	{"fu32", typeU32, 416, 32},
	{"fl20", typeU64, 448, 20},
	{"fm11", typeS64, 468, 11},
	{"ui1", typeU32, 480, 0},
	{"si1", typeS32, 512, 0},
	{"be16", typeBE16, 544, 0},
	{"uc1", typeU8, 560, 0},
	{"ul1", typeU64, 576, 0},
	{"sl1", typeS64, 640, 0},
	{"be32", typeBE32, 704, 0},
	{"us1", typeU16, 736, 0},
	{"name", typeChars, 768, 0},
	{"text", typeCharP, 832, 0},
	{"ints", typeInts, 896, 0},
	{"intp", typeIntP, 1024, 0},
	{"next", typeVarsP, 1088, 0},
	{"none", typeVarsP, 1152, 0},
	{"bad", typeVarsP, 1216, 0},
	{"data", typeVoidP, 1280, 0},
	{"strings", typeStrings, 1344, 0},
}

const (
	varsSize = 184
	varsAddr = 0xffff888000002000
	nextAddr = 0xffff888000003000
	textAddr = 0xffff888000004000
)

// integers are the members that arithmetic takes.
var integers = func() (names []string) {
	for _, m := range members {
		if m.typ <= typeBE32 {
			names = append(names, m.name)
		}
	}
	return names
}()

// types are struct vars and what its members are.
func types(tb testing.TB) *btf.Spec {
	tb.Helper()
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
	pointer := func(to uint32) { words(0, 2<<24, to) }
	array := func(of, n uint32) { words(0, 3<<24, 0, of, typeU64, n) }
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
	words(str("__be16"), 8<<24, typeU16)
	words(str("__be32"), 8<<24, typeU32)
	array(typeChar, 8)
	pointer(typeChar)
	array(typeS32, 4)
	pointer(typeS32)
	pointer(typeVars)
	pointer(0)
	array(typeCharP, 2)
	words(str("vars"), 1<<31|4<<24|uint32(len(members)), varsSize)
	for _, m := range members {
		words(str(m.name), m.typ, m.bits<<24|m.off)
	}
	blob := le.AppendUint16(nil, 0xeb9f)
	blob = append(blob, 1, 0)
	for _, w := range []uint32{24, 0, uint32(len(types)), uint32(len(types)), uint32(len(names))} {
		blob = le.AppendUint32(blob, w)
	}
	spec, err := btf.Parse(append(append(blob, types...), names...))
	if err != nil {
		tb.Fatal(err)
	}
	return spec
}

// patched is memory with other memory over it.
type patched struct {
	kmem.Reader
	over map[kmem.Addr][]byte
}

func (p patched) ReadMem(a kmem.Addr, buf []byte) error {
	for at, data := range p.over {
		if a >= at && a < at+0x1000 {
			if uint64(a-at)+uint64(len(buf)) > uint64(len(data)) {
				return &kmem.Fault{Addr: uint64(a), Reason: kmem.Unmapped}
			}
			copy(buf, data[a-at:])
			return nil
		}
	}
	return p.Reader.ReadMem(a, buf)
}

// bench is a kernel with struct vars in its memory, what a function was called with, and a session
// that knows the same by the same names.
type bench struct {
	k       *value.Kernel
	s       *expr.Session
	memory  patched
	scope   Scope
	context []byte
}

// benchArgs are the arguments: their names and types.
var benchArgs = []struct {
	name string
	typ  btf.ID
}{
	{"v", typeVarsP}, {"i", typeS32}, {"u", typeU32}, {"b", typeBool}, {"h", typeS16}, {"l", typeS64}, {"e", typeEnumS}, {"w", typeBE16}, {"o", typeVarsP}, {"ret", typeS32},
}

func newBench(tb testing.TB, r *rand.Rand) *bench {
	tb.Helper()
	img := kernels.Open(tb, "6.12")
	spec := types(tb)
	b := &bench{memory: patched{img, map[kmem.Addr][]byte{}}}
	b.memory.over[varsAddr] = varsBytes(r, nextAddr)
	b.memory.over[nextAddr] = varsBytes(r, varsAddr)
	b.memory.over[textAddr] = []byte("bond0\x00a longer text\x00\x00" + strings.Repeat("x", 300) + "\x00")
	b.k = value.New(img, b.memory)
	b.s = expr.NewSession(b.k, knet.New(b.k, host.None{}), expr.Options{})
	b.scope = Scope{Session: b.s, Context: "test_function"}
	for i, a := range benchArgs {
		t, err := spec.TypeByID(a.typ)
		if err != nil {
			tb.Fatal(err)
		}
		word := r.Uint64()
		switch a.name {
		case "v":
			word = varsAddr
		case "o":
			word = 0
		case "b":
			word = word&^0xff | word>>63
		default:
			word = edge(r, 64)
		}
		b.context = binary.LittleEndian.AppendUint64(b.context, word)
		b.scope.Args = append(b.scope.Args, Arg{Name: a.name, Type: t, Offset: int16(8 * i)})
		b.s.Set(a.name, b.k.InHand(t, binary.LittleEndian.AppendUint64(nil, word)))
	}
	return b
}

// edge is a number with a liking for those that something happens at.
func edge(r *rand.Rand, bits uint32) uint64 {
	switch r.IntN(5) {
	case 0:
		return []uint64{0, 1, 2, 3, 7}[r.IntN(5)]
	case 1:
		return ^uint64(r.IntN(3))
	case 2:
		return 1<<(bits-1) - uint64(r.IntN(2))
	}
	return r.Uint64() >> r.IntN(64)
}

func varsBytes(r *rand.Rand, next uint64) []byte {
	out := make([]byte, varsSize)
	for _, m := range members {
		n := m.bits
		var x uint64
		switch m.typ {
		case typeChars:
			copy(out[m.off/8:], []string{"bond0", "ens1f0np", "", "a"}[r.IntN(4)])
			continue
		case typeInts:
			for i := range 16 {
				out[m.off/8+uint32(i)] = byte(r.Uint32())
			}
			continue
		case typeStrings:
			binary.LittleEndian.PutUint64(out[m.off/8:], textAddr)
			continue
		case typeCharP:
			x, n = textAddr, 64
		case typeIntP:
			x, n = varsAddr+112, 64
		case typeVoidP:
			x, n = textAddr+6, 64
		case typeVarsP:
			x, n = map[string]uint64{"next": next, "none": 0, "bad": 0xffffdead00000000}[m.name], 64
		}
		if n == 0 {
			n = []uint32{0, 8, 8, 8, 16, 16, 32, 32, 64, 64, 8, 32, 32, 16, 32}[m.typ]
		}
		if x == 0 && m.typ <= typeBE32 {
			x = edge(r, n)
		}
		if m.typ == typeBool {
			x &= 1
		}
		for i := range n {
			if x>>i&1 != 0 {
				out[(m.off+i)/8] |= 1 << ((m.off + i) % 8)
			}
		}
	}
	return out
}

// errFault is what a program says that has no value.
var errFault = errors.New("fault")

// compiled is what the program of an expression makes of the bench.
func (b *bench) compiled(scope Scope, src string) (v any, refused, fault error) {
	e, err := Compile(scope, src)
	if err != nil {
		return nil, err, nil
	}
	if e.form() == formNothing {
		v, _ := e.Constant()
		return v, nil, nil
	}
	g := NewGen("t", 0)
	fail := g.NewLabel()
	g.Add(asm.Mov.Reg(asm.R6, asm.R1), asm.Mov.Reg(asm.R7, asm.R2))
	g.Store(e, asm.R7, 0, fail)
	g.Add(asm.Mov.Imm(asm.R0, 0), asm.Return())
	if g.Used(fail) {
		g.Place(fail)
		g.Add(asm.Mov.Reg(asm.R7, asm.R0))
		g.FaultAddr(asm.R1)
		g.Add(asm.Mov.Reg(asm.R0, asm.R7), asm.Return())
	}
	m := machine{memory: b.memory, context: b.context, record: make([]byte, e.Size())}
	m.regs[1], m.known[1] = contextAddr, true
	m.regs[2], m.known[2] = recordAddr, true
	if err := m.run(g.Instructions()); err != nil {
		return nil, nil, fmt.Errorf("the program is wrong: %w\n%v", err, g.Instructions())
	}
	if m.regs[0] != 0 {
		return nil, nil, errFault
	}
	v, _ = e.Value(b.k, m.record)
	return v, nil, nil
}

// text is a result as it is printed; a pointer is not followed.
func text(v any) string {
	if v, ok := v.(value.Value); ok {
		if _, ok := btf.Underlying(v.Type()).(*btf.Pointer); ok {
			t, err := v.Bare(value.DefaultFormat)
			return fmt.Sprintf("(%s)%s %v", v.Type(), t, err)
		}
	}
	t, err := expr.Result{Value: v}.Text(value.DefaultFormat)
	return fmt.Sprintf("%s %v", t, err)
}

func isPointerValue(v any) bool {
	p, ok := v.(value.Value)
	return ok && p.IsPointer()
}

// agree compares what the program and the session make of an expression.
func (b *bench) agree(t *testing.T, src string) (compared bool) {
	t.Helper()
	for _, numbers := range []bool{false, true} {
		scope := b.scope
		scope.Numbers = numbers
		got, refused, fault := b.compiled(scope, src)
		if refused != nil {
			t.Logf("%s: refused: %s", src, refused)
			return false
		}
		r, err := b.s.Eval(t.Context(), src)
		if _, printed := r.Text(value.DefaultFormat); err == nil && value.IsFault(printed) && !isPointerValue(r.Value) {
			err = printed // a place, which is read when it is printed
		}
		switch {
		case fault != nil && !errors.Is(fault, errFault):
			t.Fatalf("%s: %s", src, fault)
		case (err != nil) != (fault != nil):
			t.Errorf("%s: the program has %s (fault: %v), the session %s (%v)", src, text(got), fault, text(r.Value), err)
		case err == nil && text(got) != text(r.Value):
			t.Errorf("%s: the program has %s, the session %s", src, text(got), text(r.Value))
		}
	}
	return true
}

// gen writes random expressions.
type gen struct{ r *rand.Rand }

func (g *gen) pick(of ...string) string { return of[g.r.IntN(len(of))] }

func (g *gen) operand(depth int) string {
	text, closed := g.expr(depth)
	if closed || g.r.IntN(4) == 0 {
		return text
	}
	return "(" + text + ")"
}

func (g *gen) expr(depth int) (string, bool) {
	if depth == 0 || g.r.IntN(8) == 0 {
		return g.leaf()
	}
	switch n := g.r.IntN(22); {
	case n < 3:
		return g.pick("-", "+", "~", "!", "~", "-") + " " + g.operand(depth-1), false
	case n < 6:
		return "(" + g.pick("char", "signed char", "unsigned char", "short", "unsigned short", "int", "unsigned int", "long",
			"unsigned long", "unsigned", "_Bool", "u8", "s16", "u32", "s64", "size_t", "void *") + ")" + g.operand(depth-1), false
	case n < 8:
		return "(" + g.operand(depth-1) + " ? (s64)(" + g.operand(depth-1) + ") : (u32)(" + g.operand(depth-1) + "))", true
	case n < 10:
		return "(" + g.operand(depth-1) + " " + g.pick("<", ">", "<=", ">=") + " " + g.operand(depth-1) + ")", true
	case n < 12:
		return g.operand(depth-1) + " " + g.pick("<<", ">>") + " " + g.pick("1", "3", "7", "8", "15", "31", "32", "63", "v->fu3", "v->fs7", "v->uc0"), false
	case n < 13:
		return g.pick("ntohs((u16)", "ntohl((u32)", "htons((u16)", "be64_to_cpu((u64)", "abs((int)", "bitand(1, ") + g.operand(depth-1) + ")", true
	case n < 14:
		return g.operand(depth-1) + " in [" + g.operand(depth-1) + ", " + g.operand(depth-1) + "]", false
	case n < 15:
		return "(sizeof(__typeof__(v->" + integers[0] + " " + g.pick("+", "*", "&") + " v->ul0)))", true
	}
	return g.operand(depth-1) + " " + g.pick("+", "-", "*", "/", "%", "&", "|", "^", "==", "!=", "&&", "||", "+", "-", "&", "|", "^") + " " + g.operand(depth-1), false
}

func (g *gen) leaf() (string, bool) {
	switch g.r.IntN(8) {
	case 0, 1, 2:
		return "v->" + integers[g.r.IntN(len(integers))], true
	case 3:
		return g.pick("v->next->", "v->next->next->", "(*v).", "v->none->", "v->bad->", "o->", "v[0].", "v->next[0].") + integers[g.r.IntN(len(integers))], true
	case 4:
		return g.pick("i", "u", "b", "h", "l", "e", "w", "ret"), true
	case 5:
		return g.pick("v->ints[0]", "v->ints[3]", "v->ints[i]", "v->ints[v->fu3]", "*v->intp", "v->intp[1]", "v->name[1]", "*(u16 *)v->data", "*(u8 *)(v->intp + 1)", "(v->intp - &v->si0)",
			"v->next->ints[v->uc0 & 3]"), true
	}
	digits := g.pick("0", "1", "2", "5", "127", "128", "255", "256", "32767", "65535", "65536", "2147483647", "2147483648", "4294967295", "4294967296",
		"0x7f", "0x80", "0xff", "0x8000", "0x7fffffff", "0x80000000", "0xffffffff", "0x100000000", "0x7fffffffffffffff", "0x8000000000000000", "0xffffffffffffffff")
	return digits + g.pick("", "", "u", "l", "ul", "ull", "ll", "U", "UL"), true
}

// TestAgree compares generated expressions with what the language makes of them.
func TestAgree(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4, 5, 6, uint64(time.Now().UnixNano())}
	compared, all := 0, 0
	for _, seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		b, g := newBench(t, r), gen{r}
		for range 400 {
			src, _ := g.expr(1 + r.IntN(4))
			if all++; b.agree(t, src) {
				compared++
			}
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
	t.Logf("%d of %d compared", compared, all)
	if compared < 1500 {
		t.Errorf("only %d of %d expressions were compared", compared, all)
	}
}

// TestForms compares what is no arithmetic.
func TestForms(t *testing.T) {
	for seed := range uint64(6) {
		b := newBench(t, rand.New(rand.NewPCG(seed, 2)))
		for _, src := range []string{
			"v", "*v", "v->next", "v->next->next == v", "v->none", "v->none == nil", "v->none == NULL", "v->next != nil", "!v->none", "v->none->si0", "v->bad->si0",
			"v->name", "v->name == 'bond0'", "v->name != 'bond0'", "v->name == \"ens1f0np\"", "v->name == ''", "v->name == 'ens1f0npx'", "'a' == v->name",
			"v->text", "v->text == 'bond0'", "v->text == 'bond'", "v->text == 'bond01'", "v->text != ''", "(char *)v->data", "(char *)v->data == 'a longer text'",
			"v->strings[0] == 'bond0'", "v->strings[1] == 'x'", "v->strings[0]", "v->strings", "v->ints", "v->eu0", "v->es0", "e", "v->eu0 == 5", "e == 'ES_B'", "v->be16", "v->be32",
			"ntohs(v->be16)", "ntohl(v->be32)", "w", "ntohs(w)", "v->be16 == htons(0x800)", "v->be32 & 0xff", "v->fu3", "v->fs7", "v->fb1", "v->fm11", "v->bo0", "b",
			"&v->si0", "&v->none->si0", "&v->next->ints[2]", "&v->ints", "v + 1", "v - 1", "&v->si0 + 2", "(v->next - v)", "v < v->next", "v->intp - 4",
			"(u64)v", "(void *)v->ul0", "*(int *)&v->ui0", "((struct net_device *)v)->mtu", "offsetof(struct net_device, name) + v->uc0", "sizeof(*v)", "sizeof v->name",
			"container_of(&v->ui0, struct net_device, mtu)", "container_of((void *)v, struct net_device, mtu)", "cast('u8', v->ul0)", "int(v->us0)", "int(v->si0) - 1", "abs(v->si0)", "abs(v->fs7)", "bitnot(v->ui0)",
			"init_net.ifindex", "&init_net == v", "init_net.ns.inum > 0", "netdev('lo').ifindex == v->si0", "netdev('lo').name", "netdev('lo')->name == 'lo'",
			"1 < v->uc0 < 200", "v->uc0 in [1, 2, 3]", "v->uc0 in [v->uc0, v->ints[-v->uc0]]", "v->uc0 in [v->ints[-v->uc0], v->uc0]", "v->uc0 < 100 && v->none->si0", "v->uc0 < 256 || v->none->si0", "v->uc0 > 255 && v->none->si0", "b ? v->next : nil == nil",
			"b ? v->next : v", "b ? v->si0 : v->si1", "let x = v->next; x->next->si0 + x->si0", "(v->si0, v->si1)", "netif_receive_skb", "*netif_receive_skb", "v->data == netif_receive_skb",
			"v->ints[4 - 1]", "v->ints[-v->uc0]", "v->ints[v->uc0]", "v[1].si0", "v->next->name[0] == 'b'", "v->c0 == 'a'", "true", "5", "'text'", "-v->be16", "v?->si0", "!v->name[0]",
			"v->fl20 << 3", "v->fu22 + v->fs32", "NETDEV_UP == v->si0", "jiffies_64 > 0", "v->none == v->bad", "v->name[7]", "v->intp[0]", "*v->next", "v->next->next->name",
		} {
			b.agree(t, src)
		}
	}
}

// TestRefused says what is told of what cannot be compiled, and where.
func TestRefused(t *testing.T) {
	b := newBench(t, rand.New(rand.NewPCG(1, 3)))
	for _, c := range []struct {
		src, want string
		at        int
	}{
		{"v->nothing", "no member", 3},
		{"v->ints[4]", "outside int [4]", 7},
		{"v->name < 'a'", "no order", 8},
		{"v->name == v->text", "one side has to be written out", 8},
		{"v->si0 * 1.5", "fraction", 9},
		{"v->si0 +", "not complete", 8},
		{"nothing->x", "no symbol", 0},
		{"rett", "did you mean ret?", 0},
		{"v->next | map(.x)", "cannot be computed in the kernel", 10},
		{"len(v->name)", "cannot be computed in the kernel", 0},
		{"v->name", "", 0},
		{"[v->si0]", "lists and maps", 0},
		{"*v + 1", "is not a number", 3},
		{"container_of(&v->si0, struct net_device, mtu)", "the pointer is to int", 0},
		{"v->si0 / 0", "division by zero", 7},
		{"v->ui0 << 32", "shift by 32", 7},
		{"(v->si0 < 1) + 2147483647", "depends on its value", 13},
		{"v->eu0 == 'EU_C'", "did you mean EU_A", 7},
		{"v->next ? v : 1", "the other is not", 8},
		{"v.si0.x", "has no members", 6},
		{"(&v->next)->si0", "it points to a pointer, so write (*p)->si0", 12},
		{"&v->fu3", "cannot take its address", 0},
		{"v->text == '" + strings.Repeat("x", 200) + "'", "127 is the limit", 8},
		{strings.Repeat("(v->si0+", 15) + "1" + strings.Repeat(")", 15), "", 0},
		{strings.Repeat("(1-v->si0*(", 15) + "1" + strings.Repeat("))", 15), "nested too deeply", 2},
		{"((struct net_device *)v)->rx_dropped", "sum over the CPUs", 26},
	} {
		_, err := Compile(b.scope, c.src)
		var at *expr.Error
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %s", c.src, err)
		case c.want != "" && (!errors.As(err, &at) || !strings.Contains(at.Msg, c.want)):
			t.Errorf("%s: got %v, want %s", c.src, err, c.want)
		case c.want != "" && at.Column != c.at:
			t.Errorf("%s: at %d, want %d (%s)", c.src, at.Column, c.at, at.Msg)
		}
	}
	if _, err := Condition(b.scope, "v->name"); err == nil || !strings.Contains(err.Error(), "is an array") {
		t.Errorf("condition: %v", err)
	}
}

// TestWarned compares the warnings with those of the language.
func TestWarned(t *testing.T) {
	b := newBench(t, rand.New(rand.NewPCG(1, 4)))
	for _, src := range []string{"v->be16 == 0x800", "0x8100 == w", "v->be32 != 0x7f000001", "v->ui0 > -1", "v->ul0 < -5", "v->be16 + 1", "-v->be32", "v->be16 == htons(0x800)", "v->us0 & 1 == 1"} {
		e, err := Compile(b.scope, src)
		if err != nil {
			t.Errorf("%s: %s", src, err)
			continue
		}
		r, err := b.s.Eval(t.Context(), src)
		if err != nil {
			t.Errorf("%s: %s", src, err)
		}
		if !slices.Equal(e.Warnings, r.Warnings) {
			t.Errorf("%s:\n program %q\n session %q", src, e.Warnings, r.Warnings)
		}
	}
}
