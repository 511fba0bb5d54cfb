package runbook

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"kinspect/expr"
)

// FuzzBook: whatever a file holds, it is read or refused with a place in it, and what is read can be run: without a
// kernel here, so that little has an answer. Metrics are what Prometheus' parser reads, and JSON is JSON.
func FuzzBook(f *testing.F) {
	f.Add(good)
	f.Add("let x = 2\nfn f(n) = n * x\ncheck a \"b\"\n let y = f(4)\n when y > 1, 'no'\n each 1..y\n label l = string(#)\n value f(#)\n max 8\n min #index\n unit u\n found #, [#]\n next 'x'\n")
	f.Add("check a \"b\"\n each ['\\xff', 1.5, true, nil, {a: 1}]\n label l = #\n holds #\n")
	list, err := library.ReadDir("library")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range list {
		text, err := library.ReadFile("library/" + e.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := Parse("book", text)
		if err != nil {
			var at *expr.ScriptError
			if !errors.As(err, &at) || at.Err.Msg == "" {
				t.Fatalf("%v", err)
			}
			_ = at.Caret()
			return
		}
		out, err := b.Run(context.Background(), expr.NewSession(nil, nil, expr.Options{}), Config{Timeout: 20 * time.Millisecond})
		if err != nil {
			var at *expr.ScriptError
			if errors.As(err, &at) {
				_ = at.Caret()
			}
			return
		}
		r := NewReport("k", "s", time.Unix(0, 0), out)
		_ = r.Text()
		if _, err := json.Marshal(r); err != nil {
			t.Fatal(err)
		}
		if _, err := parseMetrics(r.Metrics()); err != nil {
			t.Fatalf("%v:\n%s", err, r.Metrics())
		}
	})
}
