package expr

import (
	"errors"
	"fmt"

	"kinspect/btf"
	"kinspect/expr/value"
)

var errNoKernel = errors.New("no kernel is open")

// open reports whether there is a kernel with symbols.
func (s *Session) open() bool { return s.kernel != nil && s.kernel.Image != nil }

// global is what a bare name means: a variable or function of the kernel, else an
// enumerator.
func (s *Session) global(name string) (value.Value, error) {
	if f, ok := s.functions[name]; ok && !s.open() {
		return value.Value{}, fmt.Errorf("%s is a function: %s", name, f.Signature)
	}
	if !s.open() {
		return value.Value{}, fmt.Errorf("%s: %w", name, errNoKernel)
	}
	v, err := s.kernel.Global(name)
	if err == nil {
		return v, nil
	}
	if !errors.Is(err, value.ErrNoSymbol) {
		if sym, ok := s.kernel.LookupSymbol(name); ok {
			hint := ""
			switch {
			case sym.Module != "":
				hint = ", and --vmlinux with the module's debug information has it"
			case s.kernel.Vmlinux() == "":
				hint = ", and --vmlinux with the kernel's debug information has it"
			}
			return v, fmt.Errorf("%w: *(TYPE *)addr('%s') gives it one%s", err, name, hint)
		}
		return v, err
	}
	if f, ok := s.functions[name]; ok {
		return v, fmt.Errorf("%s is a function: %s", name, f.Signature)
	}
	if e, ok := s.enumerator(name); ok {
		return e, nil
	}
	return v, s.noSymbol(name)
}

func (s *Session) enumerator(name string) (value.Value, bool) {
	types, err := s.kernel.Types()
	if err != nil {
		return value.Value{}, false
	}
	e, t, ok := types.Enumerator(name)
	if !ok || t.Size == 0 || t.Size > 8 {
		return value.Value{}, false
	}
	return s.kernel.EnumConstant(t, e.Value), true
}

// noSymbol suggests names. Of the kernel's symbols only those are looked at that
// begin as the name does: decoding all would take longer than any answer.
func (s *Session) noSymbol(name string) error {
	candidates := value.GlobalNames()
	for n := range s.functions {
		candidates = append(candidates, n)
	}
	if syms, err := s.kernel.Symbols(); err == nil && len(name) >= 4 {
		candidates = append(candidates, syms.Prefix(name[:len(name)/2+1], 500)...)
	}
	msg := fmt.Sprintf("no symbol, function or enumerator is called %s", value.Printable(name))
	if instead, ok := foreign(name); ok {
		return fmt.Errorf("%s: %s", msg, instead)
	}
	near := btf.Near(name, candidates)
	for i, n := range near {
		if f, ok := s.functions[n]; ok && f.Call != nil {
			near[i] = n + "()"
		} else {
			near[i] = value.Printable(n)
		}
	}
	if len(near) > 0 {
		msg += "; did you mean " + joinOr(near) + "?"
	}
	return errors.New(msg)
}

// parseType finds a type by its C text, in vmlinux's BTF or, where that does not
// have it, in that of the modules.
func (s *Session) parseType(text string) (btf.Type, error) {
	if t, ok := s.types[text]; ok {
		return t, s.typeErr[text]
	}
	t, err := s.findType(text)
	s.types[text], s.typeErr[text] = t, err
	return t, err
}

func (s *Session) findType(text string) (btf.Type, error) {
	if !s.open() {
		return nil, errNoKernel
	}
	types, err := s.kernel.Types()
	if err != nil {
		return nil, err
	}
	t, err := types.ParseType(text)
	if err == nil && !declaredOnly(t) || err != nil && !errors.Is(err, btf.ErrNotFound) {
		return t, err
	}
	mods, _ := s.kernel.Modules()
	for _, m := range mods {
		spec, merr := s.kernel.ModuleTypes(m.Name)
		if merr != nil {
			continue
		}
		if mt, merr := spec.ParseType(text); merr == nil && !declaredOnly(mt) {
			return mt, nil
		}
	}
	return t, err
}

// declaredOnly reports whether a type is, or points to, a struct without a
// definition.
func declaredOnly(t btf.Type) bool {
	for range 8 {
		switch u := btf.Underlying(t).(type) {
		case *btf.Fwd:
			return true
		case *btf.Pointer:
			t = u.Target()
		default:
			return false
		}
	}
	return false
}
