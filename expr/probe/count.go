package probe

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// How many functions are counted at one time: all by one attachment, or, where the kernel has none for
// many, by one kprobe each, of which each takes its time to be taken away.
const (
	MaxCounted = 1000
	MaxKprobes = 128
)

// A CountFunc is a function whose calls are counted.
type CountFunc struct {
	Name   string
	Module string // "" is vmlinux
	Addr   kmem.Addr
	// Pattern says that a pattern asked for it, and not its name.
	Pattern bool
	// Role is what it stands for in a preset.
	Role Role
}

// Title is its name for people.
func (f *CountFunc) Title() string {
	if f.Module != "" {
		return f.Name + " [" + f.Module + "]"
	}
	return f.Name
}

// A CountPlan is what is to be counted.
type CountPlan struct {
	Funcs []CountFunc
	// Notes are what the user should know of the choice.
	Notes []string
	// Preset is the preset's name, "" without.
	Preset string
	// Lacking are the roles of a preset that no function of this kernel has.
	Lacking []Role

	taken map[kmem.Addr]bool
}

// wanted is a name or pattern, and what was found for it.
type wanted struct {
	text, module, name string
	role               Role
	pattern            bool
	own                []kmem.Symbol
	made               []kmem.Symbol // NAME.isra.0 and the like
}

