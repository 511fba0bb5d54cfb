package kmem

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"kinspect/kmem/dumptest"
	"kinspect/kmem/flattened"
	"kinspect/kmem/kdump"
)

func flatJoin(parts ...[]byte) []byte { return append(dumptest.FlatHead(), bytes.Join(parts, nil)...) }

func TestFlatRefuses(t *testing.T) {
	head := func(at int, v uint64) []byte {
		b := flatJoin(dumptest.FlatEnd())
		binary.BigEndian.PutUint64(b[at:], v)
		return b
	}
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"header cut off":  {[]byte(flattened.Magic), "a flattened dump of 16 bytes"},
		"type":            {head(16, 2), "type 2, version 1"},
		"version":         {head(24, 9), "type 1, version 9"},
		"negative offset": {head(4096, 1<<63), "a record of -1 bytes for offset 0x8000000000000000"},
		"negative size":   {head(4096, 5), "a record of -1 bytes for offset 0x5"},
		"size":            {flatJoin(dumptest.FlatRec(1<<62, nil)[:8], dumptest.FlatRec(1<<62, nil)[:8]), "a record of 4611686018427387904"},
		"nothing in it":   {flatJoin(dumptest.FlatEnd()), "not a dump: the file is empty"},
		"text in it":      {dumptest.Flatten([]byte("hello world"), 3), `it starts with "hello wo"`},
		"flattened twice": {dumptest.Flatten(dumptest.Flatten([]byte("hello"), 5), 1000), `it starts with "makedump"`},
		"hole in headers": {flatJoin(dumptest.FlatRec(0, (&testKdump{ram: dumptest.Pages(3)}).bytes(t)[:5000]), dumptest.FlatRec(30000, []byte("x")), dumptest.FlatEnd()), "no record holds offset 0x4000"},
	} {
		_, err := openBytes(tt.file)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v does not say %q", name, err, tt.want)
		}
	}
}

// Dumps of both kinds inside, and what is told of missing parts.
func TestFlattenedDumps(t *testing.T) {
	k := testKdump{flags: kdump.FlagZstd, ram: dumptest.Pages(50), dumped: func(p int) bool { return p%7 != 0 }}
	file := k.bytes(t)
	filtered := func(p int) (Reason, bool) { return Filtered, p%7 == 0 }
	for _, size := range []int{100, 4096, 16384, 1 << 20} {
		img, err := openBytes(dumptest.Flatten(file, size))
		if err != nil {
			t.Fatal(err)
		}
		checkPages(t, img, k.ram, filtered)
		if len(img.Remarks()) != 0 {
			t.Errorf("remarks %q", img.Remarks())
		}
	}
	elf := testCore{loads: []testLoad{{data: k.ram}}}
	img, err := openBytes(dumptest.Flatten(elf.bytes(), 777))
	if err != nil {
		t.Fatal(err)
	}
	checkPages(t, img, k.ram, present1)

	whole := dumptest.Flatten(file, 64)
	cut := whole[:len(whole)-3000]
	if img, err = openBytes(cut); err != nil {
		t.Fatal(err)
	}
	inside := uint64(len(file)) - 3000/80*64
	checkPages(t, img, k.ram, func(p int) (Reason, bool) {
		if p%7 == 0 {
			return Filtered, true
		}
		n := p - (p+6)/7 // pages in the dump before it
		return Truncated, descEnd(file[k.layout.descs+n*24:]) > inside+64
	})
	if r := strings.Join(img.Remarks(), "\n"); !strings.Contains(r, "end record is missing") {
		t.Errorf("remarks %q", r)
	}
	// A record that is missing in the middle is damage, not an end.
	at := k.layout.data + 5000
	img, err = openBytes(flatJoin(dumptest.FlatRec(0, file[:at]), dumptest.FlatRec(at+8, file[at+8:]), dumptest.FlatEnd()))
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for p := range 50 {
		if f := AsFault(img.ReadPhys(PhysAddr(p*PageSize), make([]byte, 8))); f != nil && f.Reason == Failed {
			failed++
		}
	}
	if failed != 1 && failed != 2 {
		t.Errorf("%d pages failed", failed)
	}
}
