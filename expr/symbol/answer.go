package symbol

import (
	"fmt"
	"slices"
	"strings"

	"kinspect/expr/debuginfo"
	"kinspect/kmem"
)

// Table is what is asked: a file's symbols or a kernel's.
type Table interface {
	// At finds the symbol that holds an address.
	At(a kmem.Addr) (sym kmem.Symbol, off uint64, ok bool)
	// Each calls yield for all symbols until it returns false. Its error says
	// what could not be listed.
	Each(yield func(kmem.Symbol) bool) error
	// EachNamed and EachAt do for those whose names begin with prefix, or that begin at an address.
	EachNamed(prefix string, yield func(kmem.Symbol) bool) error
	EachAt(a kmem.Addr, yield func(kmem.Symbol) bool) error
	// Explain says why an address belongs to nobody, or is "".
	Explain(a kmem.Addr) string
	// Warning says why no answer of the table may be right, or is "".
	Warning() string
	Source() string
}

// Answer is what a table says to a query. Its JSON is part of the program's
// interface.
type Answer struct {
	Query   string   `json:"query"`
	Found   bool     `json:"found"`
	Matches []Match  `json:"matches"`
	Around  []Match  `json:"around,omitempty"`
	Notes   []string `json:"notes,omitempty"`
	// Warnings say why the answer may be wrong. Text leaves them out: they belong beside it.
	Warnings []string `json:"warnings,omitempty"`
	Source   string   `json:"source"`
}

// Match is an address and the symbol that holds it.
type Match struct {
	Address string   `json:"address"`
	Symbol  *string  `json:"symbol"` // null where none holds it
	Offset  uint64   `json:"offset"` // bytes from the symbol's start
	Type    string   `json:"type,omitempty"`
	Module  string   `json:"module,omitempty"`
	Aliases []string `json:"aliases,omitempty"` // of a query by address: other symbols that begin where Symbol does
	// Lines are where code at the address comes from, innermost first, with debug information.
	Lines []debuginfo.Frame `json:"lines,omitempty"`
	Asked bool              `json:"asked,omitempty"` // in Around: it holds the address of the query

	addr kmem.Addr
}

const (
	maxMatches = 256 // symbols of one name that are told
	// MaxAround bounds the symbols that are listed on each side.
	MaxAround = 10000
)

