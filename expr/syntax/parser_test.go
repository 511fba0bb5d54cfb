package syntax

import (
	"fmt"
	"strings"
	"testing"
)

// write shows a tree with brackets around everything.
func write(n Node) string {
	all := func(nodes []Node) string {
		var out []string
		for _, n := range nodes {
			out = append(out, write(n))
		}
		return strings.Join(out, ", ")
	}
	switch n := n.(type) {
	case nil:
		return ""
	case *Nil:
		return "nil"
	case *Bool:
		return fmt.Sprint(n.Value)
	case *Int:
		return fmt.Sprint(n.Bits)
	case *Float:
		return fmt.Sprint(n.Value)
	case *String:
		return "'" + n.Value + "'"
	case *Name:
		return n.Name
	case *Element:
		return "#" + n.Name
	case *Unary:
		return "(" + n.Op + write(n.X) + ")"
	case *Binary:
		return "(" + write(n.X) + " " + n.Op + " " + write(n.Y) + ")"
	case *Chain:
		out := write(n.X[0])
		for i, op := range n.Ops {
			out += " " + op + " " + write(n.X[i+1])
		}
		return "(" + out + ")"
	case *Cond:
		return "(" + write(n.If) + " ? " + write(n.Then) + " : " + write(n.Else) + ")"
	case *Member:
		if n.Optional {
			return write(n.X) + "?." + n.Name
		}
		return write(n.X) + "." + n.Name
	case *Index:
		if n.Optional {
			return write(n.X) + "?.[" + write(n.I) + "]"
		}
		return write(n.X) + "[" + write(n.I) + "]"
	case *Slice:
		return write(n.X) + "[" + write(n.From) + ":" + write(n.To) + "]"
	case *Call:
		return n.Name + "(" + all(n.Args) + ")"
	case *Predicate:
		return "{" + write(n.Body) + "}"
	case *Cast:
		if n.Of != nil {
			return "((" + write(n.Of) + ")" + write(n.X) + ")"
		}
		return "((" + n.Type + ")" + write(n.X) + ")"
	case *TypeOf:
		out := "typeof(" + n.Type + write(n.X) + ")" + strings.Repeat("*", n.Stars)
		for _, l := range n.Len {
			out += fmt.Sprintf("[%d]", l)
		}
		return out
	case *Let:
		return "let " + n.Name + " = " + write(n.Value) + "; " + write(n.Body)
	case *Seq:
		return strings.ReplaceAll(all(n.Nodes), ", ", "; ")
	case *List:
		return "[" + all(n.Items) + "]"
	case *Map:
		var out []string
		for i := range n.Keys {
			out = append(out, write(n.Keys[i])+": "+write(n.Values[i]))
		}
		return "{" + strings.Join(out, ", ") + "}"
	}
	return fmt.Sprintf("%T", n)
}

