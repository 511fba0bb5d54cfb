package expr

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"kinspect/expr/value"
)

// TestPrepared: an expression that is compiled once gives for each element what map gives.
func TestPrepared(t *testing.T) {
	s := testKernel(t, "6.12")
	s.Set("limit", 3)
	devices, err := s.Prepare("netdevs()", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, src := range []string{".name", "string(.name)", "#", "#index * 2", ".rx_dropped > limit", ".mtu + 1", "{ let n = .mtu; n > 1500 ? .name : 'small' }", "let n = .mtu; n", "[.name, [1, 2] | map(#)]"} {
		p, err := s.Prepare(src, true)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		body := src
		if strings.HasPrefix(body, "let") {
			body = "{" + body + "}"
		}
		want, err := s.Eval(context.Background(), "netdevs() | map("+body+")")
		if err != nil {
			t.Fatal(err)
		}
		var rows, made []any
		if err := devices.Each(context.Background(), func(x any) error { rows = append(rows, x); return nil }); err != nil {
			t.Fatal(err)
		}
		for i, x := range rows {
			r, err := p.Eval(context.Background(), x, i)
			if err != nil {
				t.Errorf("%s: %v", src, err)
			}
			made = append(made, r.Value)
		}
		wantText, _ := want.Text(value.DefaultFormat)
		text, _ := Result{Value: made}.Text(value.DefaultFormat)
		if text != wantText {
			t.Errorf("%s: %s, map gives %s", src, text, wantText)
		}
	}
}

// TestPreparedErrors: errors have their place, whenever they arise.
func TestPreparedErrors(t *testing.T) {
	s := testKernel(t, "6.12")
	for _, c := range []struct {
		src     string
		element bool
		says    string
		column  int
	}{
		{"", true, "the expression is empty", -1},
		{"1 +", true, "", 3},
		{"#", false, "", 0},
		{"nonesuch + 1", true, "no symbol, function or enumerator is called nonesuch", 0},
		{"1 + .nonesuch", true, "no member", 5},
		{"{ .mtu", true, "", 6},
	} {
		var at *Error
		p, err := s.Prepare(c.src, c.element)
		if err == nil {
			dev, derr := s.Eval(context.Background(), "netdev('lo')")
			if derr != nil {
				t.Fatal(derr)
			}
			_, err = p.Eval(context.Background(), dev.Value, 0)
		}
		if !errors.As(err, &at) || !strings.Contains(at.Msg, c.says) || at.Column != c.column || at.Src != c.src {
			t.Errorf("%q: %+v", c.src, err)
		}
	}
	if err := s.Grammar("nonesuch(1) + 1", false); err != nil {
		t.Logf("grammar of an unknown function: %v", err)
	}
	var at *Error
	if err := s.Grammar("1 + (2", true); !errors.As(err, &at) || at.Column != 6 {
		t.Errorf("grammar: %v", err)
	}
	// A fault where the value is wanted is an error, and a value of a list's element that stands for one, too.
	p, err := s.Prepare("#", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Eval(context.Background(), Fault{value.Faultf("gone")}, 0); err == nil || err.Error() != "gone" {
		t.Errorf("of a fault: %v", err)
	}
	// A walk is stopped with its context.
	p, err = s.Prepare("1..1000000000000", false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := p.Each(ctx, func(any) error { return nil }); err == nil || !strings.Contains(err.Error(), "took too long") {
		t.Errorf("a long walk: %v", err)
	}
}

// TestResultNumber: numbers are exact, and truths are none.
func TestResultNumber(t *testing.T) {
	s := testKernel(t, "6.12")
	for src, want := range map[string]string{
		"1": "1", "-1": "-1", "0.5": "1/2", "18446744073709551615u": "18446744073709551615", "netdev('lo').mtu": "65536", "(s8)200": "-56",
		"true": "", "'x'": "", "[1]": "", "nil": "", "1.0 / 0": "",
	} {
		r, err := s.Eval(context.Background(), src)
		if err != nil {
			if want != "" {
				t.Errorf("%s: %v", src, err)
			}
			continue
		}
		n, ok, err := r.Number()
		switch {
		case want == "" && (ok || n != nil):
			t.Errorf("%s is %v", src, n)
		case want != "" && (!ok || err != nil || n.RatString() != want):
			t.Errorf("%s: %v, %v, %v, want %s", src, n, ok, err, want)
		}
	}
}
