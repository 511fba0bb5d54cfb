package probe

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"kinspect/btf"
	"kinspect/expr"
	"kinspect/expr/probe/compile"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// A Target is a function of the kernel or of a module, or a tracepoint, that programs can be attached to.
type Target struct {
	Name       string
	Module     string // of a function; "" is vmlinux
	Tracepoint bool
	// Proto is what it is called with, nil where no types tell.
	Proto *btf.FuncProto
	// Notes are what the user should know of the choice.
	Notes []string

	// traced says that the kernel's own BTF has it, so that fentry and fexit may take it.
	traced bool
	why    string // there is none
}

// Site is where a program runs.
type Site struct {
	Exit bool // when a function returns
	// Registers says that the program's context is a kprobe's: struct pt_regs, of which at the exit the arguments that
	// were kept at the entry are made, eight bytes each, and what is returned behind them. Else it is that already.
	Registers bool
}

// Title is a target's name for people.
func (t *Target) Title() string {
	if t.Module != "" {
		return t.Name + " [" + t.Module + "]"
	}
	return t.Name
}

// What a name may begin with to say what it is of.
const (
	tracepointPrefix = "tracepoint:"
	functionPrefix   = "function:"
)

var errNoName = errors.New("a function or tracepoint has a name: NAME, MODULE:NAME, function:NAME or tracepoint:NAME")

// FindTarget finds a function or tracepoint: NAME, MODULE:NAME, function:NAME or tracepoint:NAME. Where both a
// function and a tracepoint have a name, it is the function. Errors name what is near.
func FindTarget(k *value.Kernel, spec string) (*Target, error) {
	name, tracepoint := strings.CutPrefix(spec, tracepointPrefix)
	if tracepoint {
		if _, last, ok := strings.Cut(name, ":"); ok { // SYSTEM:NAME, as perf and bpftrace write it; names are the kernel's own
			name = last
		}
		if name == "" {
			return nil, errNoName
		}
		return findTracepoint(k, name)
	}
	name, function := strings.CutPrefix(name, functionPrefix)
	module := ""
	if name == "" || strings.HasPrefix(name, ":") || strings.HasSuffix(name, ":") {
		return nil, errNoName
	}
	if m, n, ok := strings.Cut(name, ":"); ok {
		module, name, function = m, n, true
	}
	t, err := findFunction(k, name, module)
	if function {
		return t, err
	}
	tp, tperr := findTracepoint(k, name)
	switch {
	case err == nil && tperr == nil:
		t.Notes = append(t.Notes, fmt.Sprintf("%s is a tracepoint, too: %s%[1]s is that", name, tracepointPrefix))
		return t, nil
	case err != nil && tperr == nil:
		return tp, nil
	}
	return t, err
}

// isCode reports whether a symbol is of a function.
func isCode(s kmem.Symbol) bool { return strings.IndexByte("tTwW", s.Type) >= 0 }

// functionSymbols are the functions of a name, each address once, and the names that a compiler made of it
// ("NAME.isra.0").
func functionSymbols(k *value.Kernel, name, module string) (own []kmem.Symbol, made []string, err error) {
	err = k.EachSymbol(func(s kmem.Symbol) bool {
		if !isCode(s) || module != "" && s.Module != module {
			return true
		}
		switch {
		case s.Name == name:
			if !slices.ContainsFunc(own, func(o kmem.Symbol) bool { return o.Addr == s.Addr }) {
				own = append(own, s)
			}
		case len(s.Name) > len(name) && s.Name[len(name)] == '.' && s.Name[:len(name)] == name:
			if !strings.HasPrefix(s.Name[len(name):], ".cold") { // which is jumped to, not called
				made = append(made, s.Name)
			}
		}
		return true
	})
	slices.Sort(made)
	return own, slices.Compact(made), err
}

