package probe

import (
	"slices"
	"testing"
)

// TestTieMoved has a device in two namespaces, of which each has a row of its own.
func TestTieMoved(t *testing.T) {
	tie := Tie{Places: []TieDrop{
		{Count: 6, Function: "f", Ethertype: "0x88b5"}, {Count: 3, Function: "f", Ethertype: "0x88b5"},
	}}
	if got, want := tie.seen(), []string{"9 drops at f, 0x88b5"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	tie.Places = append(tie.Places, TieDrop{Count: 1, Function: "f", Ethertype: "0x88cc"})
	if got, want := tie.seen(), []string{"10 drops at f (0x88b5: 9, 0x88cc: 1)"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