// Ask answers a query; around is how many symbols to list on each side of what
// was found.
func Ask(t Table, q Query, around int) (*Answer, error) {
	a := &Answer{Query: q.Text, Source: t.Source(), Matches: []Match{}}
	if q.Name == "" {
		a.at(t, q.Addr, "")
		a.aliases(t)
	} else if err := a.named(t, q); err != nil {
		return nil, err
	}
	a.lines(t)
	if w := t.Warning(); w != "" && a.Found {
		a.Warnings = append(a.Warnings, w)
	}
	if around > 0 && len(a.Matches) > 0 {
		if err := a.list(t, min(around, MaxAround)); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// at adds the symbol that holds an address. origin is the symbol that the query
// counted from, or "".
func (a *Answer) at(t Table, addr kmem.Addr, origin string) {
	s, off, ok := t.At(addr)
	if !ok {
		a.Matches = append(a.Matches, Match{Address: addr.String(), addr: addr})
		note := fmt.Sprintf("%s belongs to no symbol", addr)
		if why := t.Explain(addr); why != "" {
			note += ": " + why
		}
		a.Notes = append(a.Notes, note)
		return
	}
	a.Found = true
	a.Matches = append(a.Matches, newMatch(s, addr, off))
	if origin != "" && origin != s.Name {
		a.Notes = append(a.Notes, fmt.Sprintf("%s is beyond the end of %s: the address belongs to %s", a.Query, origin, s.Name))
	}
}

// aliases tells the other symbols that begin where the one that was found does: which of them is meant, an
// address does not say.
func (a *Answer) aliases(t Table) {
	m := &a.Matches[0]
	if m.Symbol == nil {
		return
	}
	start := m.addr - kmem.Addr(m.Offset)
	_ = t.EachAt(start, func(s kmem.Symbol) bool { // what cannot be listed is no alias
		if (s.Name != *m.Symbol || s.Module != m.Module) && !slices.Contains(m.Aliases, s.Name) {
			m.Aliases = append(m.Aliases, s.Name)
		}
		return len(m.Aliases) < maxMatches
	})
	if n := len(m.Aliases); n > 0 {
		const most = 10
		names, more := m.Aliases[:min(n, most)], ""
		if n > most {
			more = fmt.Sprintf(" and %d more", n-most)
		}
		a.Notes = append(a.Notes, fmt.Sprintf("also at %s: %s%s", start, strings.Join(names, ", "), more))
	}
}

// lines adds the lines of the source, where the table knows them. What is no code has none.
func (a *Answer) lines(t Table) {
	known, ok := t.(interface {
		Lines(a kmem.Addr) ([]debuginfo.Frame, error)
	})
	if !ok {
		return
	}
	for i := range a.Matches {
		m := &a.Matches[i]
		if m.Symbol == nil || !strings.Contains("tTwW?", m.Type) {
			continue
		}
		frames, err := known.Lines(m.addr)
		if err != nil {
			if len(a.Notes) < maxMatches {
				a.Notes = append(a.Notes, err.Error())
			}
			continue
		}
		m.Lines = frames
	}
}

// named adds the symbols of a name, or what holds the addresses beside them.
func (a *Answer) named(t Table, q Query) error {
	var found, variants []kmem.Symbol
	err := t.EachNamed(q.Name, func(s kmem.Symbol) bool {
		switch {
		case q.Module != "" && s.Module != q.Module:
		case s.Name == q.Name:
			found = append(found, s)
		case len(variants) < maxMatches && isVariant(s.Name, q.Name):
			variants = append(variants, s)
		}
		return len(found) < maxMatches
	})
	if len(found) == 0 && len(variants) > 0 {
		found = variants
		a.Notes = append(a.Notes, fmt.Sprintf("the compiler made a variant of %s, which is what there is", q.Name))
	}
	if len(found) == 0 {
		if err != nil {
			return fmt.Errorf("no symbol %s was found, but not all could be read: %w", q.Name, err)
		}
		where := ""
		if q.Module != "" {
			where = " in module " + q.Module
		}
		a.Notes = append(a.Notes, fmt.Sprintf("no symbol %s%s in %s", q.Name, where, t.Source()))
		return nil
	}
	slices.SortStableFunc(found, compare)
	if len(found) == maxMatches {
		a.Notes = append(a.Notes, fmt.Sprintf("only the first %d are listed", maxMatches))
	}
	for _, s := range found {
		// A per-CPU symbol of older kernels has a distance for an address, which
		// nothing can be counted from.
		if q.Offset == 0 || !s.Addr.IsKernel() {
			a.Found = true
			a.Matches = append(a.Matches, newMatch(s, s.Addr.Add(int64(q.Offset)), q.Offset))
			continue
		}
		end, ok := s.Addr.End(q.Offset)
		if !ok || end < s.Addr {
			a.Notes = append(a.Notes, fmt.Sprintf("%s leaves the address space", q.Text))
			continue
		}
		a.at(t, end, s.Name)
	}
	return nil
}

// isVariant reports whether a symbol is what the compiler made of a function: one
// with fewer arguments, or none in common with the original but its code. What it
// moved out of the way (NAME.cold) is another part.
func isVariant(symbol, name string) bool {
	rest, ok := strings.CutPrefix(symbol, name)
	if !ok {
		return false
	}
	for _, kind := range []string{".constprop.", ".isra.", ".part.", ".llvm."} {
		if strings.HasPrefix(rest, kind) && !strings.Contains(rest, ".cold") {
			return true
		}
	}
	return false
}

func newMatch(s kmem.Symbol, addr kmem.Addr, off uint64) Match {
	return Match{Address: addr.String(), Symbol: &s.Name, Offset: off, Type: string(rune(s.Type)), Module: s.Module, addr: addr}
}

func compare(a, b kmem.Symbol) int {
	switch {
	case a.Addr < b.Addr:
		return -1
	case a.Addr > b.Addr:
		return 1
	}
	return 0
}

// list adds the symbols on both sides of the first match, and all at its own
// start.
func (a *Answer) list(t Table, n int) error {
	var all []kmem.Symbol
	if err := t.Each(func(s kmem.Symbol) bool {
		if s.Addr.IsKernel() {
			all = append(all, s)
		}
		return true
	}); err != nil {
		a.Notes = append(a.Notes, "not all symbols could be read: "+err.Error())
	}
	slices.SortStableFunc(all, compare)
	m := a.Matches[0]
	start := m.addr
	if m.Symbol != nil {
		start -= kmem.Addr(m.Offset)
	}
	first, _ := slices.BinarySearchFunc(all, start, func(s kmem.Symbol, a kmem.Addr) int { return compare(s, kmem.Symbol{Addr: a}) })
	last := first
	for last < len(all) && m.Symbol != nil && all[last].Addr == start {
		last++
	}
	for i := max(0, first-n); i < min(len(all), last+n); i++ {
		s := newMatch(all[i], all[i].Addr, 0)
		s.Asked = m.Symbol != nil && all[i].Addr == start && all[i].Name == *m.Symbol && all[i].Module == m.Module
		a.Around = append(a.Around, s)
	}
	return nil
}

// Text is the answer for people: a line for each address, and what there is to
// say about it.
func (a *Answer) Text() string {
	var b strings.Builder
	for _, m := range a.Matches {
		if m.Symbol != nil {
			fmt.Fprintf(&b, "%s\n", m.line(true))
			if len(m.Lines) > 0 {
				fmt.Fprintf(&b, "  %s\n", debuginfo.Text(m.Lines))
			}
		}
	}
	for _, n := range a.Notes {
		fmt.Fprintf(&b, "%s\n", n)
	}
	if len(a.Around) == 0 {
		return b.String()
	}
	b.WriteString("\n")
	told := a.Matches[0].Symbol != nil
	for _, m := range a.Around {
		if !told && m.addr > a.Matches[0].addr {
			fmt.Fprintf(&b, "> %s ? nobody's\n", a.Matches[0].Address)
			told = true
		}
		mark := " "
		if m.Asked {
			mark = ">"
		}
		fmt.Fprintf(&b, "%s %s\n", mark, m.line(false))
	}
	if !told {
		fmt.Fprintf(&b, "> %s ? nobody's\n", a.Matches[0].Address)
	}
	return b.String()
}

// line is one match as /proc/kallsyms would have it.
func (m Match) line(offset bool) string {
	s := fmt.Sprintf("%s %s %s", m.Address, m.Type, *m.Symbol)
	if offset {
		s += fmt.Sprintf("+%#x", m.Offset)
	}
	if m.Module != "" {
		s += " [" + m.Module + "]"
	}
	return s
}
