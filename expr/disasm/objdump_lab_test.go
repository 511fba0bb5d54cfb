package disasm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// TestLabObjdump compares where instructions begin, in functions all over the lab's kernels, with
// what objdump says of the same bytes.
func TestLabObjdump(t *testing.T) {
	dir := os.Getenv("KINSPECT_LAB_RESULTS")
	if dir == "" {
		t.Skip("KINSPECT_LAB_RESULTS is not set: the lab runs this on its dumps")
	}
	dumps, err := filepath.Glob(filepath.Join(dir, "*", "incident.elf"))
	if err != nil || len(dumps) == 0 {
		t.Fatalf("no dumps in %s: %v", dir, err)
	}
	for _, dump := range dumps {
		t.Run(filepath.Base(filepath.Dir(dump)), func(t *testing.T) {
			img, err := kmem.Open(dump)
			if err != nil {
				t.Fatal(err)
			}
			defer img.Close()
			compareObjdump(t, value.New(img, img))
		})
	}
}

// sampleEvery is which of the kernel's functions are compared: every 400th is some 100 to 300.
const sampleEvery = 400

func compareObjdump(t *testing.T, k *value.Kernel) {
	n, functions, lines, bad, off := 0, 0, 0, 0, 0
	err := k.EachSymbol(func(s kmem.Symbol) bool {
		if placeOf(k, s) != inText {
			return true
		}
		if n++; n%sampleEvery != 0 {
			return true
		}
		l, err := Function(k, s.Addr)
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			return true
		}
		functions++
		starts := objdump(t, l)
		for _, line := range l.Lines {
			lines++
			if line.Bad {
				bad++
			}
			if !starts[line.Addr] {
				off++
			}
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d functions, %d instructions: %d not known, %d begin where objdump has none", functions, lines, bad, off)
	if functions < 100 || bad+off > 0 {
		t.Error("objdump sees it otherwise, or too few were compared")
	}
}

var objdumpLine = regexp.MustCompile(`(?m)^\s*([0-9a-f]+):\t[0-9a-f ]+\t`)

// objdump is where it sees instructions begin in the listing's bytes.
func objdump(t *testing.T, l *Listing) map[kmem.Addr]bool {
	var code []byte
	for _, line := range l.Lines {
		code = append(code, line.Bytes...)
	}
	file := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(file, code, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "-z",
		fmt.Sprintf("--adjust-vma=%#x", uint64(l.Lines[0].Addr)), file).Output()
	if err != nil {
		t.Fatal(err)
	}
	starts := make(map[kmem.Addr]bool)
	for _, m := range objdumpLine.FindAllStringSubmatch(string(out), -1) {
		var a uint64
		if _, err := fmt.Sscanf(strings.TrimSpace(m[1]), "%x", &a); err != nil {
			t.Fatal(err)
		}
		starts[kmem.Addr(a)] = true
	}
	return starts
}
