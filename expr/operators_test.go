package expr

import (
	"context"
	"fmt"
	"testing"

	"kinspect/expr/value"
)

// edges are where a signed reading of unsigned numbers goes wrong.
var edges = []uint64{
	0, 1, 2, 5, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
	0x7fffffffffffffff, 0x8000000000000000, 0x8000000000000001, 0xfffffffffffffffe, 0xffffffffffffffff,
}

// TestUnsignedOperators compares every operator on u64 with Go's uint64, the
// other operand being a u64, a literal, or a plain negative number.
func TestUnsignedOperators(t *testing.T) {
	s := testSession()
	check := func(src string, want any) {
		t.Helper()
		r, err := s.Eval(context.Background(), src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			return
		}
		got := r.Value
		if v, ok := got.(value.Value); ok {
			if v.Type().String() != "unsigned long" && v.Type().String() != "u64" {
				t.Errorf("%s has the type %s", src, v.Type())
			}
			got, _ = v.Uint()
		}
		if got != want {
			t.Errorf("%s is %v, want %v", src, got, want)
		}
	}
	for _, a := range edges {
		for _, b := range edges {
			as := fmt.Sprintf("u64(%#x)", a)
			for _, bs := range []string{fmt.Sprintf("u64(%#x)", b), fmt.Sprintf("%#xul", b), negative(b)} {
				if bs == "" {
					continue
				}
				for op, want := range map[string]bool{
					"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b,
				} {
					check(as+" "+op+" "+bs, want)
				}
				check(bs+" < "+as, b < a)
				for op, want := range map[string]uint64{"+": a + b, "-": a - b, "*": a * b} {
					check(as+" "+op+" "+bs, want)
				}
				if b != 0 {
					check(as+" / "+bs, a/b)
					check(as+" % "+bs, a%b)
				}
				check(fmt.Sprintf("bitand(%s, %s)", as, bs), a&b)
				check(fmt.Sprintf("bitor(%s, %s)", as, bs), a|b)
				check(fmt.Sprintf("bitxor(%s, %s)", as, bs), a^b)
			}
		}
		check(fmt.Sprintf("-u64(%#x)", a), -a)
		check(fmt.Sprintf("bitnot(u64(%#x))", a), ^a)
		check(fmt.Sprintf("!u64(%#x)", a), a == 0)
		check(fmt.Sprintf("u64(%#x) ? true : false", a), a != 0)
		check(fmt.Sprintf("len(filter([u64(%#x)], #)) == 1", a), a != 0)
	}
}

// negative spells b as a small negative number, where it is one.
func negative(b uint64) string {
	if i := int64(b); i < 0 && i > -100 {
		return fmt.Sprint(i)
	}
	return ""
}

// TestSignedOperators does the same on s64 with Go's int64.
func TestSignedOperators(t *testing.T) {
	s := testSession()
	for _, ua := range edges {
		for _, ub := range edges {
			a, b := int64(ua), int64(ub)
			as, bs := fmt.Sprintf("s64(%#xul)", ua), fmt.Sprintf("s64(%#xul)", ub)
			want := map[string]any{
				"==": a == b, "<": a < b, ">=": a >= b,
				"+": a + b, "-": a - b, "*": a * b,
			}
			if b != 0 {
				want["/"], want["%"] = a/b, a%b
			}
			for op, w := range want {
				src := as + " " + op + " " + bs
				r, err := s.Eval(context.Background(), src)
				if err != nil {
					t.Errorf("%s: %v", src, err)
					continue
				}
				got := r.Value
				if v, ok := got.(value.Value); ok {
					got, _ = v.Int()
				}
				if got != w {
					t.Errorf("%s is %v, want %v", src, got, w)
				}
			}
		}
	}
}

// TestOrder checks that min, max and the sorts use the mathematical order over
// types whose comparison in C is no order at all.
func TestOrder(t *testing.T) {
	s := testSession()
	all := "[u64(0xffffffffffffffff), -1, s64(0x8000000000000000), u64(0x8000000000000000), 0x7fffffffffffffff, u8(3), 2.5]"
	want := "[-9223372036854775808, -1, 2.5, 3, 9223372036854775807, 9223372036854775808, 18446744073709551615]"
	cases(t, s, [][2]string{
		{all + " | sort()", want},
		{all + " | sortBy(#)", want},
		{"int(min(" + all + "))", "-9223372036854775808"},
		{"int(max(" + all + "))", "18446744073709551615"},
	})
}
