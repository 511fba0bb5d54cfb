package debuginfo

import (
	"bytes"
	"debug/elf"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kinspect/kmem"
	"kinspect/testdata/lab/results"
)

// labVmlinux is a kernel's vmlinux with debug information, which testdata/bench/run fetches, or what
// KINSPECT_VMLINUX names.
func labVmlinux(tb testing.TB) string {
	tb.Helper()
	if name := os.Getenv("KINSPECT_VMLINUX"); name != "" {
		return name
	}
	return filepath.Join(results.Debug(tb), "vmlinux")
}

// TestLabAddr2line compares the frames of random code with binutils'.
func TestLabAddr2line(t *testing.T) {
	name := labVmlinux(t)
	if _, err := exec.LookPath("addr2line"); err != nil {
		t.Skip("no addr2line")
	}
	file, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	f, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	random := rand.New(rand.NewPCG(7, 11))
	var addrs []uint64
	for _, part := range []struct {
		section string
		n       int
	}{{".text", 900}, {".init.text", 100}} {
		s := file.Section(part.section)
		for range part.n {
			addrs = append(addrs, s.Addr+random.Uint64N(s.Size))
		}
	}
	compareAddr2line(t, f, name, addrs)
}

// compareAddr2line compares frames with what addr2line -i says. Both may know nothing.
func compareAddr2line(t *testing.T, f *File, name string, addrs []uint64) {
	t.Helper()
	compareFrames(t, f, 0, addrs, addr2line(t, name, addrs))
}

// compareFrames compares the frames of addresses, from a base on, with those that addr2line has.
func compareFrames(t *testing.T, f *File, base kmem.Addr, addrs []uint64, want [][]Frame) {
	t.Helper()
	start := time.Now()
	frames, unknown, inlined, own := 0, 0, 0, 0
	for i, a := range addrs {
		a += uint64(base)
		got, err := f.Lookup(kmem.Addr(a))
		if w := want[i]; len(w) == 1 && len(got) < 2 && (w[0].Line == 0 || strings.HasPrefix(w[0].Function, "__pfx_")) {
			if w[0].Line == 0 && len(got) > 0 && got[0].Line != 0 {
				t.Errorf("%#x: %v, and addr2line knows no line of %s", a, got, w[0].Function)
			}
			unknown++ // no line, or room before a function, which addr2line knows by its symbol alone
			continue
		}
		if err != nil && len(want[i]) > 0 {
			t.Errorf("%#x: %v, and addr2line says %v", a, err, want[i])
			continue
		}
		if len(want[i]) == 0 {
			unknown++
		}
		if len(got) > 1 {
			inlined++
		}
		frames += len(got)
		if !same(got, want[i]) {
			if ownFile(f, a, got, want[i]) {
				own++
				continue
			}
			t.Errorf("%#x: %v, and addr2line says %v", a, got, want[i])
		}
	}
	t.Logf("%d addresses, %d inlined, %d frames, %d unknown, %d of addr2line's own: %v", len(addrs), inlined, frames, unknown, own, time.Since(start))
	if own > len(addrs)/50 {
		t.Errorf("at %d addresses addr2line has the unit's own file", own)
	}
}

// ownFile reports whether the difference is that addr2line has the unit's own file for code of the first file in the
// table: binutils 2.40 does so in DWARF 5, and its readelf does not.
func ownFile(f *File, a uint64, got, want []Frame) bool {
	if len(got) != len(want) || len(got) == 0 {
		return false
	}
	name := ""
	holding(f.ranges, a, func(off uint64) bool {
		u, err := f.unitAt(off)
		if err == nil && u.lines != nil && got[0].File == u.lines.file(1) {
			name = u.text(&u.root, slotName)
		}
		return name != ""
	})
	if name == "" || !strings.HasSuffix(want[0].File, name) {
		return false
	}
	fixed := slices.Clone(want)
	fixed[0].File = got[0].File
	return same(got, fixed)
}

func same(got, want []Frame) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if len(got) == 1 && got[0].Function == "" {
			got[0].Function = want[0].Function // assembly: addr2line has it from the symbols
		}
		if got[i].Function != want[i].Function || got[i].Line != want[i].Line || !strings.HasSuffix(path.Clean(want[i].File), got[i].File) {
			return false
		}
	}
	return true
}

// addr2line asks binutils; frames of ?? are left out.
func addr2line(t *testing.T, name string, addrs []uint64) [][]Frame {
	t.Helper()
	return addr2lineSection(t, name, "", addrs)
}

// addr2lineSection asks for offsets in a section, where one is named.
func addr2lineSection(t *testing.T, name, section string, addrs []uint64) [][]Frame {
	t.Helper()
	var in bytes.Buffer
	for _, a := range addrs {
		fmt.Fprintf(&in, "%#x\n", a)
	}
	args := []string{"-a", "-i", "-f", "-e", name}
	if section != "" {
		args = append(args, "-j", section)
	}
	cmd := exec.Command("addr2line", args...)
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("addr2line: %v", err)
	}
	var all [][]Frame
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i := 0; i < len(lines); {
		if strings.HasPrefix(lines[i], "0x") {
			all = append(all, nil)
			i++
			continue
		}
		if i+1 >= len(lines) {
			t.Fatalf("addr2line: %q stands alone", lines[i])
		}
		fr := Frame{Function: lines[i]}
		place, _, _ := strings.Cut(lines[i+1], " (discriminator")
		file, line, _ := strings.Cut(place, ":")
		fr.File = file
		_, _ = fmt.Sscanf(line, "%d", &fr.Line)
		if fr.Function == "??" {
			fr.Function = ""
		}
		if fr.File == "??" {
			fr.File = ""
		}
		if fr != (Frame{}) {
			all[len(all)-1] = append(all[len(all)-1], fr)
		}
		i += 2
	}
	if len(all) != len(addrs) {
		t.Fatalf("addr2line answers %d addresses of %d", len(all), len(addrs))
	}
	return all
}
