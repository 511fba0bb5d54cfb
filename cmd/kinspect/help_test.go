package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"kinspect/repl"
)

// helpText is what a command prints that reads no kernel. It runs in this process: there are hundreds of topics.
func helpText(t *testing.T, words []string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var failure strings.Builder
	if code := run(words, nil, f, &failure); code != exitFine {
		t.Fatalf("kinspect %s: exit status %d: %s", strings.Join(words, " "), code, failure.String())
	}
	out, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestHelpWidth: help fits into a terminal of 80 columns, and is written for it: nothing has to be broken.
func TestHelpWidth(t *testing.T) {
	topics := []string{"", "language", "predicates", "commands", "netdev", "ps"}
	for _, c := range commands() {
		topics = append(topics, c.name)
	}
	for _, f := range allFunctions() {
		topics = append(topics, f.Name)
	}
	for _, topic := range topics {
		words := []string{"help"}
		if topic != "" {
			words = append(words, topic)
		}
		out := helpText(t, words)
		for line := range strings.SplitSeq(strings.TrimSuffix(out, "\n"), "\n") {
			if n := utf8.RuneCountInString(line); n > helpWidth {
				t.Errorf("kinspect help %s: %d columns: %s", topic, n, line)
			}
		}
	}
	for name, c := range commandHelp {
		if repl.Fit(c.examples, helpWidth) != c.examples {
			t.Errorf("the examples of %s are broken into more lines:\n%s", name, repl.Fit(c.examples, helpWidth))
		}
	}
	if repl.Fit(flagHelp, helpWidth) != flagHelp {
		t.Errorf("the flags are broken into more lines:\n%s", repl.Fit(flagHelp, helpWidth))
	}
}
