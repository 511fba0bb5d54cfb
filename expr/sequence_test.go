package expr

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// longList is a kernel with a list that is made up as it is read: nodes of struct
// netdev_hw_addr, whose refcount is their number and whose type is 1 for every
// tenth. It takes no memory, so that what does is the language's.
type longList struct {
	kmem.Reader
	nodes                uint64
	list, refcount, kind uint64 // offsets
	reads                int
}

const (
	listBase   = 0xffffa00000000000
	listStride = 128
)

// ReadMem implements [kmem.Reader].
func (l *longList) ReadMem(a kmem.Addr, buf []byte) error {
	if a < listBase || uint64(a-listBase) >= (l.nodes+1)*listStride {
		return l.Reader.ReadMem(a, buf)
	}
	l.reads++
	i, off := uint64(a-listBase)/listStride, uint64(a-listBase)%listStride
	var node [listStride]byte
	next := uint64(listBase) + (i+1)%(l.nodes+1)*listStride + l.list
	binary.LittleEndian.PutUint64(node[l.list:], next)
	binary.LittleEndian.PutUint32(node[l.refcount:], uint32(i))
	if i%10 == 0 {
		node[l.kind] = 1
	}
	copy(buf, node[off:])
	return nil
}

// longSession names the list's head: nodes() is the list.
func longSession(tb testing.TB, nodes uint64) (*Session, *longList) {
	tb.Helper()
	img := kernels.Open(tb, "6.12")
	l := &longList{Reader: img, nodes: nodes}
	k := value.New(img, l)
	st, err := k.Struct("netdev_hw_addr")
	if err != nil {
		tb.Fatal(err)
	}
	for name, at := range map[string]*uint64{"list": &l.list, "refcount": &l.refcount, "type": &l.kind} {
		f, err := st.FindMember(name)
		if err != nil {
			tb.Fatal(err)
		}
		*at = f.Offset()
	}
	s := NewSession(k, knet.New(k, host.None{}), Options{})
	head, err := k.Struct("list_head")
	if err != nil {
		tb.Fatal(err)
	}
	s.Set("head", k.Ref(head, kmem.Addr(listBase+l.list)))
	return s, l
}

const nodesText = "list_for_each(head, struct netdev_hw_addr, list)"

