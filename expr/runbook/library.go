package runbook

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// library are the built-in checks, a file each: --show prints it, to be copied and changed.
//
//go:embed library/*.check
var library embed.FS

const librarySuffix = ".check"

// builtIn are the books of the library, in the order of their names.
var builtIn = sync.OnceValues(func() ([]*Book, error) {
	entries, err := library.ReadDir("library")
	if err != nil {
		return nil, err
	}
	var books []*Book
	for _, e := range entries {
		b, err := readBuiltIn(e.Name())
		if err != nil {
			return nil, fmt.Errorf("the built-in check %s: %w", e.Name(), err)
		}
		books = append(books, b)
	}
	slices.SortFunc(books, func(a, b *Book) int { return strings.Compare(a.Checks[0].Name, b.Checks[0].Name) })
	return books, nil
})

// readBuiltIn reads a book of the library.
func readBuiltIn(file string) (*Book, error) {
	text, err := library.ReadFile("library/" + file)
	if err != nil {
		return nil, err
	}
	return Parse(file, string(text))
}

// BuiltIn lists the built-in checks, by name.
func BuiltIn() ([]*Check, error) {
	books, err := builtIn()
	var out []*Check
	for _, b := range books {
		out = append(out, b.Checks...)
	}
	return out, err
}

// BuiltInBook is the book that has the built-in check of that name, or nil.
func BuiltInBook(name string) (*Book, error) {
	books, err := builtIn()
	for _, b := range books {
		if b.Find(name) != nil {
			return b, nil
		}
	}
	return nil, err
}
