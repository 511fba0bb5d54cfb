package kmem

import (
	"bytes"
	"errors"
	"fmt"

	"kinspect/kmem/dump"
)

// Symbols is the kernel's symbol table, opened when it is first asked for:
//
//   - from the text of /proc/kallsyms that a snapshot brings;
//   - else from the kernel's own tables in memory, where VMCOREINFO says where they are
//     (from 6.0 on), live and on dumps alike;
//   - else from those tables, found by their shape and checked against VMCOREINFO: some
//     megabytes to read, where /proc/kallsyms has the kernel write all names out;
//   - else from the text of the running kernel's /proc/kallsyms;
//   - else from tables that lie where no known kernel has them.
//
// Its errors say what is missing; a [*HostError] what to do about it.
func (img *Image) Symbols() (SymbolTable, error) {
	img.symbolsOnce.Do(func() { img.symbols, img.symbolsErr = img.openSymbols() })
	return img.symbols, img.symbolsErr
}

func (img *Image) openSymbols() (SymbolTable, error) {
	if img.foundSyms != nil {
		return img.foundSyms, nil
	}
	if img.runningSyms != nil {
		return img.runningSyms, nil
	}
	if n := img.content.Note(noteSymbols); n != nil && img.snapshot != nil {
		return img.savedSymbols(n)
	}
	var inMemory error
	if _, ok := img.info.Symbol("kallsyms_names"); ok {
		table, err := OpenKallsyms(img, img.info)
		if err == nil {
			return table, nil
		}
		inMemory = fmt.Errorf("%s: cannot read the kernel's symbol table: %w", img.source, err)
	}
	if img.live {
		if img.info != nil {
			if found, err := findReadOnlyKallsyms(img, img.info); err == nil {
				return found, nil
			}
		}
		table, err := img.host.symbols()
		if err == nil {
			return table, nil
		}
		if found, ferr := FindKallsyms(img, img.info); ferr == nil {
			return found, nil
		}
		if inMemory != nil {
			return nil, fmt.Errorf("%w; and %w", inMemory, err)
		}
		return nil, err
	}
	found, err := FindKallsyms(img, img.info)
	switch {
	case err == nil:
		return found, nil
	case inMemory != nil:
		return nil, inMemory
	case img.snapshot != nil:
		return nil, fmt.Errorf("%s: no symbols: the snapshot was made without them; --symbols takes a System.map or a saved /proc/kallsyms", img.source)
	case img.info == nil:
		return nil, fmt.Errorf("%s: no symbols: the dump has no VMCOREINFO note that could be read, and %w", img.source, err)
	default:
		return nil, fmt.Errorf("%s: no symbols: VMCOREINFO of this kernel (%s) does not say where kallsyms is, and %w; --symbols takes a System.map or a saved /proc/kallsyms", img.source, img.info.Release(), err)
	}
}

// symbols reads the running kernel's /proc/kallsyms.
func (h hostPaths) symbols() (SymbolTable, error) {
	file, err := h.openKallsyms()
	if err != nil {
		return nil, h.noSymbols(err)
	}
	defer file.Close()
	table, hidden, err := ParseProcKallsyms(file)
	if hidden {
		return nil, h.hiddenSymbols()
	}
	if err != nil {
		return nil, h.noSymbols(err)
	}
	return table, nil
}

// savedSymbols reads the /proc/kallsyms that a snapshot carries.
func (img *Image) savedSymbols(n *dump.Note) (SymbolTable, error) {
	text, err := img.savedText(n)
	if err != nil {
		return nil, err
	}
	table := newProcSymbols("the symbols that the snapshot brings")
	hidden, err := table.parse(bytes.NewReader(text))
	if err == nil && hidden {
		err = errors.New("all addresses are hidden")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: its saved symbols: %w", img.source, err)
	}
	return table, nil
}