func TestLongList(t *testing.T) {
	if raceDetector {
		t.Skip("one goroutine, and millions of steps")
	}
	const nodes = 1_000_000
	s, l := longSession(t, nodes)
	for _, c := range []struct{ src, want string }{
		{"NODES | sum(.refcount)", "(long)500000500000"},
		{"NODES | take(3) | map([.refcount, #->refcount, #index]) | reverse()", "[[3, 3, 2], [2, 2, 1], [1, 1, 0]]"},
		{"NODES | take(3) | map([.refcount, #]) | map(#[1]->refcount - #[0])", "[0, 0, 0]"},
		{"NODES | take(2) | map([# == #, type(#), type(#.refcount)])", "[[true, \"struct netdev_hw_addr *\", \"int\"], [true, \"struct netdev_hw_addr *\", \"int\"]]"},
		{"NODES | take(4) | map([.refcount, [.refcount]]) | filter(#[1][0] % 2 == 0) | last()", "[4, [4]]"},
		{"NODES | take(2) | map([.refcount]) | map([#, #[0]]) | map([#[0][0] + #[1]])", "[[2], [4]]"},
		{"NODES | take(3) | map([.refcount, .type]) | sortBy(-#[0]) | first()", "[3, 0]"},
		{"NODES | count()", "1000000"},
		{"len(NODES)", "1000000"},
		{"NODES | count(.refcount % 2 == 0)", "500000"},
		{"NODES | filter(.type == 1) | map(.refcount) | sum()", "(long)50000500000"},
		{"NODES | filter(.type) | map([#index, .refcount]) | map(#[1] - #[0] * 10) | uniq()", "[10]"},
		{"NODES | max(.refcount)", "(int)1000000"},
		{"NODES | map(.refcount) | min()", "(int)1"},
		{"NODES | mean(.refcount)", "500000.5"},
		{"NODES | map({ {a: .refcount, b: .type} }) | sum(.a)", "(long)500000500000"},
		{"NODES | reduce(#acc ^ .refcount, 0)", "(int)1000000"},
		{"(NODES | last())->refcount", "(int)1000000"},
		{"NODES[999999].refcount", "(int)1000000"},
		{"let k = 7; NODES | filter(.refcount % 100000 == k) | map(.refcount + k) | take(2)", "[14, 100014]"},
		{"1000000 in (NODES | map(.refcount))", "true"},
	} {
		src := strings.ReplaceAll(c.src, "NODES", nodesText)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		got := eval(s, src)
		runtime.ReadMemStats(&after)
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.src, got, c.want)
		}
		// What is held at once: the heap does not grow by the list, which would be
		// 100 MB. Garbage may wait for a while.
		if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 48<<20 {
			t.Errorf("%s: the heap grew by %d MB", c.src, grown>>20)
		}
	}
	// These end early.
	for _, c := range []struct {
		src, want string
		reads     int
	}{
		{"NODES | take(3) | map(.refcount)", "[1, 2, 3]", 20},
		{"first(NODES).refcount", "(int)1", 10},
		{"NODES | any(.refcount == 5)", "true", 20},
		{"NODES | find(.refcount == 5) | (type(#))", "error: …", 1 << 30},
		{"(NODES | find(.refcount == 5)).refcount", "(int)5", 20},
		{"NODES | all(.refcount < 3)", "false", 20},
		{"NODES | findIndex(.type)", "9", 40},
		{"NODES | filter(.type) | take(1) | map(.refcount)", "[10]", 40},
		{"NODES | one(.refcount < 9)", "false", 20},
		{"5 in (NODES | map(.refcount))", "true", 20},
		{"list_entries(head, struct netdev_hw_addr, list, 2) | map(.refcount)", "[1, 2]", 20},
	} {
		l.reads = 0
		got := eval(s, strings.ReplaceAll(c.src, "NODES", nodesText))
		if p, ok := strings.CutSuffix(c.want, "…"); got != c.want && !(ok && strings.HasPrefix(got, p)) {
			t.Errorf("%s: %s, want %s", c.src, got, c.want)
		}
		if l.reads > c.reads {
			t.Errorf("%s: %d reads", c.src, l.reads)
		}
	}
	// Lists of that length are held, and bounded.
	long, _ := longSession(t, 1<<30)
	if got := eval(long, "reverse("+nodesText+")"); !strings.HasPrefix(got, "error: more than 2 million list elements") {
		t.Errorf("a list without an end: %s", got)
	}
}

// TestSequenceOutput prints a list of a million elements without holding it.
func TestSequenceOutput(t *testing.T) {
	s, _ := longSession(t, 1_000_000)
	r, err := s.Eval(t.Context(), nodesText+" | map(.refcount)")
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(io.Writer) (error, error){
		"text": func(w io.Writer) (error, error) { return r.WriteText(w, value.DefaultFormat, nil) },
		"json": r.WriteJSON,
	} {
		var n counter
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		if part, werr := write(&n); part != nil || werr != nil {
			t.Errorf("%s: %v, %v", name, part, werr)
		}
		runtime.ReadMemStats(&after)
		if n < 6_000_000 {
			t.Errorf("%s: %d bytes", name, n)
		}
		if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 32<<20 {
			t.Errorf("%s: the heap grew by %d MB", name, grown>>20)
		}
		if part, werr := write(full{}); part != nil || !errors.Is(werr, io.ErrShortWrite) {
			t.Errorf("%s to a full device: %v, %v", name, part, werr)
		}
	}
	short, err := s.Eval(t.Context(), nodesText+" | take(3) | map({ {a: .refcount, b: 'x\"<'} })")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if part, werr := short.WriteJSON(&b); part != nil || werr != nil {
		t.Error(part, werr)
	}
	if want := `{"value":[{"a":1,"b":"x\"<"},{"a":2,"b":"x\"<"},{"a":3,"b":"x\"<"}]}` + "\n"; b.String() != want || !json.Valid(b.Bytes()) {
		t.Errorf("got %swant %s", b.String(), want)
	}
	b.Reset()
	if part, werr := short.WriteText(&b, value.DefaultFormat, nil); part != nil || werr != nil {
		t.Error(part, werr)
	}
	if want := `[{"a": 1, "b": "x\"<"}, {"a": 2, "b": "x\"<"}, {"a": 3, "b": "x\"<"}]` + "\n"; b.String() != want {
		t.Errorf("got %swant %s", b.String(), want)
	}
}

