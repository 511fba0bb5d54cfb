package expr

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
)

// TestAppendJSON compares with encoding/json.
func TestAppendJSON(t *testing.T) {
	for _, x := range []any{
		nil, true, false, 0, -1, math.MinInt64, int64(math.MinInt64), uint32(math.MaxUint32), uint64(math.MaxUint64),
		0.5, 1e21, 1e-9, float32(0.1), "", "bond0", "a\"b", `a\b`, "\x00\x1f\x7f", "ä€", "<&>", "\u2028", "\xff",
		[]any{},
		[]any(nil),
		map[string]any{},
		map[string]any(nil),
		[]any{1, "x", []any{nil, map[string]any{"b": 1, "a": []any{}, "": "<"}}},
		map[string]any{"z": uint64(1), "a\"": 2, "ä": 3, "Z": []string{"x"}},
		[]string{"a", "b"},
		json.Number("12"),
		struct{ A int }{3},
	} {
		var want bytes.Buffer
		if err := NewJSONEncoder(&want).Encode(x); err != nil {
			t.Fatal(err)
		}
		got, err := appendJSON([]byte("before "), x)
		if err != nil || string(got)+"\n" != "before "+want.String() {
			t.Errorf("%#v: %q, %v; want %q", x, got, err, want.String())
		}
	}
	for _, x := range []any{math.NaN(), []any{math.Inf(1)}, map[string]any{"a": make(chan int)}} {
		if got, err := appendJSON(nil, x); err == nil {
			t.Errorf("%v: %s, and no error", x, got)
		}
	}
}
