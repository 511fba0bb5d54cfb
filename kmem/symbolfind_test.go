package kmem

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// findMap is a System.map of the kernel of a scanMachine, linked at another place. change
// replaces pieces of it.
func findMap(change ...string) []byte {
	const linked = 0x4000000 // above
	var b strings.Builder
	for _, s := range []Symbol{
		{"_text", fakeText, 'T', ""},
		{"_stext", fakeText, 'T', ""},
		{"ip_rcv", fakeText + 0x1000, 't', ""},
		{"init_top_pgt", fakeText + 0x100000, 'D', ""},
		{"linux_banner", fakeBanner, 'R', ""},
		{"init_uts_ns", 0xffffffff82000000 + scanUTS, 'D', ""},
		{"vmcoreinfo_data", 0xffffffff82000000 + scanPtr, 'B', ""},
	} {
		fmt.Fprintf(&b, "%x %c %s\n", uint64(s.Addr)+linked, s.Type, s.Name)
	}
	return []byte(strings.NewReplacer(change...).Replace(b.String()))
}

// Symbols of a file fit a kernel without VMCOREINFO by what its image is like.
func TestSymbolsWithoutVMCoreInfo(t *testing.T) {
	for _, levels := range []int{4, 5} {
		for _, c := range []struct {
			name   string
			change []string
			want   string
			other  bool
		}{
			{"fit", nil, "", false},
			{"no vmcoreinfo_data", []string{"vmcoreinfo_data", "x"}, "", false},
			{"_text elsewhere", []string{"ffffffff85000000 T _text", "ffffffff84e00000 T _text"}, "_text would be at 0xffffffff80e00000, and the kernel's image begins at 0xffffffff81000000", true},
			{"init_top_pgt elsewhere", []string{"ffffffff85100000", "ffffffff85102000"}, "where init_top_pgt would be", true},
			{"init_uts_ns elsewhere", []string{"ffffffff86000110", "ffffffff86000190"}, "there is no \"Linux\"", true},
			{"linux_banner elsewhere", []string{"ffffffff86000080", "ffffffff86000088"}, "no banner in the kernel's memory", true},
			{"no init_uts_ns", []string{"init_uts_ns", "x"}, "cannot be told", false},
			{"no linux_banner", []string{"linux_banner", "x"}, "cannot be told", false},
			{"nothing more", []string{"_text", "x", "init_top_pgt", "y"}, "cannot be told", false},
			{"only _text more", []string{"init_top_pgt", "y"}, "nothing that only this build has", false},
		} {
			m := newScanMachine(scanOptions{levels: levels})
			clear(m.ram[scanRodata+0x33c : scanRodata+0x100000]) // its own tables
			// With a text that a search would find, and by CPUs, which do not search.
			cpu := qemuCPU(m.root, uint64(levels-4)*cr4LA57, m.direct)
			for format, img := range m.images(t, cpu) {
				f, err := openSymbols(t, findMap(c.change...))
				if err != nil {
					t.Fatal(err)
				}
				if img.foundSyms != nil || img.VMCoreInfo() != nil {
					t.Fatal("the kernel still has symbols")
				}
				err = img.UseSymbols(f)
				if c.want != "" {
					if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrOtherKernel) != c.other {
						t.Errorf("%d levels, %s, %s: error %v, want %q", levels, c.name, format, err, c.want)
					}
					continue
				}
				if err != nil {
					t.Errorf("%d levels, %s, %s: %v", levels, c.name, format, err)
					continue
				}
				syms, err := img.Symbols()
				if err != nil {
					t.Fatal(err)
				}
				if s, ok := syms.Lookup("ip_rcv"); !ok || s.Addr != fakeText+0x1000 {
					t.Errorf("%+v", s)
				}
				// They lead to VMCOREINFO, too.
				if got := img.VMCoreInfo().Release(); (got == m.release) != (c.change == nil) {
					t.Errorf("%d levels, %s, %s: VMCOREINFO of %q", levels, c.name, format, got)
				}
			}
		}
	}
}
