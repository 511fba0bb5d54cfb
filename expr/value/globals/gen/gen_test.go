package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"kinspect/btf"
	"kinspect/expr/value/globals"
	"kinspect/testdata/lab/results"
)

// TestLabTable compares the table with the debug information of each of the lab's kernels that is there: all entries
// that such a kernel has are its variables, of the very type but for typedefs.
func TestLabTable(t *testing.T) {
	results.Dir(t) // it takes a minute
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(results.Debug(t)), "*/vmlinux"))
	for _, path := range found {
		release, _, _ := strings.Cut(filepath.Base(filepath.Dir(path)), "-")
		t.Run(release, func(t *testing.T) {
			k, err := readKernel(context.Background(), path)
			if err != nil {
				t.Fatal(err)
			}
			same, other, wrong := 0, 0, 0
			for name, c := range globals.All() {
				if k.symbols[name] == nil {
					continue
				}
				v := k.variables[name]
				typ, err := k.own.ParseType(c)
				switch {
				case err != nil || v.why != "" || v.plain != withoutTypedefs(typ, 0).String():
					if wrong++; wrong <= 20 {
						t.Errorf("%s is %s by the table (%v), and %s %s here", name, c, err, v.c, v.why)
					}
				case v.c == c:
					same++
				default:
					other++
				}
			}
			t.Logf("%d entries, %d with another typedef, %d wrong", same+other+wrong, other, wrong)
			if same < 5000 {
				t.Errorf("%d entries are the same", same)
			}
		})
	}
}

// TestAgree has kernels that agree on little.
func TestAgree(t *testing.T) {
	spec, err := btf.Parse(emptyBTF)
	if err != nil {
		t.Fatal(err)
	}
	number := func(c string) variable { return variable{c: c, plain: c, size: 4} }
	of := func(vars map[string]variable, also ...string) *kernel {
		k := &kernel{symbols: map[string]*symbol{}, variables: vars, own: spec}
		for name := range vars {
			k.symbols[name] = &symbol{}
		}
		for _, name := range also {
			k.symbols[name] = &symbol{}
		}
		return k
	}
	got := agree([]*kernel{
		of(map[string]variable{
			"everywhere": number("int"), "two": number("int"), "once": number("int"), "other": number("int"),
			"useless": number("int"), "code": number("int"), "spelled": {c: "foo_t", plain: "int", size: 4},
			"unknown": {c: "int", plain: "int", size: 4},
		}),
		of(map[string]variable{
			"everywhere": number("int"), "two": number("int"), "other": number("unsigned int"), "useless": {why: "twice"},
			"spelled": number("int"), "unknown": {c: "bar_t", plain: "int", size: 4},
		}, "code"),
		of(map[string]variable{"everywhere": number("int")}),
	})
	want := "int\n\teverywhere\n\tspelled\n\ttwo\n"
	if out := string(write(got)); out != want {
		t.Errorf("the table is\n%swant\n%s", out, want)
	}
}

// emptyBTF has no type at all, so that only C's own are known.
var emptyBTF = []byte{0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}

func TestSkipped(t *testing.T) {
	for name, c := range map[string]string{
		"__tracepoint_kfree_skb": "struct tracepoint", "event_kfree_skb": "struct trace_event_call",
		"print_fmt_kfree_skb": "char *", "__func__.1": "char [8]", "__key.3": "struct lock_class_key",
	} {
		if skipped(name, c) == "" {
			t.Errorf("%s %s is of interest", c, name)
		}
	}
	for name, c := range map[string]string{
		"rtnl_mutex": "struct mutex", "event_mutex": "struct mutex", "ftrace_ops_list": "struct ftrace_ops *",
	} {
		if why := skipped(name, c); why != "" {
			t.Errorf("%s %s: %s", c, name, why)
		}
	}
}