// trees are the rules of the grammar, one a line or more.
var trees = [][2]string{
	// C's precedence.
	{"a + b * c - d", "((a + (b * c)) - d)"},
	{"a | b ^ c & d == e < f << g + h * i", "(a | (b ^ (c & (d == (e < (f << (g + (h * i))))))))"},
	{"a * b + c << d < e == f & g ^ h | i && j || k", "(((((((((((a * b) + c) << d) < e) == f) & g) ^ h) | i) && j) || k)"[1:]},
	{"-a * b", "((-a) * b)"},
	{"!a * b", "((!a) * b)"},
	{"~a & b", "((~a) & b)"},
	{"-a[1].b", "(-a[1].b)"},
	{"*p++q", "((*p) + (+q))"},
	{"*p->q", "(*p.q)"},
	{"&p->q[1]", "(&p.q[1])"},
	{"&a & &b", "((&a) & (&b))"},
	{"a && &b", "(a && (&b))"},
	{"**p", "(*(*p))"},
	{"a - -b", "(a - (-b))"},
	{"a--b", "(a - (-b))"},
	{"a ? b : c ? d : e", "(a ? b : (c ? d : e))"},
	{"a ? b ? c : d : e", "(a ? (b ? c : d) : e)"},
	{"a || b ? c : d", "((a || b) ? c : d)"},
	{"a ?: b", "(a ? a : b)"},
	{"a >> 1 & 0xff", "((a >> 1) & 255)"},
	{"a <= b", "(a <= b)"},
	// Casts and types.
	{"(struct task_struct *)0xffff", "((struct task_struct *)65535)"},
	{"(u32)x + 1", "(((u32)x) + 1)"},
	{"(u32)-1", "((u32)(-1))"},
	{"(x) - 1", "(x - 1)"},
	{"(u32 *)p + 1", "(((u32 *)p) + 1)"},
	{"(unsigned long)p->q", "((unsigned long)p.q)"},
	{"((struct sock *)p)->sk_drops", "((struct sock *)p).sk_drops"},
	{"(const struct a *const *)p", "((const struct a * const *)p)"},
	{"(unsigned char)~x", "((unsigned char)(~x))"},
	{"(u8)(u32)x", "((u8)((u32)x))"},
	{"(int)'a'", "((int)'a')"},
	{"(u32 * 2)", "(u32 * 2)"},
	{"(typeof(x))y + 1", "(((typeof(x))y) + 1)"},
	{"(typeof(*x) **)y->z", "((typeof((*x))**)y.z)"},
	{"(const __typeof__(a + b) *const *)y", "((typeof((a + b))**)y)"},
	{"(typeof(struct a *) *)y", "((typeof(struct a *)*)y)"},
	{"(typeof(typeof(x) *[3])[2])y", "((typeof(typeof(x)*[3])[2])y)"},
	{"sizeof(typeof(*p))", "sizeof(typeof((*p)))"},
	{"sizeof(typeof(p[0]) *[4])", "sizeof(typeof(p[0])*[4])"},
	{"container_of(p, typeof(*q), a.b)", "container_of(p, typeof((*q)), 'a.b')"},
	{"(typeof)", "typeof"},
	{"x.typeof + typeof", "(x.typeof + typeof)"},
	// C's comma, in brackets.
	{"(a, b)", "a; b"},
	{"(a, b + c, (d, e)) + f", "(a; (b + c); d; e + f)"},
	{"f((a, b), c)", "f(a; b, c)"},
	{"(let x = 1; x, y)", "let x = 1; x; y"},
	{"sizeof(struct a)", "sizeof('struct a')"},
	{"sizeof(u32) * 2", "(sizeof('u32') * 2)"},
	{"sizeof(unsigned long [4])", "sizeof('unsigned long [4]')"},
	{"sizeof(x.y)", "sizeof(x.y)"},
	{"sizeof x", "(sizeofx)"},
	{"sizeof *p", "(sizeof(*p))"},
	{"offsetof(struct a, b.c[2].d)", "offsetof('struct a', 'b.c[2].d')"},
	{"offsetof('struct a', 'b')", "offsetof('struct a', 'b')"},
	{"container_of(p->q, struct a, b)", "container_of(p.q, 'struct a', 'b')"},
	// Where the grammars meet.
	{"a | f(b)", "f(a, b)"},
	{"a | (f(b))", "(a | f(b))"},
	{"a | g(b)", "(a | g(b))"},
	{"a | b | f()", "f((a | b))"},
	{"a && b | c", "(a && (b | c))"},
	{"a && b | f()", "f((a && b))"},
	{"a | f() == b", "(f(a) == b)"},
	{"a | f() ? b : c | f()", "(f(a) ? b : f(c))"},
	{"a + 1 | f() | sort() in b", "(sort(f((a + 1))) in b)"},
	{"a ^ b", "(a ^ b)"},
	{"a ** b ** c", "(a ** (b ** c))"},
	{"-a ** b", "(-(a ** b))"},
	{"a ** -b", "(a ** (-b))"},
	{"a * *b", "(a * (*b))"},
	{"a ? .5 : 1", "(a ? 0.5 : 1)"},
	{"a ?.5 : 1", "(a ? 0.5 : 1)"},
	{"a?.b", "a?.b"},
	{"a?.b.c ?? d", "(a?.b.c ?? d)"},
	{"a?.[1]", "a?.[1]"},
	{"not a == b", "(!(a == b))"},
	{"!a == b", "((!a) == b)"},
	{"not a and b", "((!a) && b)"},
	{"a not in b", "(!(a in b))"},
	{"a and b or c", "((a && b) || c)"},
	{"a < b < c", "(a < b < c)"},
	{"a < b == c", "((a < b) == c)"},
	{"a + b ?? c", "(a + (b ?? c))"},
	{"!a ?? b", "(!(a ?? b))"},
	{"1..n + 1", "(1 .. (n + 1))"},
	{"a contains b == c", "((a contains b) == c)"},
	// Predicates.
	{"filter(a, # > 1)", "filter(a, {(# > 1)})"},
	{"a | filter(.b->c) | map({ let x = #; x + #index })", "map(filter(a, {#.b.c}), {let x = #; (x + #index)})"},
	{"a | reduce(#acc + #, 0)", "reduce(a, {(#acc + #)}, 0)"},
	{"a | max(.b)", "max(a, {#.b})"},
	{"max(a, b)", "max(a, b)"},
	{"max(a, #)", "max(a, {#})"},
	{"map(a, max(.b, 9))", "map(a, {max(#.b, 9)})"},
	{"map(a, # | max(.b))", "map(a, {max(#, {#.b})})"},
	{"map(a, { {b: #} })", "map(a, {{'b': #}})"},
	{"map(a, *#)", "map(a, {(*#)})"},
	{"map(a, &.b)", "map(a, {(&#.b)})"},
	{"map(a, .b & .c)", "map(a, {(#.b & #.c)})"},
	{"map(a, (struct b *)#)", "map(a, {((struct b *)#)})"},
	// The rest.
	{"let x = 1; let y = 2; x + y", "let x = 1; let y = 2; (x + y)"},
	{"if a { b } else if c { d } else { e }", "(a ? b : (c ? d : e))"},
	{"a; b;", "a; b"},
	{"{a: 1, 'b c': 2, (d): 3, 4: 5,}", "{'a': 1, 'b c': 2, d: 3, 4: 5}"},
	{"[1, 2,][0][1:][:2][:]", "[1, 2][0][1:][:2][:]"},
	{"`a``b\\n` + \"\\x41\\u00e9\\101\"", "('a`b\\n' + 'AéA')"},
	{"a /* b */ + // c\n d", "(a + d)"},
	{"a.in.not->let", "a.in.not.let"},
	{"::f(1)", "f(1)"},
	{"1..3", "(1 .. 3)"},
	{"1. + 2.5e3", "(1 + 2500)"},
}

