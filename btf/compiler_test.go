package btf

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// compilerRoots are where the walk over the types of a kernel starts.
var compilerRoots = []string{
	"net_device", "net_device_ops", "sk_buff", "task_struct", "net", "sock", "softnet_data", "packet_type",
	"module", "super_block", "page", "request_queue", "kmem_cache", "rq", "irq_desc", "pci_dev",
}

// TestCompiler has a C compiler read the definitions that Printer writes, of all
// types that can be reached from the roots, and check sizes and offsets with
// static assertions and bit-fields by setting them. It is an oracle for the
// printer and for the decoder alike: the compiler lays the structs out itself.
func TestCompiler(t *testing.T) {
	cc := ""
	for _, name := range []string{"cc", "gcc", "clang"} {
		if path, err := exec.LookPath(name); err == nil {
			cc = path
			break
		}
	}
	if cc == "" {
		t.Skip("no C compiler")
	}
	eachReal(t, func(t *testing.T, s *Spec) {
		g := newCSource()
		for _, name := range compilerRoots {
			if st, err := s.Struct(name); err == nil {
				g.queue = append(g.queue, st)
			}
		}
		if os.Getenv("KINSPECT_BTF_ALL") != "" {
			for i := range s.ofKind(kindStruct) {
				if st, ok := s.typeOrUnknown(s.firstID + ID(i)).(*Struct); ok && st.Name != "" {
					g.queue = append(g.queue, st)
				}
			}
		}
		g.run()
		if g.defined < 1000 {
			t.Errorf("only %d structs in the test: the walk is broken", g.defined)
		}
		// Two types of one name cannot share a source file; a kernel has few.
		if len(g.skipped) > g.defined/50 {
			t.Errorf("%d of %d structs skipped: %q", len(g.skipped), g.defined, g.skipped)
		}
		// Padding by hand proves less: the compiler must do most on its own.
		if g.helped > g.defined/4 {
			t.Errorf("%d of %d structs needed padding or packing", g.helped, g.defined)
		}
		t.Logf("%d structs, %d assertions, %d bit-fields; %d needed padding or packing, %d skipped",
			g.defined, g.asserts, g.bitFields, g.helped, len(g.skipped))

		dir := t.TempDir()
		src, bin := filepath.Join(dir, "types.c"), filepath.Join(dir, "types")
		if err := os.WriteFile(src, g.source(), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(cc, "-std=gnu11", "-fms-extensions", "-w", "-O0", "-o", bin, src).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out[:min(len(out), 4000)])
		}
		if out, err := exec.Command(bin).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out[:min(len(out), 4000)])
		}
	})
}

// cSource writes C definitions in an order that a compiler accepts.
type cSource struct {
	queue []*Struct

	types, checks bytes.Buffer
	done          map[Type]bool   // written; false where that cannot be
	tags          map[string]Type // struct, union and enum tags taken
	idents        map[string]Type // typedefs and enumerators taken
	skipped       []string

	defined, helped, asserts, bitFields int
}

func newCSource() *cSource {
	return &cSource{done: make(map[Type]bool), tags: make(map[string]Type), idents: make(map[string]Type)}
}

func (g *cSource) run() {
	for len(g.queue) > 0 {
		st := g.queue[0]
		g.queue = g.queue[1:]
		if !g.need(st, true) {
			g.skipped = append(g.skipped, st.String())
		}
	}
}

// take claims a name for t and reports whether no other type has it.
func take(names map[string]Type, name string, t Type) bool {
	if have, ok := names[name]; ok {
		return have == t
	}
	names[name] = t
	return true
}

// need writes what must come before a use of t, whole if its size is needed. It
// reports whether t can be used.
func (g *cSource) need(t Type, whole bool) bool {
	switch t := t.(type) {
	case *Pointer:
		return g.need(t.Target(), false)
	case *Array:
		return g.need(t.Elem(), true)
	case *Qualifier:
		return g.need(t.Target(), whole)
	case *TypeTag:
		return g.need(t.Target(), whole)
	case *FuncProto:
		ok := g.need(t.Return(), false)
		for _, p := range t.Params() {
			ok = g.need(p.Type, false) && ok
		}
		return ok
	case *Typedef:
		return g.typedef(t, whole)
	case *Enum:
		return g.enum(t)
	case *Struct:
		return g.structOrUnion(t, whole)
	case *Fwd:
		if !take(g.tags, t.Name, t) {
			return g.tags[t.Name] != nil
		}
		if !g.done[t] {
			g.done[t] = true
			fmt.Fprintf(&g.types, "%s", CDefinition(t))
		}
	}
	return true
}

