package kmem

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// The lines of a 6.12 kernel, shortened, with what old and odd kernels add.
const testInfo = `OSRELEASE=6.12.117+deb13-cloud-amd64
BUILD-ID=3bde3ce03156c39bec3310fbdd6bd14bfbefb62e
PAGESIZE=4096
SYMBOL(init_uts_ns)=ffffffffb2415a00
OFFSET(uts_namespace.name)=0
SYMBOL(node_online_map)=ffffffffb25f8da0
SIZE(list_head)=16
LENGTH(zone.free_area)=11
NUMBER(NR_FREE_PAGES)=0
NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129
NUMBER(phys_base)=-16777216
NUMBER(sme_mask)=18446603336221196288
NUMBER(TCR_EL1_T1SZ)=0x19
KERNELOFFSET=2f400000
CRASHTIME=1700000000
a line without a value
=
SYMBOL(bad)=zz
SYMBOL(twice)=1
SYMBOL(twice)=2
`

func TestVMCoreInfo(t *testing.T) {
	v, err := ParseVMCoreInfo([]byte(testInfo + "\x00\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	if v.Release() != "6.12.117+deb13-cloud-amd64" || v.BuildID() != "3bde3ce03156c39bec3310fbdd6bd14bfbefb62e" {
		t.Errorf("%q %q", v.Release(), v.BuildID())
	}
	if off, ok := v.KernelOffset(); !ok || off != 0x2f400000 {
		t.Errorf("%#x", off)
	}
	if !bytes.Equal(v.Raw(), []byte(testInfo)) {
		t.Errorf("%q", v.Raw())
	}
	for name, want := range map[string]Addr{"init_uts_ns": 0xffffffffb2415a00, "twice": 2, "bad": 0, "none": 0} {
		if got, ok := v.Symbol(name); got != want || ok != (want != 0) {
			t.Errorf("SYMBOL(%s) = %v, %v", name, got, ok)
		}
	}
	for name, want := range map[string]int64{"NR_FREE_PAGES": 0, "PAGE_BUDDY_MAPCOUNT_VALUE": -129, "phys_base": -16777216, "sme_mask": -1 << 47, "TCR_EL1_T1SZ": 0x19} {
		if got, ok := v.Number(name); got != want || !ok {
			t.Errorf("NUMBER(%s) = %d, %v", name, got, ok)
		}
	}
	if _, ok := v.Number("none"); ok {
		t.Error("NUMBER(none)")
	}
	if n, ok := v.Length("zone.free_area"); n != 11 || !ok {
		t.Error(n, ok)
	}
	if n, ok := v.Offset("uts_namespace.name"); n != 0 || !ok {
		t.Error(n, ok)
	}
	if n, ok := v.Size("list_head"); n != 16 || !ok {
		t.Error(n, ok)
	}
	if _, ok := v.Size("none"); ok {
		t.Error("SIZE(none)")
	}
}

func TestVMCoreInfoGarbage(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing": nil, "zeros": make([]byte, 4096), "binary": bytes.Repeat([]byte{0xff, 0, '='}, 100), "other text": []byte("PATH=/bin\nHOME=/\n"),
		"control characters": []byte("OSRELEASE=6.1\x1b[31m\n"), "long": bytes.Repeat([]byte("OSRELEASE=1\n"), 6000),
	} {
		if v, err := ParseVMCoreInfo(b); !errors.Is(err, ErrNoVMCoreInfo) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	var none *VMCoreInfo
	if _, ok := none.Symbol("x"); ok || none.Raw() != nil || none.Release() != "" {
		t.Error("a nil note knows something")
	}
	// Build IDs of some stable releases are other memory.
	for _, id := range []string{"", "abc", "3bde3ce03156c39bec3310fbdd6bd14bfbefb62", "3bde3ce03156c39bec3310fbdd6bd14bfbefb6\x00\x01", strings.Repeat("ab", 65)} {
		v, err := ParseVMCoreInfo([]byte("OSRELEASE=6.6.60\nBUILD-ID=" + id + "\n"))
		if err != nil || v.BuildID() != "" {
			t.Errorf("%q: %q, %v", id, v.BuildID(), err)
		}
	}
}

func FuzzVMCoreInfo(f *testing.F) {
	f.Add([]byte(testInfo))
	f.Add([]byte("SYMBOL()=\nNUMBER(x)=0x\nKERNELOFFSET=-1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ParseVMCoreInfo(b)
		if err != nil {
			if !errors.Is(err, ErrNoVMCoreInfo) {
				t.Error(err)
			}
			return
		}
		_, _ = v.Symbol("init_top_pgt")
		_, _ = v.Number("phys_base")
		_, _ = v.KernelOffset()
		for _, s := range []string{v.Release(), v.BuildID()} {
			if !plainText(s) {
				t.Errorf("%q", s)
			}
		}
		again, err := ParseVMCoreInfo(v.Raw())
		if err != nil || again.Release() != v.Release() || len(again.values) != len(v.values) {
			t.Errorf("parsed again: %v", err)
		}
	})
}
