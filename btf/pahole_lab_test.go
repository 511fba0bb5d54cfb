package btf

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kinspect/kmem"
	"kinspect/testdata/lab/results"
)

// TestLabPahole compares every struct and union of real kernels with what pahole prints of
// the same BTF: their C text token by token, and the place of each member. The lab names its
// pahole in KINSPECT_LAB_PAHOLE, as a command line.
func TestLabPahole(t *testing.T) {
	pahole := strings.Fields(os.Getenv("KINSPECT_LAB_PAHOLE"))
	if len(pahole) == 0 {
		t.Skip("KINSPECT_LAB_PAHOLE is not set: the lab runs this with its pahole")
	}
	all := map[string][]byte{}
	for name, b := range realBTFs(t) {
		all["snapshot "+name] = b.vmlinux
	}
	if os.Getenv("KINSPECT_LAB_RESULTS") != "" { // else the snapshots alone
		for _, dump := range results.Find(t, "incident.elf") {
			series := results.Series(dump)
			img, err := kmem.Open(dump)
			if err != nil {
				t.Fatal(err)
			}
			all["lab "+series] = imageBTF(t, img)
			img.Close()
		}
	}
	for name, vmlinux := range all {
		t.Run(name, func(t *testing.T) {
			spec, err := Parse(vmlinux)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "vmlinux")
			if err := os.WriteFile(file, vmlinux, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(pahole[0], append(pahole[1:], "-F", "btf", file)...).Output()
			if err != nil {
				t.Fatalf("%v: %v", pahole, err)
			}
			comparePahole(t, spec, out)
		})
	}
}

func comparePahole(t *testing.T, spec *Spec, out []byte) {
	ours := make(map[string][]string) // by "struct name"
	kinds := map[string]bool{}
	for id := spec.FirstID(); int(id) < spec.NumTypes(); id++ {
		typ, err := spec.TypeByID(id)
		if err != nil {
			t.Fatal(err)
		}
		st, ok := typ.(*Struct)
		if !ok || st.Name == "" {
			continue
		}
		name := st.keyword() + " " + st.Name
		ours[name] = append(ours[name], paholeForm(t, Printer{Offsets: true}.Definition(st)))
		kinds[name] = true
	}
	structs, same, bad := 0, 0, 0
	for name, text := range paholeTypes(out) {
		have := ours[name]
		if len(have) == 0 {
			t.Errorf("pahole has %s, we do not", name)
			continue
		}
		want := paholeForm(t, text)
		exact := slices.Contains(have, want)
		if exact {
			same++
		}
		if !exact && !slices.Contains(loosely(have), loosely([]string{want})[0]) {
			bad++
			t.Errorf("%s: have\n%s\nwant\n%s", name, have, want)
		}
		structs++
		delete(kinds, name)
		if bad > 20 {
			return
		}
	}
	for name := range kinds {
		t.Errorf("%s: pahole does not have it", name)
	}
	t.Logf("%d structs and unions agree, %d of them but for pahole's const and pointers to arrays", structs, structs-same)
	if structs-same > structs/50 {
		t.Errorf("only %d of %d agree to the letter", same, structs)
	}
}

// loosely leaves out what pahole 1.32 spells otherwise than C would: of a pointer that is const
// itself it says "const TYPE *", of a pointer to an array that it points to an element.
func loosely(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		text = strings.ReplaceAll(text, "const ", "")
		out[i] = arrayPointer.ReplaceAllString(text, "$1")
	}
	return out
}

// arrayPointer matches "( * name ) [ 8 ]".
var arrayPointer = regexp.MustCompile(`\( (\*(?: \w+)?) \)(?: \[ \w* ?\])+`)

// paholeTypes are the types of pahole's output: "struct NAME {" at the start of a line to
// the closing brace there.
func paholeTypes(out []byte) map[string]string {
	types := make(map[string]string)
	var name string
	var text strings.Builder
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if head, ok := strings.CutSuffix(line, " {"); ok && name == "" {
			name = head
			text.Reset()
		}
		text.WriteString(line + "\n")
		if strings.HasPrefix(line, "}") {
			types[name] = text.String()
			name = ""
		}
	}
	return types
}

var (
	// A member's place: "offset size", "offset:bit size" in pahole's and ours.
	placeComment = regexp.MustCompile(`/\*\s*(\d+)(?::\s*(\d+))?\s+(\d+|\?)\s*\*/`)
	otherComment = regexp.MustCompile(`(?s)/\*.*?\*/`)
	attribute    = regexp.MustCompile(`__attribute__\(\(.*?\)\)\)*`)
	// pahole guesses where the source had bit-fields without a name, which BTF does not tell:
	// no place follows them.
	unnamed = regexp.MustCompile(`(?:[A-Za-z_]\w* )+: \d+ ; ([^@]|$)`)
	cToken  = regexp.MustCompile(`[A-Za-z_]\w*|@\S+|-?\d+|[^\s\w]`)
)

// gccInteger are the names that gcc, and so BTF, has for C's integers, and ours.
var gccInteger = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`\blong long unsigned int\b`), "unsigned long long"},
	{regexp.MustCompile(`\blong long int\b`), "long long"},
	{regexp.MustCompile(`\blong unsigned int\b`), "unsigned long"},
	{regexp.MustCompile(`\blong int\b`), "long"},
	{regexp.MustCompile(`\bshort unsigned int\b`), "unsigned short"},
	{regexp.MustCompile(`\bshort int\b`), "short"},
}

// paholeForm brings a definition into a form that both sides share: one token a word,
// places as "@bit,size" (the size of bit-fields is left out: pahole tells the unit's), without
// attributes and other comments.
func paholeForm(t *testing.T, text string) string {
	text = placeComment.ReplaceAllStringFunc(text, func(c string) string {
		m := placeComment.FindStringSubmatch(c)
		at, err := strconv.ParseUint(m[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if m[2] == "" {
			return fmt.Sprintf(" @%d,%s ", at*8, m[3])
		}
		bit, err := strconv.ParseUint(m[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(" @%d ", at*8+bit)
	})
	text = otherComment.ReplaceAllString(text, "")
	text = attribute.ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "[0]", "[]")
	text = strings.Join(cToken.FindAllString(text, -1), " ")
	for _, r := range gccInteger {
		text = r.from.ReplaceAllString(text, r.to)
	}
	for n := 0; n != len(text); {
		n, text = len(text), unnamed.ReplaceAllString(text, "$1")
	}
	return text
}
