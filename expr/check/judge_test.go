package check

import "testing"

// TestLeftFor: what the other paths cannot account for, one path must have taken.
func TestLeftFor(t *testing.T) {
	out := finding{out: true}
	free := finding{}
	max := func(n uint64) finding { return finding{max: &n} }
	joint := func(n uint64) finding { return finding{shared: []shared{{"one", n}}} }
	other := func(n uint64) finding { return finding{shared: []shared{{"other", n}}} }
	both := func(n, m uint64) finding { return finding{shared: []shared{{"one", n}, {"other", m}}} }
	for _, c := range []struct {
		name string
		f    []finding
		i    int
		own  uint64
		want uint64
	}{
		{"all others ruled out", []finding{out, free, out}, 1, 48, 48},
		{"another one without a bound", []finding{free, free}, 1, 48, 0},
		{"another one with a bound", []finding{max(10), free}, 1, 48, 38},
		{"bounds that cover all", []finding{max(48), free}, 1, 48, 0},
		{"bounds that add up", []finding{max(10), max(20), free}, 2, 48, 18},
		{"a bound shared by three", []finding{joint(20), joint(20), joint(20), free}, 3, 48, 28},
		{"a shared bound and one of its own", []finding{joint(20), max(5), joint(20), free}, 3, 48, 23},
		{"one bound within another", []finding{both(20, 5), both(20, 5), joint(20), free}, 3, 48, 28},
		{"one bound within another, which is the less", []finding{both(20, 5), both(20, 5), max(3), free}, 3, 48, 40},
		{"bounds that cross", []finding{joint(20), both(20, 5), other(5), free}, 3, 48, 23},
		{"a part of a shared bound that has one of its own", []finding{joint(20), {max: num(3), shared: []shared{{"one", 20}}}, free}, 2, 48, 28},
		{"seen from within the shared bound", []finding{joint(20), joint(20), out}, 0, 48, 28},
		{"bounds larger than 64 bits hold", []finding{max(^uint64(0)), max(^uint64(0)), free}, 2, 48, 0},
	} {
		if got := leftFor(c.f, c.i, c.own); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestMost: what all paths together can have taken.
func TestMost(t *testing.T) {
	max := func(n uint64) finding { return finding{max: &n} }
	for _, c := range []struct {
		f    []finding
		want uint64
	}{
		{[]finding{max(3), {out: true}, max(4)}, 7},
		{[]finding{max(3), {}}, 48},
		{nil, 0},
	} {
		if got := mostOfOthers(c.f, -1, 48); got != c.want {
			t.Errorf("%+v: %d, want %d", c.f, got, c.want)
		}
	}
}
