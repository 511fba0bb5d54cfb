package kmem

import (
	"bytes"
	"encoding/binary"
	"testing"

	"kinspect/kmem/dumptest"
	"kinspect/kmem/kdump"
)

// TestKdumpOrder changes the place of each page in turn: no page is another one then, and none but its
// neighbours, those of zeros and the one whose place it takes fails with it.
func TestKdumpOrder(t *testing.T) {
	le := binary.LittleEndian
	step := 3
	if testing.Short() {
		step = 27
	}
	for name, flags := range map[string]uint32{"raw": 0, "snappy": kdump.FlagSnappy} {
		for _, shared := range []bool{false, true} {
			k := testKdump{flags: flags, ram: dumptest.Pages(160), sharedZero: shared}
			// A long run of zeros in between.
			clear(k.ram[60*PageSize : 125*PageSize])
			file := k.bytes(t)
			desc := func(b []byte, page int) []byte { return b[k.layout.descs+24*page:][:24] }
			for page := 1; page < 160; page += step {
				for _, off := range []uint64{
					le.Uint64(desc(file, page)) + 1, le.Uint64(desc(file, page)) + 4000,
					le.Uint64(desc(file, (page+37)%160)), uint64(k.layout.data),
				} {
					bad := bytes.Clone(file)
					if le.PutUint64(desc(bad, page), off); bytes.Equal(bad, file) {
						continue
					}
					img, err := openBytes(bad)
					if err != nil {
						t.Fatal(err)
					}
					for p := range 160 {
						got := make([]byte, PageSize)
						err := img.ReadPhys(PhysAddr(p*PageSize), got)
						same := bytes.Equal(got, k.ram[p*PageSize:(p+1)*PageSize])
						switch {
						case err == nil && !same:
							t.Fatalf("%s, shared zeros %v: page %d moved to %#x: page %d is another's", name, shared, page, off, p)
						case err != nil && (p < page-2 || p > page+2) && p != (page+37)%160 && p%4 != 1 && (p < 60 || p >= 125):
							t.Fatalf("%s, shared zeros %v: page %d moved to %#x: page %d: %v", name, shared, page, off, p, err)
						}
					}
				}
			}
		}
	}
}

// TestKdumpUnordered: a writer that we do not know may put pages anywhere.
func TestKdumpUnordered(t *testing.T) {
	k := testKdump{ram: dumptest.Pages(100)}
	file := k.bytes(t)
	// Pages 1 to 99 back to front, and their descriptors with them.
	data, descs := bytes.Clone(file[k.layout.data:]), file[k.layout.descs:]
	for page := 1; page < 100; page++ {
		copy(file[k.layout.data+(100-page)*PageSize:], data[page*PageSize:(page+1)*PageSize])
		binary.LittleEndian.PutUint64(descs[24*page:], uint64(k.layout.data+(100-page)*PageSize))
	}
	img, err := openBytes(file)
	if err != nil {
		t.Fatal(err)
	}
	checkPages(t, img, k.ram, present1)
}