func TestParse(t *testing.T) {
	for _, c := range trees {
		tree, err := Parse(c[0], testNames{})
		if err != nil {
			t.Errorf("%s: %v", c[0], err)
			continue
		}
		if got := write(tree.Root); got != c[1] {
			t.Errorf("%s\n got %s\nwant %s", c[0], got, c[1])
		}
	}
}

func TestParseWarnings(t *testing.T) {
	for src, want := range map[string]string{
		"a & b == c":     "read as in C: a & (b == c); brackets around a & b would say that it is compared",
		"a == b & c":     "read as in C: (a == b) & c; brackets around b & c would say that it is compared",
		"x.y | 4 != 0":   "read as in C: x.y | (4 != 0); brackets around x.y | 4 would say that it is compared",
		"(a & b) == c":   "",
		"a & (b == c)":   "",
		"a == b & c < d": "",
		"a & b && c":     "",
		"f((a, b, c.d))": "read as in C: (a, b, c.d) is c.d; a list has square brackets, [a, b, c.d]",
	} {
		tree, err := Parse(src, testNames{})
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if got := strings.Join(tree.Warnings, "\n"); got != want {
			t.Errorf("%s: %q, want %q", src, got, want)
		}
	}
}

func TestIncomplete(t *testing.T) {
	for src, want := range map[string]bool{
		"": false, "1": false, "1 +": true, "f(1,": true, "f(1)": false, "'abc": true, "/* x": true, "// x": false, "[1, 2": true,
		"a |": true, "a ||": true, "a.": true, "a->": true, "a.in": false, "a in": true, "not": true, "let x =": true,
		"let x = 1;": false, "'a (' + \"b [\"": false, "(struct foo *)": false, "a ? b :": true, "{a: 1": true, "a)": false, "x <<": true,
		"1 + // two\n": true, "#": false, "*": true, "`a\n": true,
	} {
		if got := Incomplete(src); got != want {
			t.Errorf("%q: %v", src, got)
		}
	}
}