func findFunction(k *value.Kernel, name, module string) (*Target, error) {
	own, made, err := functionSymbols(k, name, module)
	switch {
	case len(own) == 0 && err != nil:
		return nil, err
	case len(own) == 0:
		return nil, noFunction(k, "function or tracepoint", name, module, made)
	case len(own) > 1:
		var where []string
		for _, s := range own {
			at := s.Addr.String()
			if s.Module != "" {
				at += " [" + value.Printable(s.Module) + "]"
			}
			where = append(where, at)
		}
		hint := ""
		if own[0].Module != own[len(own)-1].Module {
			hint = ", nor which module's"
		}
		return nil, fmt.Errorf("there are %d functions called %s, at %s: the kernel attaches a program by name and cannot be told which one is meant%s; trace what calls it, or what it calls",
			len(own), name, strings.Join(where, ", "), hint)
	}
	t := &Target{Name: own[0].Name, Module: own[0].Module}
	if len(made) > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("the compiler has made %s of parts of %s: calls that end up there are not seen", strings.Join(made, ", "), name))
	}
	t.learn(k)
	return t, nil
}

// noFunction is the error for a name that no function has.
func noFunction(k *value.Kernel, what, name, module string, made []string) error {
	if len(made) > 0 {
		return fmt.Errorf("the compiler has made %s of %s: trace that, with its arguments by their numbers (arg0, …), which need not be those of the source", strings.Join(made, " and "), name)
	}
	var near []string
	if module != "" {
		mods, _ := k.Modules()
		if !slices.ContainsFunc(mods, func(m *value.Module) bool { return m.Name == module }) {
			return fmt.Errorf("no module %s is loaded", value.Quote(module))
		}
	}
	var all []string
	_ = k.EachSymbol(func(s kmem.Symbol) bool {
		if isCode(s) && (module == "" || s.Module == module) && len(s.Name) > 2 && len(name) > 2 && s.Name[0] == name[0] {
			all = append(all, s.Name)
		}
		return true
	})
	near = btf.Near(name, all)
	msg := fmt.Sprintf("the kernel has no %s %s", what, value.Quote(name))
	if module != "" {
		msg = fmt.Sprintf("module %s has no function %s", module, value.Quote(name))
	}
	if len(near) > 0 {
		return fmt.Errorf("%s; did you mean %s?", msg, strings.Join(near, " or "))
	}
	return fmt.Errorf("%s: the compiler may have made it part of its callers, or its module is not loaded", msg)
}

// learn asks the kernel's types what a function is called with.
func (t *Target) learn(k *value.Kernel) {
	types, err := k.Types()
	if err == nil && t.Module != "" {
		types, err = k.ModuleTypes(t.Module)
	}
	if err != nil {
		t.why = err.Error()
		return
	}
	f, err := types.Func(t.Name)
	if err != nil {
		t.why = "the kernel's types do not have it"
		return
	}
	if proto, ok := btf.Underlying(f.Type()).(*btf.FuncProto); ok {
		t.Proto, t.traced = proto, true
	}
	if t.traced && t.Words() > maxWords {
		t.traced, t.why = false, fmt.Sprintf("it has more than %d arguments", maxWords)
	}
}

