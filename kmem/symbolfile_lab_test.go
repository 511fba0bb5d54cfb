package kmem

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"kinspect/testdata/lab/results"
)

// TestLabSymbolFiles gives every dump of the lab every /proc/kallsyms that its
// guests saved: those of the same kernel fit, whichever boot they are of, and say
// the same as the dump's own tables; those of others are refused.
func TestLabSymbolFiles(t *testing.T) {
	saved, dumps := results.Find(t, "facts/*/kallsyms"), results.Find(t, "*.elf")
	for _, name := range saved {
		start := time.Now()
		f, err := OpenSymbolFile(name)
		if err != nil {
			t.Error(err)
			continue
		}
		t.Logf("%s: %d symbols in %v", name, f.Len(), time.Since(start))
		for _, dump := range dumps {
			img, err := Open(dump)
			if err != nil {
				t.Fatal(err)
			}
			same := filepath.Dir(dump) == filepath.Dir(filepath.Dir(filepath.Dir(name)))
			m, err := f.For(img, img.VMCoreInfo())
			switch {
			case !same && !errors.Is(err, ErrOtherKernel):
				t.Errorf("%s on %s: error %v", name, dump, err)
			case same && err != nil:
				t.Errorf("%s on %s: %v", name, dump, err)
			case same:
				compareOwn(t, img, m)
			}
			// The same by the memory alone.
			found, err := f.findFit(img, img.tables)
			switch {
			case same && err != nil:
				t.Errorf("%s on %s, without VMCOREINFO: %v", name, dump, err)
			case !same && err == nil:
				t.Errorf("%s fits %s without VMCOREINFO", name, dump)
			case same:
				a, _ := found.Lookup("init_net")
				if b, ok := m.Lookup("init_net"); !ok || a != b {
					t.Errorf("%s on %s: init_net %+v and %+v", name, dump, a, b)
				}
			}
			_ = img.Close()
		}
	}
}

// compareOwn compares a table, symbol by symbol, with the one in a dump's memory.
func compareOwn(t *testing.T, img *Image, m *SymbolFile) {
	t.Helper()
	k, err := FindKallsyms(img, img.VMCoreInfo())
	if err != nil {
		t.Error(err)
		return
	}
	own := make([]Symbol, 0, k.Len())
	for s := range k.All {
		own = append(own, s)
	}
	i, wrong := 0, 0
	for s := range m.All {
		if i < len(own) && s != own[i] {
			if wrong++; wrong < 5 {
				t.Errorf("%s: %+v, in memory %+v", m.Source(), s, own[i])
			}
		}
		i++
	}
	if i != len(own) {
		t.Errorf("%s: %d symbols, %d in memory", m.Source(), i, len(own))
	}
}
