package runbook

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReference: the check of the language's reference is one, and so is the README's, which is the built-in one but for
// its comments; the README knows how many there are.
func TestReference(t *testing.T) {
	reference, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```check\n(.*?)```").FindSubmatch(reference)
	if block == nil {
		t.Fatal("no check in the reference")
	}
	r, err := run(t, "fn causes(d) = 'why'\n"+string(block[1]), Config{Settings: []Setting{{"uplink-drops", "max", "7"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := outcome(r); got != "uplink-drops finding answered=true [device=bond0 53 finding]" || !strings.Contains(r.Text(), "it lost 53 frames: why") {
		t.Errorf("the reference's check: %s\n%s", got, r.Text())
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(readme), "\n    ", "\n")
	begin := strings.Index(text, "\ncheck bond-drops")
	if begin < 0 {
		t.Fatal("no check in the README")
	}
	shown, _, _ := strings.Cut(text[begin+1:], "\n\n")
	if r, err = run(t, "fn causes(d) = 'why'\n"+shown+"\n", Config{}); err != nil {
		t.Fatal(err)
	}
	if got := outcome(r); got != "bond-drops finding answered=true [device=bond0 53 finding]" {
		t.Errorf("the README's check: %s", got)
	}
	list, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("lists %d checks that are built in", len(list)); !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
		t.Errorf("the README does not say that it %s", want)
	}
}