func findTracepoint(k *value.Kernel, name string) (*Target, error) {
	types, err := k.Types()
	if err != nil {
		return nil, err
	}
	specs := []*btf.Spec{types}
	mods, _ := k.Modules()
	for _, m := range mods {
		if own, err := k.ModuleTypes(m.Name); err == nil {
			specs = append(specs, own)
		}
	}
	var near []string
	for _, s := range specs {
		td, err := s.Typedef("btf_trace_" + name)
		if err != nil {
			for n := range s.Names(btf.Typedefs) {
				if n, ok := strings.CutPrefix(n, "btf_trace_"); ok {
					near = append(near, n)
				}
			}
			continue
		}
		t := &Target{Name: name, Tracepoint: true, traced: true}
		if s.Name() != "vmlinux" {
			t.Module = s.Name()
		}
		// The type has no names; the function that calls what is attached has (include/linux/tracepoint.h, since 5.10).
		if f, err := s.Func("__traceiter_" + name); err == nil {
			t.Proto, _ = btf.Underlying(f.Type()).(*btf.FuncProto)
		}
		if p, ok := btf.Underlying(td).(*btf.Pointer); ok && t.Proto == nil {
			t.Proto, _ = btf.Underlying(p.Target()).(*btf.FuncProto)
		}
		if t.Proto == nil || len(t.Proto.Params()) == 0 {
			return nil, fmt.Errorf("the kernel's types do not say what the tracepoint %s is called with", name)
		}
		return t, nil
	}
	msg := fmt.Sprintf("the kernel has no tracepoint %s", value.Quote(name))
	if near = btf.Near(name, near); len(near) > 0 {
		msg += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return nil, fmt.Errorf("%s", msg)
}

// params are the arguments that a program sees.
func (t *Target) params() []btf.Param {
	if t.Proto == nil {
		return nil
	}
	params := t.Proto.Params()
	if t.Tracepoint { // without the word that belongs to what is attached
		return params[1:]
	}
	for i, p := range params {
		if _, ok := p.Type.(*btf.Void); ok && p.Name == "" { // "..."
			return params[:i]
		}
	}
	return params
}

// words is how many of a program's eight bytes an argument takes; a struct that is passed by value has two.
func words(t btf.Type) int16 {
	if n, err := btf.Sizeof(t); err == nil && n > 8 {
		return 2
	}
	return 1
}

// maxWords is how many a program can be called with (MAX_BPF_FUNC_ARGS).
const maxWords = 12

// Words is how many words of eight bytes the arguments have in a program's context.
func (t *Target) Words() (n int16) {
	for _, p := range t.params() {
		n += words(p.Type)
	}
	return n
}

// The registers of arguments in struct pt_regs of x86-64, and others of it (arch/x86/include/asm/ptrace.h).
var argumentRegisters = []int16{112, 104, 96, 88, 72, 64} // di, si, dx, cx, r8, r9

const (
	resultRegister = 80  // ax
	stackRegister  = 152 // sp
)

// unsigned long, as arguments are without types.
var wordType = &btf.Int{Name: "unsigned long", Size: 8}

// Args are what an expression can name at a site: the arguments by their names, or arg0, arg1, … where none are
// known, and at the exit ret.
func (t *Target) Args(site Site) []compile.Arg {
	var out []compile.Arg
	add := func(a compile.Arg) {
		if !slices.ContainsFunc(out, func(o compile.Arg) bool { return o.Name == a.Name }) {
			out = append(out, a)
		}
	}
	params := t.params()
	if t.Proto == nil {
		for range argumentRegisters {
			params = append(params, btf.Param{Type: wordType})
		}
	}
	at := int16(0) // in words
	for i, p := range params {
		a := compile.Arg{Name: p.Name, Type: p.Type, Offset: 8 * at}
		if a.Name == "" {
			a.Name = fmt.Sprintf("arg%d", i)
		}
		if site.Registers {
			switch {
			case int(at) >= len(argumentRegisters):
				a.Missing = fmt.Sprintf("%s is on the stack, where a kprobe, by which %s is traced, cannot see it", a.Name, t.Name)
			case site.Exit: // what was kept of them
				a.Offset = 8 * at
			default:
				a.Offset = argumentRegisters[at]
			}
		}
		add(a)
		at += words(p.Type)
	}
	if t.Tracepoint {
		return out
	}
	ret := compile.Arg{Name: "ret", Type: wordType, Offset: 8 * at}
	if site.Registers {
		ret.Offset = savedResult
	}
	if t.Proto != nil {
		ret.Type = t.Proto.Return()
	}
	if _, void := btf.Underlying(ret.Type).(*btf.Void); void {
		ret.Type, ret.Missing = wordType, fmt.Sprintf("%s returns nothing", t.Name)
	}
	if !site.Exit {
		ret.Missing = fmt.Sprintf("ret is known when %s returns: --ret asks for that", t.Name)
	}
	add(ret)
	ret.Name = "retval" // where an argument has the name
	if len(out) > 0 && out[len(out)-1].Name != "ret" {
		add(ret)
	}
	return out
}

// Scope is what an expression can name at a site.
func (t *Target) Scope(s *expr.Session, site Site) compile.Scope {
	return compile.Scope{Session: s, Args: t.Args(site), Numbers: site.Registers, Context: t.Name}
}
