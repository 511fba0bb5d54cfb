package value

import (
	"testing"

	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// TestModulesAnew unloads a module, and loads it again.
func TestModulesAnew(t *testing.T) {
	img := kernels.Open(t, "6.12")
	m := kernels.Words{Reader: img, At: map[kmem.Addr]uint64{}}
	k := New(img, m)
	k.moves = true
	all, err := k.Modules()
	if err != nil || len(all) < 2 {
		t.Fatalf("%d modules, %v", len(all), err)
	}
	newest, next := all[0], all[1]
	var name string
	for n := range newest.byName {
		name = n
		break
	}
	if name == "" {
		if syms, err := newest.symbols(); err == nil && len(syms) > 0 {
			name = syms[0].Name
		}
	}
	if changed, err := k.ModulesAnew(); changed || err != nil {
		t.Fatalf("nothing happened: %v, %v", changed, err)
	}
	head, err := k.vmlinuxGlobal("modules")
	if err != nil {
		t.Fatal(err)
	}
	link, err := next.Value.Member("list")
	if err != nil {
		t.Fatal(err)
	}
	at, _ := head.Addr()
	second, _ := link.Addr()
	m.At[at] = uint64(second)
	if changed, err := k.ModulesAnew(); !changed || err != nil {
		t.Fatalf("unloaded: %v, %v", changed, err)
	}
	if mods, _ := k.Modules(); len(mods) != len(all)-1 || mods[0] != next {
		t.Errorf("unloaded: %d modules of %d", len(mods), len(all))
	}
	if name != "" {
		if _, ok := k.LookupSymbol(name); ok {
			t.Errorf("%s of %s is still known", name, newest.Name)
		}
	}
	delete(m.At, at)
	if changed, err := k.ModulesAnew(); !changed || err != nil {
		t.Fatalf("loaded again: %v, %v", changed, err)
	}
	if mods, _ := k.Modules(); len(mods) != len(all) || mods[0].Name != newest.Name {
		t.Errorf("loaded again: %d modules of %d", len(mods), len(all))
	}
	if name != "" {
		if found, err := k.SymbolsNamed(name, 5); err != nil || len(found) == 0 || found[0].Module != newest.Name {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}
