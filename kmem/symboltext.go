package kmem

import (
	"bytes"
	"errors"
	"fmt"
	"io"

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
		file, err := img.host.openKallsyms()
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

// KallsymsText is the text that /proc/kallsyms would be of the kernel's own tables. ok is false where they
// have a name that it could not have, or more names than it holds.
func KallsymsText(k *Kallsyms) (text []byte, ok bool) {
	text = make([]byte, 0, 48*k.Len())
	n := 0
	for s := range k.All {
		if len(s.Name) == 0 || len(s.Name) > maxProcLine-32 || !plain([]byte(s.Name)) || s.Type <= ' ' || s.Type > '~' {
			return nil, false
		}
		text = fmt.Appendf(text, "%016x %c %s\n", uint64(s.Addr), s.Type, s.Name)
		if n++; len(text) > maxSymbolText {
			return nil, false
		}
	}
	return text, n == k.Len() && n > 0
}
