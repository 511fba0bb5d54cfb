package kmem

// Symbol is one name of a kernel address.
type Symbol struct {
	Name   string
	Addr   Addr
	Type   byte   // nm's letter: 'T' global text, 't' local text, 'D' data, 'A' absolute …
	Module string // empty for vmlinux
}

// SymbolTable is a set of symbols, searchable both ways. Implementations are
// safe for concurrent use and do no work that grows with the table for one
// question, but for an index built once.
type SymbolTable interface {
	// Lookup finds a symbol by its exact name. Of several with that name it
	// returns the first by address.
	Lookup(name string) (Symbol, bool)
	// At finds the symbol that holds addr, and addr's distance from its
	// start. An address that equals a symbol's start belongs to that symbol;
	// of several symbols at one address it returns the first in table order.
	// An address outside the table's sections has none.
	At(addr Addr) (sym Symbol, off uint64, ok bool)
	// Prefix returns up to limit distinct names that begin with prefix, sorted.
	Prefix(prefix string, limit int) []string
	// All calls yield for each symbol by table order until it returns false.
	All(yield func(Symbol) bool)
	// Len is the number of symbols.
	Len() int
	// Source tells where the symbols come from, for doctor and error texts.
	Source() string
}
