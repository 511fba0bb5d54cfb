package expr

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/lab/results"
)

const referenceFile = "README.md"

// reference is the language's reference.
func reference(tb testing.TB) string {
	tb.Helper()
	b, err := os.ReadFile(referenceFile)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// fenced are the blocks of code of a kind.
func fenced(text, kind string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?s)```"+kind+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// referenceExamples are the reference's expressions, with what they give where it
// says so.
func referenceExamples(tb testing.TB) [][2]string {
	var out [][2]string
	for _, block := range fenced(reference(tb), "kinspect") {
		for line := range strings.Lines(block) {
			src, want, _ := strings.Cut(strings.TrimSpace(line), "  // ")
			if src != "" {
				out = append(out, [2]string{strings.TrimSpace(src), strings.TrimSpace(want)})
			}
		}
	}
	if len(out) < 50 {
		tb.Fatalf("%d examples", len(out))
	}
	return out
}

// TestReference runs the reference's examples on the snapshot of 6.12.
func TestReference(t *testing.T) {
	testReference(t, testKernel(t, "6.12"), true)
}

// TestLabReference runs all of them on the lab's dump of that kernel.
func TestLabReference(t *testing.T) {
	img, err := kmem.Open(results.Dump(t, "6.12"))
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	k := value.New(img, img)
	testReference(t, NewSession(k, knet.New(k, host.None{}), Options{}), false)
}

func testReference(t *testing.T, s *Session, snapshot bool) {
	for _, c := range referenceExamples(t) {
		got, want := eval(s, c[0]), c[1]
		begin, cut := strings.CutSuffix(want, "…")
		switch {
		case snapshot && strings.Contains(got, "not in the dump"):
		case got == want, cut && strings.HasPrefix(got, begin):
		case want == "" && !strings.Contains(got, "error: "):
		default:
			t.Errorf("%s\n got %s\nwant %s", c[0], got, want)
		}
	}
	scripts, outputs := fenced(reference(t), "script"), fenced(reference(t), "output")
	if len(scripts) == 0 || len(scripts) != len(outputs) {
		t.Fatalf("%d scripts, %d outputs", len(scripts), len(outputs))
	}
	for i, src := range scripts {
		got, _ := runScript(t, s, src, false)
		if got = strings.ReplaceAll(got, "t.ki", "script"); got != outputs[i] {
			t.Errorf("%s\n got %s\nwant %s", src, got, outputs[i])
		}
	}
}

// TestReferenceSections: what follows from the code stands in the reference as it is
// there. UPDATE_REFERENCE=1 writes it anew.
func TestReferenceSections(t *testing.T) {
	text := reference(t)
	fresh := text
	for name, section := range map[string]string{"functions": functionSection(), "options": optionSection()} {
		begin, end := "<!-- "+name+": from the code -->\n", "<!-- end of "+name+" -->\n"
		i, j := strings.Index(fresh, begin), strings.Index(fresh, end)
		if i < 0 || j < i {
			t.Fatalf("there is no section %s", name)
		}
		fresh = fresh[:i+len(begin)] + section + fresh[j:]
	}
	if fresh == text {
		return
	}
	if os.Getenv("UPDATE_REFERENCE") == "" {
		t.Fatal("the reference is not what the code says: UPDATE_REFERENCE=1 go test ./expr -run TestReferenceSections")
	}
	if err := os.WriteFile(referenceFile, []byte(fresh), 0o644); err != nil {
		t.Fatal(err)
	}
}

// functionSection lists the functions by topic.
func functionSection() string {
	topics := map[string][]Function{}
	for _, f := range Functions() {
		topics[f.Topic] = append(topics[f.Topic], f)
	}
	var b strings.Builder
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		fmt.Fprintf(&b, "\n### %s%s\n\n", strings.ToUpper(topic[:1]), topic[1:])
		for _, f := range topics[topic] {
			fmt.Fprintf(&b, "- `%s`: %s. `%s`\n", f.Signature, strings.TrimSuffix(f.Doc, "."), strings.Join(f.Examples, "`, `"))
		}
	}
	return b.String() + "\n"
}

func optionSection() string {
	var b strings.Builder
	b.WriteString("\n| option | |\n|---|---|\n")
	for _, o := range value.FormatOptions {
		fmt.Fprintf(&b, "| `%s` | %s |\n", o[0], o[1])
	}
	return b.String() + "\n"
}

// helperRow is a row of the table of drgn's helpers.
var helperRow = regexp.MustCompile(`(?m)^\| (\w+) \| (have|as|no|not yet): (.*) \|$`)

// placeholders stand for the arguments in that table.
const placeholders = "a b base c cpu d  dev desc e f inode g h i ids inode k m major minor mm n order p page pages pfn phys pid q r rq s sb se si sk skb t tg tree uid vma x z"

// TestDrgnHelpers: each expression in the table of drgn's helpers is one on the 6.12
// kernel, as far as that can be told without evaluating it, and what the table calls
// ours is. A helper that is not there yet is not there.
func TestDrgnHelpers(t *testing.T) {
	s := testKernel(t, "6.12")
	let := ""
	for p := range strings.FieldsSeq(placeholders) {
		let += "let " + p + " = nil; "
	}
	_, table, ok := strings.Cut(reference(t), "\n## drgn's helpers\n")
	rows := helperRow.FindAllStringSubmatch(table, -1)
	if !ok || len(rows) < 400 {
		t.Fatalf("%d rows", len(rows))
	}
	if n := strings.Count(table, "\n| ") - 2*strings.Count(table, "\n| drgn |"); n != len(rows)-strings.Count(table, "\n| drgn |") {
		t.Errorf("%d rows of %d have the form of one", len(rows), n)
	}
	snippet := regexp.MustCompile("`([^`]+)`")
	for _, row := range rows {
		found := snippet.FindAllStringSubmatch(row[3], -1)
		if row[2] != "no" && len(found) == 0 {
			t.Errorf("%s: nothing is named", row[1])
		}
		lacking := false
		for _, m := range found {
			src := strings.ReplaceAll(m[1], `\|`, "|")
			if strings.HasPrefix(src, "kinspect ") || !isExpression(src) {
				continue
			}
			if row[2] == "have" {
				if _, ok := s.functions[src]; !ok || src != row[1] {
					t.Errorf("%s: there is no function %s", row[1], src)
				}
				continue
			}
			calls := callsIn(s, src)
			unknown := slices.ContainsFunc(calls, func(name string) bool { _, ok := s.functions[name]; return !ok })
			lacking = lacking || unknown
			if unknown {
				if row[2] != "not yet" {
					t.Errorf("%s: %s calls what there is not", row[1], src)
				}
				continue
			}
			if _, _, err := s.compile(let + src); err != nil {
				t.Errorf("%s: %s: %v", row[1], src, err)
			}
		}
		if row[2] == "not yet" && !lacking {
			t.Errorf("%s is there: say as or have", row[1])
		}
	}
}

// isExpression tells an expression from the name of a file, a flag or a type in the
// table's words.
func isExpression(src string) bool {
	return !regexp.MustCompile(`^([A-Z][A-Za-z]*|enum \w+|sym|column|print|-.*)$`).MatchString(src)
}

// callsIn lists the functions that an expression calls.
func callsIn(s *Session, src string) []string {
	tree, err := syntax.Parse(src, s.names())
	if err != nil {
		return regexp.MustCompile(`\b\w+\b`).FindAllString(strings.Join(regexp.MustCompile(`\w+\(`).FindAllString(src, -1), " "), -1)
	}
	var out []string
	var walk func(n syntax.Node)
	walk = func(n syntax.Node) {
		if c, ok := n.(*syntax.Call); ok {
			out = append(out, c.Name)
		}
		syntax.Children(n, walk)
	}
	walk(tree.Root)
	return out
}