type counter int

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// TestSequenceCancel: the end of the context ends walks, those of an evaluation and
// those that print.
func TestSequenceCancel(t *testing.T) {
	s, _ := longSession(t, 1<<30)
	for _, src := range []string{"NODES | sum(.refcount)", "len(NODES)", "NODES | filter(.refcount < 0) | first()", "NODES | map(.refcount) | max()"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := s.Eval(ctx, strings.ReplaceAll(src, "NODES", nodesText))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", src, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r, err := s.Eval(ctx, nodesText+" | map(.refcount)")
	if err != nil {
		t.Fatal(err)
	}
	part, _ := r.WriteText(io.Discard, value.DefaultFormat, nil)
	if !errors.Is(part, context.DeadlineExceeded) {
		t.Errorf("printing: %v", part)
	}
}

// TestSequenceNested: a sequence is walked within a walk of itself, with the
// variables that were there when it was made.
func TestSequenceNested(t *testing.T) {
	s, _ := longSession(t, 5)
	for src, want := range map[string]string{
		"let s = NODES | filter(.refcount > 2); s | map(s | map(.refcount) | sum())":        "[12, 12, 12]",
		"let s = NODES | map(.refcount); s | map({let x = #; s | filter(# > x) | count()})": "[4, 3, 2, 1, 0]",
		"[1, 2] | map({let x = #; NODES | filter(.refcount == x) | map(.refcount + x)})":    "[[2], [4]]",
		"let s = NODES | map(.refcount); s | map([s | sum(), #])":                           "[[15, 1], [15, 2], [15, 3], [15, 4], [15, 5]]",
		"let s = NODES | filter(.refcount % 2); s | map([#index, .refcount])":               "[[0, 1], [1, 3], [2, 5]]",
		"NODES | map(NODES | take(2) | map(.refcount)) | take(1)":                           "[[1, 2]]",
		"NODES | map(.refcount) == [1, 2, 3, 4, 5]":                                         "true",
		"NODES | sortBy(.refcount, 'desc') | map(.refcount)":                                "[5, 4, 3, 2, 1]",
		"NODES | groupBy(.refcount % 2) | keys()":                                           `["0", "1"]`,
		"concat(NODES | map(.refcount), [6])":                                               "[1, 2, 3, 4, 5, 6]",
		"(NODES | map(.refcount))[1:3]":                                                     "[2, 3]",
		"get(NODES | map(.refcount), 9)":                                                    "nil",
		"NODES | map(.refcount) | join('-')":                                                `"1-2-3-4-5"`,
		"(NODES | map(.refcount))[-1]":                                                      "(int)5",
		"(NODES | map(.refcount))[5]":                                                       "error: index 5 is outside the sequence, which has 5 elements",
		"NODES | map(.nosuch)":                                                              "[…] error: struct netdev_hw_addr has no member \"nosuch\"",
		"NODES.refcount":                                                                    "error: a sequence of struct netdev_hw_addr has no members, so no refcount",
		"NODES + 1":                                                                         "error: a sequence of struct netdev_hw_addr + the number 1: both sides have to be numbers",
		"NODES ? 1 : 2":                                                                     "error: a sequence of struct netdev_hw_addr is neither true nor false: compare it with something",
	} {
		if got := eval(s, strings.ReplaceAll(src, "NODES", nodesText)); got != want {
			t.Errorf("%s\n got %s\nwant %s", src, got, want)
		}
	}
}
