package expr

import (
	"context"
	"slices"
	"testing"
)

func TestVariables(t *testing.T) {
	s := testSession()
	s.Set("a", 1)
	s.Set("$", "last")
	if got := s.Variables(); !slices.Equal(got, []string{"$", "a"}) {
		t.Errorf("variables %q", got)
	}
	if v := mustEval(t, s, "$ + 'x'"); v != "lastx" {
		t.Errorf("$ is %v", v)
	}
	if v, ok := s.Variable("a"); !ok || v != 1 {
		t.Errorf("a is %v %v", v, ok)
	}
	if !s.Unset("a") || s.Unset("a") {
		t.Error("unset does not tell whether there was one")
	}
	if _, err := s.Eval(t.Context(), "a"); err == nil {
		t.Error("a is there after unset")
	}
}

func TestLets(t *testing.T) {
	s := testSession()
	for _, c := range []struct {
		src  string
		lets []Let
	}{
		{"let x = 5", []Let{{"x", "5"}}},
		{"let x = 5;", []Let{{"x", "5"}}},
		{"let x = 5 // a comment", []Let{{"x", "5"}}},
		{"let x = (2 + 3) * 4", []Let{{"x", "(2 + 3) * 4"}}},
		{"let x = 'a;b'; let y = [x]", []Let{{"x", "'a;b'"}, {"y", "[x]"}}},
		{"let x = 5; x", nil},
		{"x", nil},
		{"let x =", nil},
		{"let x = (", nil},
		{"", nil},
		{"5;", nil},
	} {
		lets, body := s.Lets(c.src)
		if !slices.Equal(lets, c.lets) {
			t.Errorf("%q: %q, want %q", c.src, lets, c.lets)
		}
		for _, l := range lets {
			if _, err := s.Eval(t.Context(), body+l.Name); err != nil {
				t.Errorf("%q: %v", body+l.Name, err)
			}
		}
	}
}

// TestKeptSequence walks a sequence after the evaluation that made it was over, and
// stopped.
func TestKeptSequence(t *testing.T) {
	s := testKernel(t, "6.12")
	ctx, cancel := context.WithCancel(t.Context())
	r, err := s.Eval(ctx, "list_for_each(init_net.dev_base_head, struct net_device, dev_list) | filter(.mtu > 0)")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	s.Set("devs", r.Value)
	if n := mustEval(t, s, "count(devs | filter(.ifindex > 0)) > 3"); n != true {
		t.Errorf("devices: %v", n)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := s.Eval(ctx, "count(devs)"); err == nil {
		t.Error("a cancelled evaluation walks a sequence of an earlier one")
	}
}