func (g *cSource) typedef(t *Typedef, whole bool) bool {
	if t.Name == "__builtin_va_list" {
		return true // the compiler has it
	}
	ok, seen := g.done[t]
	if !seen {
		// The body of an anonymous struct is part of the typedef.
		inline := false
		switch target := t.Target().(type) {
		case *Struct:
			inline = target.Name == ""
		case *Array:
			inline = true
		}
		ok = take(g.idents, t.Name, t) && g.need(t.Target(), inline)
		g.done[t] = ok
		if ok {
			g.types.WriteString(Printer{Exact: true}.Definition(t))
			if st, isStruct := t.Target().(*Struct); isStruct && inline {
				g.check(st, t.Name)
			}
		}
	}
	if ok && whole {
		return g.need(t.Target(), true)
	}
	return ok
}

func (g *cSource) enum(t *Enum) bool {
	if ok, seen := g.done[t]; seen && (t.Name != "" || !ok) {
		return ok
	}
	ok := t.Name == "" || take(g.tags, t.Name, t)
	for _, v := range t.Values() {
		// An anonymous enum is written wherever it is used, and may be once.
		ok = ok && take(g.idents, v.Name, t) && (t.Name != "" || !g.done[t])
	}
	g.done[t] = ok
	if ok && t.Name != "" {
		g.types.WriteString(Printer{Exact: true}.Definition(t))
		if len(t.Values()) > 0 {
			fmt.Fprintf(&g.types, "_Static_assert(sizeof(%s) == %d, \"size of %s\");\n", t, t.Size, t)
		}
		for _, v := range t.Values() {
			g.asserts++
			fmt.Fprintf(&g.types, "_Static_assert((unsigned long long)%s == %dULL, \"%s\");\n", v.Name, v.Value, v.Name)
		}
	}
	return ok
}

func (g *cSource) structOrUnion(t *Struct, whole bool) bool {
	if t.Name != "" {
		if !take(g.tags, t.Name, t) {
			return !whole && g.tags[t.Name] != nil
		}
		if !whole {
			if _, seen := g.done[t]; !seen && !slices.Contains(g.queue, t) {
				g.queue = append(g.queue, t)
				fmt.Fprintf(&g.types, "%s;\n", t)
			}
			return true
		}
		if ok, seen := g.done[t]; seen {
			return ok
		}
		g.done[t] = true // a pointer to it within is a use that is allowed
	}
	ok := true
	for _, m := range t.Members() {
		ok = g.need(m.Type, true) && ok
	}
	if t.Name == "" {
		return ok
	}
	g.done[t] = ok
	if ok {
		g.types.WriteString(Printer{Exact: true}.Definition(t))
		g.check(t, t.String())
	}
	return ok
}

// check writes the assertions for a struct that C knows as name.
func (g *cSource) check(t *Struct, name string) {
	g.defined++
	if text := (Printer{Exact: true}).Definition(t); bytes.Contains([]byte(text), []byte("packed")) ||
		bytes.Contains([]byte(text), []byte("unsigned char :")) || bytes.Contains([]byte(text), []byte("__pad")) {
		g.helped++
	}
	g.asserts++
	fmt.Fprintf(&g.types, "_Static_assert(sizeof(%s) == %d, \"size of %s\");\n", name, t.Size, name)
	for f := range t.AllMembers() {
		if f.BitSize != 0 {
			g.bitFields++
			fmt.Fprintf(&g.checks, "\tCHECK(%s, %s, %d, %d);\n", name, f.Path, f.BitOffset, f.BitSize)
			continue
		}
		g.asserts++
		fmt.Fprintf(&g.types, "_Static_assert(__builtin_offsetof(%s, %s) == %d, \"offset of %s.%s\");\n",
			name, f.Path, f.Offset(), name, f.Path)
		if size, err := Sizeof(f.Type); err == nil {
			g.asserts++
			fmt.Fprintf(&g.types, "_Static_assert(sizeof(((%s *)0)->%s) == %d, \"size of %s.%s\");\n",
				name, f.Path, size, name, f.Path)
		}
	}
}

// source returns the program: types with assertions, then checks of bit-fields.
func (g *cSource) source() []byte {
	var b bytes.Buffer
	b.WriteString(`#define __user
#define __percpu
#define __rcu
int printf(const char *, ...);
static unsigned char buf[1 << 21];
static int bad;
static void check(const char *what, unsigned long off, unsigned long size, unsigned long len)
{
	for (unsigned long i = 0; i < len * 8; i++) {
		if ((buf[i / 8] >> i % 8 & 1) != (i >= off && i < off + size)) {
			printf("%s: bit %lu\n", what, i);
			bad = 1;
			break;
		}
	}
}
#define CHECK(type, field, off, size) do { \
	__builtin_memset(buf, 0, sizeof(type)); \
	((type *)buf)->field = -1; \
	check(#type "." #field, off, size, sizeof(type)); \
} while (0)
`)
	b.Write(g.types.Bytes())
	b.WriteString("int main(void)\n{\n")
	b.Write(g.checks.Bytes())
	b.WriteString("\treturn bad;\n}\n")
	return b.Bytes()
}
