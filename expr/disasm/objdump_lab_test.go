package disasm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/lab/results"
)

// TestLabObjdump compares where instructions begin and what they are called, in functions all over the
// lab's kernels, with what objdump says of the same bytes.
func TestLabObjdump(t *testing.T) {
	results.Each(t, func(t *testing.T, dump string) {
		img, err := kmem.Open(dump)
		if err != nil {
			t.Fatal(err)
		}
		defer img.Close()
		compareObjdump(t, value.New(img, img))
	})
}

// sampleEvery is which of the kernel's functions are compared: every 400th is some 100 to 300.
const sampleEvery = 400

// operation is the name of an instruction, with what stands before it: "lock cmpxchg".
func operation(text string) string {
	var out []string
	for _, w := range strings.Fields(text) {
		if strings.ContainsAny(w, "%$(<#") || w[0] >= '0' && w[0] <= '9' || w[0] == '-' || w[0] == '*' {
			break
		}
		out = append(out, w)
	}
	return strings.Join(out, " ")
}

// numbers are the immediates and displacements of an instruction, as objdump writes them. That of a jump is an
// address, and one behind # the symbol's.
var numbers = regexp.MustCompile(`\$-?0x[0-9a-f]+|-?0x[0-9a-f]+\(|:-?0x[0-9a-f]+|\b0xffffffff[0-9a-f]{8}\b`)

func operands(text string) string {
	text, _, _ = strings.Cut(text, "#")
	text, _, _ = strings.Cut(text, "<")
	all := numbers.FindAllString(text, -1)
	return strings.Join(slices.DeleteFunc(all, func(s string) bool { return s == "0x0(" }), " ")
}

func compareObjdump(t *testing.T, k *value.Kernel) {
	n, functions, lines, bad, off, wrong := 0, 0, 0, 0, 0, 0
	other := map[[2]string]int{} // instructions that objdump calls otherwise
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
			text, ok := starts[line.Addr]
			if !ok {
				off++
				continue
			}
			if have, want := operation(line.Text), operation(text); have != want {
				if other[[2]string{have, want}]++; other[[2]string{have, want}] == 1 {
					t.Errorf("%s: %x is %q, objdump has %q", line.Addr, line.Bytes, line.Text, text)
				}
			}
			if have, want := operands(line.Text), operands(text); have != want {
				if wrong++; wrong <= 20 {
					t.Errorf("%s: %x is %q, objdump has %q", line.Addr, line.Bytes, line.Text, text)
				}
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

var objdumpLine = regexp.MustCompile(`(?m)^\s*([0-9a-f]+):\t[0-9a-f ]+\t(.*)$`)

// objdump is the instructions that it sees in the listing's bytes, by where they begin.
func objdump(t *testing.T, l *Listing) map[kmem.Addr]string {
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
	starts := make(map[kmem.Addr]string)
	for _, m := range objdumpLine.FindAllStringSubmatch(string(out), -1) {
		var a uint64
		if _, err := fmt.Sscanf(strings.TrimSpace(m[1]), "%x", &a); err != nil {
			t.Fatal(err)
		}
		starts[kmem.Addr(a)] = m[2]
	}
	return starts
}
