package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestEmptied empties files, and leaves what is no file alone.
func TestEmptied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := emptied(f); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadFile(path); err != nil || len(left) != 0 {
		t.Errorf("%q, %v", left, err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := emptied(w); err != nil {
		t.Errorf("a pipe: %v", err)
	}
}
