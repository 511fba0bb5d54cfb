package kmem

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"kinspect/kmem/dump"
	"kinspect/kmem/packed"
)

// SymbolText is the text of /proc/kallsyms that the image's symbols come from, of
// the running kernel or of a snapshot that carries it; at most 256 MiB. Of symbols
// from a file it is what that text would be. Images whose symbols come from memory
// have none, and an error.
func (img *Image) SymbolText() ([]byte, error) {
	if f, ok := img.symbols.(*SymbolFile); ok {
		return f.text(), nil
	}
	if img.live {
		file, err := os.Open(img.host.kallsyms)
		if err != nil {
			return nil, img.host.noSymbols(err)
		}
		defer file.Close()
		text, err := io.ReadAll(io.LimitReader(file, maxSymbolText+1))
		if err == nil && len(text) > maxSymbolText {
			err = fmt.Errorf("%s is longer than %d bytes", img.host.kallsyms, maxSymbolText)
		}
		return text, err
	}
	n := img.content.Note(noteSymbols)
	if n == nil || img.snapshot == nil {
		return nil, errors.New("the image carries no text of /proc/kallsyms")
	}
	return img.savedText(n)
}

// savedText unpacks the /proc/kallsyms that a snapshot carries.
func (img *Image) savedText(n *dump.Note) ([]byte, error) {
	raw, err := img.content.File.ReadNote(n, maxSymbolText)
	if err != nil {
		return nil, err
	}
	text, err := packed.Zstd(bytes.NewReader(raw), int64(len(raw)), maxSymbolText)
	if err != nil {
		return nil, fmt.Errorf("%s: its saved symbols: %w", img.source, err)
	}
	return text, nil
}
