package kmem

import (
	"strings"
	"testing"
)

// TestImageInOnePiece: tables that map a page of the kernel's image elsewhere are damaged, and
// for modules behind it they are not.
func TestImageInOnePiece(t *testing.T) {
	m := newTestMachine(4, 4<<20)
	at := func(phys uint64) uint64 { return startKMap + phys - testPhysBase }
	m.mapPage(at(0x300000), 0x300000, pageShift)
	m.mapPage(at(0x301000), 0x302000, pageShift)
	m.mapPage(startKMap+minImageSize, 0x303000, pageShift) // modules of a kernel without KASLR
	img := m.core().open(t)
	for _, tt := range []struct {
		addr uint64
		want string
	}{
		{at(0x300000), ""},
		{at(0x301000), "damaged page tables: they map the kernel's image at physical address 0x302000, and by phys_base it is at 0x301000"},
		{startKMap + minImageSize, ""},
	} {
		_, err := ReadUint64(img, Addr(tt.addr))
		if tt.want == "" && err != nil {
			t.Errorf("%#x: %v", tt.addr, err)
		}
		if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || AsFault(err).Reason != Failed) {
			t.Errorf("%#x: error %v does not say %q", tt.addr, err, tt.want)
		}
	}
}

// TestKallsymsLengths changes lengths of names so that the names behind them would be
// those of other symbols, and addresses so that they are out of order.
func TestKallsymsLengths(t *testing.T) {
	f := kallsymsShapes[5].build(fakeSymbols(3000, true))
	k, err := openKallsyms(f, f.places)
	if err != nil {
		t.Fatal(err)
	}
	step := 37
	if testing.Short() {
		step *= 8
	}
	wrong, refused := 0, 0
	for i := 0; i < len(f.syms); i += step {
		bad := kallsymsShapes[5].build(f.syms)
		bucket := k.bucket(i / bucketSize)
		if err := bucket.pass(i % bucketSize); err != nil {
			t.Fatal(err)
		}
		at := k.places.names.Add(int64(bucket.off()))
		// The name takes the next one in, or all offsets but one shift.
		bad.put(at, bad.data[at-bad.base]+1)
		other, err := openKallsyms(bad, bad.places)
		if err != nil {
			refused++
			continue
		}
		for j := i - 3; j < i+bucketSize; j += 11 {
			if j < 0 || j >= len(f.syms) {
				continue
			}
			if s, err := other.symbol(j); err != nil {
				refused++
			} else if s != f.syms[j] {
				wrong++
			}
		}
	}
	if wrong > 0 || refused == 0 {
		t.Errorf("%d wrong symbols, %d refused", wrong, refused)
	}

	bad := kallsymsShapes[5].build(f.syms)
	if bad.places.stext != 0 {
		i := len(f.syms) / 3
		bad.put(bad.places.offsets+Addr(4*i), 0xff, 0xff, 0xff, 0x80)
		other, err := openKallsyms(bad, bad.places)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := other.symbol(i); err == nil {
			t.Errorf("symbol %d of a damaged table is %+v", i, s)
		}
	}
}
