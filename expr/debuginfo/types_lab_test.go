package debuginfo

import (
	"context"
	"debug/elf"
	"fmt"
	"runtime"
	"testing"
	"time"

	"kinspect/btf"
)

// TestLabTypes compares the types made of debug information with the BTF that pahole made of the same vmlinux when the
// kernel was built: each struct and union that both have by name is the same in one of its definitions at least.
func TestLabTypes(t *testing.T) {
	name := labVmlinux(t)
	file, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	sec := file.Section(".BTF")
	if sec == nil {
		t.Skip("the vmlinux has no BTF to compare with")
	}
	data, err := sec.Data()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := btf.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	start := time.Now()
	blob, err := f.BTF(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	ours, err := btf.Parse(blob)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d types in %v, %d MB of BTF (theirs: %d types, %d MB); %d MB from the system", ours.NumTypes(), took, len(blob)>>20, theirs.NumTypes(), len(data)>>20, mem.Sys>>20)
	mine := structsByName(ours)
	compared, missing, different, unsound := 0, 0, 0, 0
	for key, list := range structsByName(theirs) {
		if len(mine[key]) == 0 {
			if missing++; missing <= 20 {
				t.Logf("not outside of functions: %s", key)
			}
			continue
		}
		have := map[string]bool{}
		for _, s := range mine[key] {
			have[layout(s)] = true
			if err := s.Sound(); err != nil {
				if unsound++; unsound <= 20 {
					t.Errorf("%s: %v", key, err)
				}
			}
		}
		for _, s := range list {
			if compared++; have[layout(s)] {
				continue
			}
			if different++; different <= 20 {
				t.Errorf("%s is\n%s\nin BTF, and of %d made of DWARF the first is\n%s", key, layout(s), len(have), layout(mine[key][0]))
			}
		}
	}
	t.Logf("%d structs and unions compared, %d different, %d unsound, %d missing", compared, different, unsound, missing)
	if compared < 5000 || missing > compared/50 {
		t.Errorf("%d structs and unions compared, %d missing", compared, missing)
	}
}

func structsByName(s *btf.Spec) map[string][]*btf.Struct {
	out := map[string][]*btf.Struct{}
	for i := range s.NumTypes() {
		t, err := s.TypeByID(btf.ID(i))
		if err != nil {
			continue
		}
		if st, ok := t.(*btf.Struct); ok && st.Name != "" {
			key := fmt.Sprint(st.Union, " ", st.Name)
			out[key] = append(out[key], st)
		}
	}
	return out
}

// layout is what a struct is like: its size, and its members' names, places and types.
func layout(s *btf.Struct) string {
	out := fmt.Sprintf("size %d\n", s.Size)
	for _, m := range s.Members() {
		out += fmt.Sprintf("%d:%d %s\n", m.BitOffset, m.BitSize, m.Name)
	}
	return out
}