// newWanted reads [MODULE:]NAME or [MODULE:]PATTERN.
func newWanted(text string) (*wanted, error) {
	w := &wanted{text: text, name: strings.TrimPrefix(text, functionPrefix)}
	if strings.HasPrefix(text, tracepointPrefix) {
		return nil, fmt.Errorf("%s: tracepoints are not counted: kinspect trace %[1]s --hist EXPR counts them", value.Quote(text))
	}
	if m, n, ok := strings.Cut(w.name, ":"); ok {
		w.module, w.name = m, n
	}
	if w.name == "" {
		return nil, fmt.Errorf("%s names no function", value.Quote(text))
	}
	w.pattern = strings.ContainsAny(w.name, `*?[\`)
	if _, err := path.Match(w.name, ""); err != nil {
		return nil, fmt.Errorf("%s is no pattern: * stands for any characters, ? for one, [a-z] for one of these", value.Quote(text))
	}
	return w, nil
}

// add takes a symbol that fits.
func (w *wanted) add(s kmem.Symbol) {
	if w.module != "" && s.Module != w.module {
		return
	}
	switch {
	case s.Name == w.name:
		w.own = append(w.own, s)
	case w.pattern:
		if ok, _ := path.Match(w.name, s.Name); ok {
			w.own = append(w.own, s)
		}
	case strings.HasPrefix(s.Name, w.name) && madeName.MatchString(s.Name[len(w.name):]):
		w.made = append(w.made, s)
	}
}

// madeName is what a compiler puts behind the name of a function that it has changed.
var madeName = regexp.MustCompile(`^(\.(isra|constprop|part|llvm)\.[0-9]+)+$`)

// countable reports whether a symbol is of a function that is called: no part that is jumped to, no padding, no program.
func countable(s kmem.Symbol) bool {
	return isCode(s) && s.Module != "bpf" && !strings.HasPrefix(s.Module, "__builtin__") && !strings.HasPrefix(s.Name, "__pfx_") && !strings.Contains(s.Name, ".cold")
}

// FindCounted finds functions by names and patterns: NAME, MODULE:NAME, tcp_*, MODULE:*. Errors say which cannot be
// counted; nothing is attached yet.
func FindCounted(k *value.Kernel, specs []string) (*CountPlan, error) {
	var list []*wanted
	for _, s := range specs {
		w, err := newWanted(s)
		if err != nil {
			return nil, err
		}
		list = append(list, w)
	}
	return findCounted(k, list)
}

func findCounted(k *value.Kernel, list []*wanted) (*CountPlan, error) {
	symErr := k.EachSymbol(func(s kmem.Symbol) bool {
		if countable(s) {
			for _, w := range list {
				w.add(s)
			}
		}
		return true
	})
	at, siteErr := sites(k)
	if errors.Is(siteErr, errNoSites) {
		return nil, siteErr
	}
	p := &CountPlan{taken: map[kmem.Addr]bool{}}
	if siteErr != nil {
		p.Notes = append(p.Notes, fmt.Sprintf("which functions cannot be probed is not known before it is tried: %v", siteErr))
	}
	can := func(s kmem.Symbol) bool { return siteErr != nil || hasSite(at, s.Addr) }
	var errs []error
	for _, w := range list {
		if err := p.take(k, w, can); err != nil {
			if symErr != nil && len(w.own) == 0 {
				err = fmt.Errorf("%w (not all symbols could be read: %w)", err, symErr)
			}
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(p.Funcs) > MaxCounted {
		return nil, fmt.Errorf("%d functions match, and %d is the limit: a longer pattern matches fewer", len(p.Funcs), MaxCounted)
	}
	return p, nil
}

// take adds what was found for a name or pattern.
func (p *CountPlan) take(k *value.Kernel, w *wanted, can func(kmem.Symbol) bool) error {
	if len(w.own) == 0 && len(w.made) > 0 {
		w.own = w.made
		if w.role == "" {
			p.Notes = append(p.Notes, fmt.Sprintf("the compiler has made %s of %s: that is counted", names(w.made), w.name))
		}
	} else if len(w.made) > 0 && !w.pattern && w.role == "" {
		p.Notes = append(p.Notes, fmt.Sprintf("the compiler has made %s of parts of %s: calls that end up there are not counted", names(w.made), w.name))
	}
	slices.SortFunc(w.own, func(a, b kmem.Symbol) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Module, b.Module), cmp.Compare(a.Addr, b.Addr))
	})
	w.own = slices.CompactFunc(w.own, func(a, b kmem.Symbol) bool { return a.Addr == b.Addr })
	var cannot []kmem.Symbol
	took := 0
	for _, s := range w.own {
		if !can(s) {
			cannot = append(cannot, s)
			continue
		}
		took++
		if !p.taken[s.Addr] {
			p.taken[s.Addr] = true
			p.Funcs = append(p.Funcs, CountFunc{Name: s.Name, Module: s.Module, Addr: s.Addr, Pattern: w.pattern, Role: w.role})
		}
	}
	switch {
	case w.role != "": // that it is not there is told with the readings
		return nil
	case len(w.own) == 0 && w.pattern:
		return fmt.Errorf("no function matches %s", value.Quote(w.text))
	case len(w.own) == 0:
		if _, err := findTracepoint(k, w.name); err == nil && w.module == "" {
			return fmt.Errorf("%s is a tracepoint, and count is for functions: kinspect trace %s%[1]s tells when it is passed", w.name, tracepointPrefix)
		}
		return noFunction(k, "function", w.name, w.module, nil)
	case took == 0, len(cannot) > 0 && !w.pattern:
		return fmt.Errorf("%s cannot be probed: %s; count what it calls, or what calls it", names(cannot), noSite)
	case w.pattern:
		note := fmt.Sprintf("%s matches %s", w.text, plural(uint64(len(w.own)), "function"))
		if len(cannot) > 0 {
			note += fmt.Sprintf(", of which %d cannot be probed (%s): %s", len(cannot), noSite, names(cannot))
		}
		p.Notes = append(p.Notes, note)
	}
	return nil
}

// noSite is why a function has no place at which it can be probed.
const noSite = "the kernel's tracer does not know what it needs itself, entry code (notrace, noinstr), and code of the start, which is freed"

// names are those of symbols, some of them where they are many.
func names(list []kmem.Symbol) string {
	const most = 8
	var out []string
	times := map[string]int{}
	for _, s := range list {
		if times[s.Name]++; times[s.Name] == 1 {
			out = append(out, s.Name)
		}
	}
	for i, n := range out {
		if times[n] > 1 {
			out[i] = fmt.Sprintf("%s (%d of that name)", n, times[n])
		}
	}
	if len(out) > most {
		return strings.Join(out[:most], ", ") + fmt.Sprintf(" and %d more", len(out)-most)
	}
	return strings.Join(out, ", ")
}

// target is the function as a target of programs.
func (f *CountFunc) target(k *value.Kernel) *Target {
	t := &Target{Name: f.Name, Module: f.Module}
	t.learn(k)
	return t
}

// samePrototype makes sure that one expression is the same of all functions, and returns the first one.
func samePrototype(k *value.Kernel, funcs []CountFunc) (*Target, error) {
	shape := func(t *Target) (out []string) {
		if t.Proto == nil {
			return []string{"unknown"}
		}
		for _, p := range t.Proto.Params() {
			out = append(out, fmt.Sprintf("%s %s", p.Type, p.Name))
		}
		return out
	}
	first := funcs[0].target(k)
	for _, f := range funcs[1:] {
		t := f.target(k)
		if a, b := shape(first), shape(t); !slices.Equal(a, b) {
			return nil, fmt.Errorf("--by takes one function, or several that are called with the same: %s is called with (%s), %s with (%s)",
				first.Name, strings.Join(a, ", "), t.Name, strings.Join(b, ", "))
		}
	}
	return first, nil
}

// unique reports whether no other function has the name, so that the kernel finds it by that.
func unique(k *value.Kernel, f CountFunc) bool {
	n := 0
	err := k.EachSymbol(func(s kmem.Symbol) bool {
		if s.Name == f.Name && isCode(s) && s.Addr != f.Addr {
			n++
		}
		return n == 0
	})
	return err == nil && n == 0
}

// errUnreadable is of memory that could not be read; where that was is not kept.
var errUnreadable = value.Faultf("nothing could be read there")

// A CountRow is how often a function ran.
type CountRow struct {
	CountFunc
	Count uint64
	CPUs  []uint64 // by number
}

// A CountValue is how often it did with a value of --by.
type CountValue struct {
	Func  int // index of the functions
	Count uint64
	Value TraceValue
	key   string
}

// CountResult is all of it at one time.
type CountResult struct {
	Rows   []CountRow
	Values []CountValue
	// Unsplit are calls that no row of --by had room for.
	Unsplit uint64
	// Nested are calls that the program did not see, since it or another one ran on that CPU already; Known is whether
	// this kernel tells.
	Nested uint64
	Known  bool
}

// Since is what was counted after a result.
func (r CountResult) Since(old CountResult) CountResult {
	out := r
	out.Rows = slices.Clone(r.Rows)
	for i := range out.Rows {
		row := &out.Rows[i]
		row.CPUs = slices.Clone(row.CPUs)
		if i >= len(old.Rows) {
			continue
		}
		row.Count -= min(row.Count, old.Rows[i].Count)
		for n := range row.CPUs {
			if n < len(old.Rows[i].CPUs) {
				row.CPUs[n] -= min(row.CPUs[n], old.Rows[i].CPUs[n])
			}
		}
	}
	before := map[string]uint64{}
	for _, v := range old.Values {
		before[v.key] = v.Count
	}
	out.Values = nil
	for _, v := range r.Values {
		if v.Count -= min(v.Count, before[v.key]); v.Count > 0 {
			out.Values = append(out.Values, v)
		}
	}
	out.Unsplit -= min(out.Unsplit, old.Unsplit)
	out.Nested -= min(out.Nested, old.Nested)
	return out
}

// keyBytes is the size of a key of --by with a value of some size.
func keyBytes(size int) int { return keyValue + (size+7)/8*8 }

// A key of --by: the function's index, what the computation ended with, 0 for a value, and the value.
const (
	keyFunc  = 0
	keyState = 8
	keyValue = 16
	// maxKeyStack is the room for it on a program's stack, beside a word.
	maxKeyStack = 184
	// maxKeyValue is the largest value that there is a key of.
	maxKeyValue = 512
)
