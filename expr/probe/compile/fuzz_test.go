package compile

import (
	"errors"
	"math/rand/v2"
	"testing"
)

// FuzzCompile compiles any text: nothing panics, errors are told, and what compiles is a program that
// the machine runs to its end.
func FuzzCompile(f *testing.F) {
	for _, src := range []string{
		"v->si0 + v->ul0 * 3", "v->name == 'bond0' && !v->none->si0", "v->ints[i & 3] << (u & 7)", "b ? (s64)v->fs7 : -1", "let x = v->next; x->next->fu22",
		"ntohs(w) in [1, 2]", "container_of(v->intp, struct net_device, mtu)->name", "1 < i <= 5", "sizeof(typeof(v->next[0]))", "(u16)-v->c0 % v->sc0", "*v", "v->text",
	} {
		f.Add(src)
	}
	b := newBench(f, rand.New(rand.NewPCG(1, 5)))
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 300 {
			return
		}
		_, refused, fault := b.compiled(b.scope, src)
		if refused == nil && fault != nil && !errors.Is(fault, errFault) {
			t.Errorf("%q: %s", src, fault)
		}
	})
}
