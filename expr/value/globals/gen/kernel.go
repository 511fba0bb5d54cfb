package main

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"strings"

	"kinspect/btf"
	"kinspect/expr/debuginfo"
)

// kernel is what a vmlinux tells of the kernel's variables.
type kernel struct {
	symbols   map[string]*symbol
	variables map[string]variable // those that debug information knows
	sections  []string            // by their numbers
	own       *btf.Spec           // the kernel's BTF
}

// symbol is one of the file's symbols.
type symbol struct {
	section int
	object  bool
	size    uint64
	twice   bool // there are several of the name
}

// variable is one with its type, or why that is of no use.
type variable struct {
	c     string
	plain string // c without typedefs
	size  uint64
	why   string
}

func readKernel(ctx context.Context, path string) (*kernel, error) {
	k := &kernel{symbols: map[string]*symbol{}, variables: map[string]variable{}}
	if err := k.readELF(path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f, err := debuginfo.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	blob, err := f.BTF(ctx, nil)
	if err != nil {
		return nil, err
	}
	all, err := btf.Parse(blob)
	if err != nil {
		return nil, fmt.Errorf("%s: the types of its debug information: %w", path, err)
	}
	for i := range all.NumTypes() {
		t, err := all.TypeByID(btf.ID(i))
		if err != nil {
			return nil, err
		}
		if v, ok := t.(*btf.Var); ok {
			use, err := k.use(v)
			if err != nil {
				use = variable{why: err.Error()}
			}
			k.variables[v.Name] = use
		}
	}
	return k, nil
}

func (k *kernel) readELF(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, s := range f.Sections {
		k.sections = append(k.sections, s.Name)
	}
	syms, err := f.Symbols()
	if err != nil {
		return err
	}
	for _, s := range syms {
		kind := elf.ST_TYPE(s.Info)
		if kind == elf.STT_FILE || kind == elf.STT_SECTION || s.Name == "" {
			continue
		}
		if before := k.symbols[s.Name]; before != nil {
			before.twice = true
			continue
		}
		k.symbols[s.Name] = &symbol{section: int(s.Section), object: kind == elf.STT_OBJECT, size: s.Size}
	}
	sec := f.Section(".BTF")
	if sec == nil {
		return errors.New("the kernel has no BTF, which types have to be in")
	}
	data, err := sec.Data()
	if err != nil {
		return err
	}
	k.own, err = btf.Parse(data)
	return err
}

// use is a variable's type in C, or why the variable is not to be in the table.
func (k *kernel) use(v *btf.Var) (variable, error) {
	sym := k.symbols[v.Name]
	switch {
	case sym == nil:
		return variable{}, errors.New("no symbol")
	case sym.twice:
		return variable{}, errors.New("several symbols of the name")
	case !sym.object:
		return variable{}, errors.New("its symbol is of no variable")
	case sym.section >= len(k.sections) || !lasting(k.sections[sym.section]):
		return variable{}, errors.New("not in a section of lasting variables")
	}
	t := unqualified(v.Type())
	c := t.String()
	if why := skipped(v.Name, c); why != "" {
		return variable{}, errors.New(why)
	}
	if strings.Contains(c, "{") || strings.Contains(c, "[]") {
		return variable{}, fmt.Errorf("%s: it has no name, or no bound", c)
	}
	size, err := btf.Sizeof(t)
	if err != nil || size == 0 || size > sym.size {
		return variable{}, fmt.Errorf("%s has %d bytes, and the symbol %d", c, size, sym.size)
	}
	return variable{c: c, plain: withoutTypedefs(t, 0).String(), size: size}, k.knows(c, size)
}

// knows reports whether a type is in the kernel's BTF, and there but once.
func (k *kernel) knows(c string, size uint64) error {
	t, err := k.own.ParseType(c)
	if err != nil {
		return fmt.Errorf("not in BTF: %w", err)
	}
	if n, err := btf.Sizeof(t); err != nil || n != size {
		return fmt.Errorf("%s has %d bytes, and %d by BTF", c, size, n)
	}
	if name, ok := k.own.Ambiguous(t); ok {
		return fmt.Errorf("%s: BTF has several types called %s", c, name)
	}
	return nil
}

// lasting reports whether a section has variables that live as long as the kernel, with a place of their own.
func lasting(section string) bool {
	switch section {
	case ".data", ".bss", ".rodata", ".data_nosave", ".data..ro_after_init", ".data..read_mostly":
		return true
	}
	return false
}

// unqualified drops const and volatile of a variable, and of an array's elements: who reads memory does not mind.
func unqualified(t btf.Type) btf.Type {
	switch v := t.(type) {
	case *btf.Qualifier:
		return unqualified(v.Target())
	case *btf.Array:
		return btf.NewArray(unqualified(v.Elem()), v.Len)
	}
	return t
}

// withoutTypedefs puts what typedefs stand for in their place, but for what has no other name. Types of functions stay.
func withoutTypedefs(t btf.Type, depth int) btf.Type {
	if depth > 32 {
		return t
	}
	switch v := t.(type) {
	case *btf.Typedef:
		if to := withoutTypedefs(v.Target(), depth+1); !strings.Contains(to.String(), "{") {
			return to
		}
	case *btf.Pointer:
		return btf.NewPointer(withoutTypedefs(v.Target(), depth+1))
	case *btf.Array:
		return btf.NewArray(withoutTypedefs(v.Elem(), depth+1), v.Len)
	}
	return t
}

// boilerplate is the beginnings of names that macros make, by the thousand: nobody asks for these.
var boilerplate = []string{
	"__ksymtab", "__kstrtab", "__tracepoint_", "__SCK__", "__SCT__", "__tpstrtab_", "__bpf_trace_", "print_fmt_", "str__",
	"__syscall_meta_", "__p_syscall_meta_", "types__", "args__", "__initcall", "__exitcall", "__setup_", "__param_",
	"__UNIQUE_ID", "__addressable", "___addressable", "__func__", "__already_done", "__compound_literal", "__TRACE_SYSTEM_",
}

// skipped tells why a variable is not of interest, "" if it is.
func skipped(name, c string) string {
	for _, prefix := range boilerplate {
		if strings.HasPrefix(name, prefix) {
			return "a name that a macro makes: " + prefix
		}
	}
	for word := range strings.FieldsFuncSeq(c, func(r rune) bool { return r == ' ' || r == '*' || r == '[' }) {
		switch word {
		case "trace_event_call", "trace_event_class", "trace_event_functions", "trace_event_fields", "tracepoint",
			"bpf_raw_event_map", "static_call_key", "syscall_metadata", "lock_class_key", "kernel_param",
			"trace_eval_map", "kernel_symbol", "pi_entry":
			return "a type of tracing and the like: " + word
		}
	}
	if strings.Contains(name, ".") {
		return "a name that a compiler made"
	}
	return ""
}

func (k *kernel) usable() int {
	n := 0
	for _, v := range k.variables {
		if v.why == "" {
			n++
		}
	}
	return n
}

// tell says what is known of a name.
func (k *kernel) tell(name string) string {
	switch v, ok := k.variables[name]; {
	case ok && v.why != "":
		return v.why
	case ok:
		return v.c
	case k.symbols[name] != nil:
		return "a symbol, but no variable of one type"
	}
	return "not there"
}
