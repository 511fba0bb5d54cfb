package kmem

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kinspect/testdata/lab/results"
)

// TestLabFormats compares dumps of one memory, page by page: what the lab leaves in
// SERIES/formats is the memory of SERIES/incident.elf, and what makedumpfile made in
// SERIES/vmcore-formats that of SERIES/vmcore.elf, as far as it kept it, compressed as a
// whole in SERIES/packed. SERIES/noinfo has dumps without VMCOREINFO. Files named
// NAME.part1 and so on are the parts of one. A dump whose name begins with
// "incomplete" may lack pages, and has to say so.
func TestLabFormats(t *testing.T) {
	dir := results.Dir(t)
	for formats, whole := range map[string]string{
		"formats": "incident.elf", "vmcore-formats": "vmcore.elf", "packed": "vmcore.elf", "noinfo": "noinfo/whole.elf",
	} {
		files, err := filepath.Glob(filepath.Join(dir, "*", formats, "*"))
		if err != nil {
			t.Fatal(err)
		}
		dumps := make(map[string][]string)
		for _, file := range files {
			name, _, _ := strings.Cut(file, ".part")
			dumps[name] = append(dumps[name], file)
		}
		for name, files := range dumps {
			series := filepath.Base(filepath.Dir(filepath.Dir(name)))
			t.Run(series+"/"+formats+"/"+filepath.Base(name), func(t *testing.T) {
				compareDumps(t, files, filepath.Join(dir, series, whole))
			})
		}
	}
}

func compareDumps(t *testing.T, files []string, whole string) {
	want, err := Open(whole)
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	start := time.Now()
	img, err := Open(files[len(files)-1], files[:len(files)-1]...)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	opened := time.Since(start)
	incomplete := strings.HasPrefix(filepath.Base(files[0]), "incomplete")
	switch remarks := strings.Join(img.Remarks(), "\n"); {
	case incomplete:
		if remarks == "" {
			t.Error("nothing is said of what the dump lacks")
		}
	case filepath.Base(filepath.Dir(whole)) == "noinfo":
		if !strings.HasPrefix(remarks, "no VMCOREINFO note") || strings.Contains(remarks, "\n") {
			t.Errorf("remarks %q, want that VMCOREINFO is missing, and no more", remarks)
		}
	case remarks != "":
		t.Errorf("remarks %q", remarks)
	}
	switch info, have := want.VMCoreInfo(), img.VMCoreInfo(); {
	case (info == nil) != (have == nil):
		t.Errorf("VMCOREINFO %v, want %v", have, info)
	case info != nil && have.Release() != info.Release():
		t.Errorf("release %q, want %q", have.Release(), info.Release())
	}
	const chunk = 1 << 20
	a, b := make([]byte, chunk), make([]byte, chunk)
	var read, missing uint64
	var busy time.Duration
	for addr, size := range img.PhysRanges() {
		for size > 0 {
			n := min(size, chunk)
			start := time.Now()
			err := img.ReadPhys(addr, a[:n])
			busy += time.Since(start)
			if f := AsFault(err); f != nil && (f.Reason == Truncated || f.Reason == Unwritten) && incomplete {
				n = max(f.Addr-uint64(addr), PageSize)
				missing += PageSize
			} else if err != nil {
				t.Fatal(err)
			} else if err := want.ReadPhys(addr, b[:n]); err != nil {
				t.Fatal(err)
			} else if !bytes.Equal(a[:n], b[:n]) {
				t.Fatalf("%d bytes at %v differ", n, addr)
			}
			read += n
			addr, size = addr+PhysAddr(n), size-n
		}
	}
	if read < 1<<20 || (missing > 0 && !incomplete) {
		t.Errorf("%d bytes, %d missing", read, missing)
	}
	t.Logf("opened in %v, %d MiB compared, read at %.0f MB/s", opened, read>>20, float64(read)/1e6/busy.Seconds())
}
