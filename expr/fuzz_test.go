package expr

import (
	"context"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"kinspect/expr/value"
)

// FuzzEval: no text makes the language panic, hang or print raw control
// characters.
func FuzzEval(f *testing.F) {
	for _, fn := range Functions() {
		for _, e := range fn.Examples {
			f.Add(e)
		}
	}
	for _, s := range []string{
		"u64(0xffffffffffffffff) > -1", "str() == 'bond0' ? strp()[1] : null()?.x", "0xffUL->x", "!a*b", "let x = 1; x",
		"map([1], { {a: #} })", "`a``b` + \"\\x1b\"", "b'x'", "if 1 { 2 } else { 3 }", "a?.b?.[1]", "1..3 | reduce(#acc + #, 0)",
		"// c\n1 /* x */", "[][:]", "#", "#index", "::len(1)", "1 | len()", "5.e3", "..", "$env['x']", "0_", "0x", "a.0xfffffffffffffffff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		fuzzOne(t, testSession(), src)
	})
}

// FuzzEvalKernel is the same on a kernel.
func FuzzEvalKernel(f *testing.F) {
	s := testKernel(f, "6.12")
	for _, fn := range Functions() {
		for _, e := range fn.Examples {
			f.Add(e)
		}
	}
	f.Fuzz(func(t *testing.T, src string) { fuzzOne(t, s, src) })
}

func fuzzOne(t *testing.T, s *Session, src string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	r, err := s.Eval(ctx, src)
	if err != nil {
		e := err.(*Error)
		if e.Column > utf8.RuneCountInString(src) {
			t.Errorf("column %d of %d runes", e.Column, utf8.RuneCountInString(src))
		}
		if strings.HasPrefix(e.Msg, "internal") {
			t.Errorf("%q: %s", src, e.Msg)
		}
		checkPrintable(t, src, e.Msg)
		checkPrintable(t, src, e.Caret())
		return
	}
	text, _ := r.Text(value.DefaultFormat)
	checkPrintable(t, src, text)
	_, _ = r.JSON()
}

func checkPrintable(t *testing.T, src, text string) {
	for _, c := range text {
		if c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
			t.Errorf("%q prints a raw %#x: %q", src, c, text)
		}
	}
}
