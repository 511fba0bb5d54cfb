package expr

import (
	"regexp"
	"testing"
)

// TestForeignCommands: what is to be written instead of another program's command exists.
func TestForeignCommands(t *testing.T) {
	s := NewSession(nil, nil, Options{})
	for word, instead := range foreignCommands {
		if _, ok := s.functions[word]; ok && word != "search" && word != "task" {
			t.Errorf("%s is a function", word)
		}
		for _, m := range regexp.MustCompile(`([a-z_0-9]+)\(`).FindAllStringSubmatch(instead, -1) {
			if _, ok := s.functions[m[1]]; !ok && m[1] != "typeof" && m[1] != "per_cpu" {
				t.Errorf("%s: there is no %s()", word, m[1])
			}
		}
	}
}

// TestDocumentedFunctions: the functions that the text of another names exist.
func TestDocumentedFunctions(t *testing.T) {
	s := NewSession(nil, nil, Options{})
	for _, f := range s.Functions() {
		for _, m := range regexp.MustCompile(`\b([a-z_0-9A-Z]+)\(`).FindAllStringSubmatch(f.Doc, -1) {
			if _, ok := s.functions[m[1]]; !ok {
				t.Errorf("%s: there is no %s()", f.Name, m[1])
			}
		}
	}
}
