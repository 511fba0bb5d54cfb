package expr

import (
	"fmt"
	"testing"
)

func TestParts(t *testing.T) {
	s := testSession()
	for src, want := range map[string]string{
		"1":                            "1",
		"1; 2":                         "1|2",
		" (1; 2) ;-3 ; [4, 5][0]; ":    "(1; 2)|-3|[4, 5][0]",
		"let x = 1; x":                 "let x = 1; x",
		"let x = 1; let y = x; x; y+1": "x=1|y=x|x|y+1",
		"1; let y = 2; y":              "1|y=2|y",
		"[1] | map({ #; 2 })":          "[1] | map({ #; 2 })",
		"1 /* a; b */; 'c;d'":          "1|'c;d'",
		"not 1; !2; *p; &x.y; a?.b":    "not 1|!2|*p|&x.y|a?.b",
		"1; )":                         "1; )",
		"":                             "",
		"(char)1; sizeof(int); a ?: b": "(char)1|sizeof(int)|a ?: b",
	} {
		got := ""
		for i, p := range s.Parts(src) {
			if i > 0 {
				got += "|"
			}
			if p.Let != "" {
				got += p.Let + "="
			}
			got += p.Src
		}
		if got != want {
			t.Errorf("%q is %q, want %q", src, got, want)
		}
	}
	for src, want := range map[string]string{
		"x = 5":                     "[{x = 5  false true}] true",
		"let x = 5; print x":        "[{5 x true false} {print x  false true}] true",
		"print 1; 2 + 3":            "[{print 1  false true} {2 + 3  false false}] true",
		"for x in y {\n a\n}\nb":    "[{for x in y {\n a\n}  false true} {b  false false}] true",
		"if a { b } else { c }":     "[{if a { b } else { c }  false false}] true",
		"1 + 2":                     "[] false",
		"foo bar":                   "[] false",
		"for":                       "[{for  false true}] true",
		"print(":                    "[{print(  false true}] true",
		"fn (":                      "[{fn (  false true}] true",
		"":                          "[] false",
		"\ufeffprint 1":             "[{print 1  false true}] true",
		"/* c */ x = 1 // d; e = 2": "[{x = 1  false true}] true",
	} {
		parts, ok := s.Statements(src)
		if got := fmt.Sprint(parts, ok); got != want {
			t.Errorf("%q is %q, want %q", src, got, want)
		}
	}
	for src, want := range map[string]string{
		"a\nb":                        "a;\nb",
		"for x in y {\n\ta\n\tb\n}":   "for x in y {\n\ta;\n\tb\n}",
		"1 +\n2":                      "1 +\n2",
		"a\n| b()":                    "a\n| b()",
		"fn f() {\n}\nf()":            "fn f() {\n};\nf()",
		"a )\nb":                      "a );\nb",
		"print a,\n  b // c\nprint d": "print a,\n  b; // c\nprint d",
	} {
		if got := Semicolons(src); got != want {
			t.Errorf("%q is %q, want %q", src, got, want)
		}
	}
	for line, want := range map[string]bool{
		"| map(#)": true, "  .x": true, "->x": true, "&& a": true, "? a : b": true, ": b": true, "== 1": true, ") + 1": true,
		"a": false, "- 1": false, "*p": false, "&x": false, ".5": false, "": false, "// c": false, "'a": false, "(a)": false,
	} {
		if got := GoesOn("x", line); got != want {
			t.Errorf("GoesOn(x, %q) is %v", line, got)
		}
	}
}
