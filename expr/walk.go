package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// maxWalk bounds the entries that one walk over a structure of the kernel visits: more
// do not fit into the memory of any machine.
const maxWalk = 1 << 30

// A walker calls visit with each entry of some structure, until visit returns an error.
type walker func(visit func(value.Value) error) error

// pointers is a sequence of pointers to what a walk visits.
func (c *Call) pointers(of string, walk walker) *Sequence {
	s := c.Session
	return newSequence(of, func(visit func(*elem) error) error {
		var e elem
		return visited(walk, func(v value.Value) error {
			if err := s.stopped(); err != nil {
				return err
			}
			if _, ok := btf.Underlying(v.Type()).(*btf.Struct); ok && v.InMemory() && !v.IsBitField() {
				e = elem{ref: v, isRef: true} // the pointer is made where somebody asks for it
				return visit(&e)
			}
			p, err := v.AddressOf()
			if err != nil {
				return err
			}
			e = elem{v: p}
			return visit(&e)
		})
	})
}

// structArg is an argument that is a struct of one of the given names, or a pointer to one.
func (c *Call) structArg(i int, what string, names ...string) (value.Value, error) {
	v, err := c.Value(i, what)
	if err != nil {
		return v, err
	}
	if _, ok := btf.Underlying(v.Type()).(*btf.Pointer); ok {
		if v, err = follow(v); err != nil {
			return v, err
		}
		if whole := c.Session.defined(v); whole.Valid() {
			v = whole
		}
		if v, err = v.Deref(); err != nil {
			return v, err
		}
	}
	if st, ok := btf.Underlying(v.Type()).(*btf.Struct); ok && slices.Contains(names, st.Name) {
		if _, ok := v.Addr(); !ok {
			return v, fmt.Errorf("%s has to lie in memory: this %s is the result of a computation", what, v.Type())
		}
		return v, nil
	}
	return v, fmt.Errorf("%s has to be a struct %s, or a pointer to one: %s is neither", what, strings.Join(names, " or struct "), v.Type())
}

// eachOf is the Call of a function that walks a structure whose entries are structs:
// NAME(HEAD, 'struct TYPE', 'MEMBER').
func eachOf(walk func(value.Value, *btf.Struct, string, int, func(value.Value) error) error, heads ...string) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		head, err := c.structArg(0, "what is walked", heads...)
		if err != nil {
			return nil, err
		}
		st, member, err := c.linkMember(heads[0])
		if err != nil {
			return nil, err
		}
		return c.pointers("entries", func(visit func(value.Value) error) error {
			return walk(head, st, member, maxWalk, visit)
		}), nil
	}
}

// linkMember is the second and third argument of such a function: the struct that entries are, and the
// member that links them to a head of that kind. Another member would lead to what is no entry.
func (c *Call) linkMember(head string) (*btf.Struct, string, error) {
	st, member, err := c.structMember(1)
	if err != nil {
		return nil, "", err
	}
	node, err := nodeType(st, member)
	if err != nil {
		return nil, "", err
	}
	if want := linkOf[head]; node != want {
		return nil, "", fmt.Errorf("%s of %s is no struct %s, which links a %s", member, st, want, head)
	}
	return st, member, nil
}

// linkOf is the struct within the entries of a structure, by the struct at its head.
var linkOf = map[string]string{
	"list_head":        "list_head",
	"hlist_head":       "hlist_node",
	"hlist_nulls_head": "hlist_nulls_node",
	"llist_head":       "llist_node",
	"plist_head":       "plist_node",
	"rb_root":          "rb_node",
}

// nodeType is the name of the struct that a member is.
func nodeType(st *btf.Struct, member string) (string, error) {
	f, err := st.FindMember(member)
	if err != nil {
		return "", err
	}
	if t, ok := btf.Underlying(f.Type).(*btf.Struct); ok {
		return t.Name, nil
	}
	return "", nil
}

// A tree maps indices to entries.
type tree struct {
	kinds []string
	what  string
	// open is the tree in a value of one of the kinds, and what its indices start from.
	open func(value.Value) (in value.Value, base uint64, err error)
	each func(*value.Kernel, value.Value, int, func(value.XEntry) error) error
	load func(*value.Kernel, value.Value, uint64) (value.XEntry, bool, error)
}

func itself(v value.Value) (value.Value, uint64, error) { return v, 0, nil }

var (
	xarrayTree = tree{[]string{"xarray"}, "an xarray", itself, (*value.Kernel).EachIndex, (*value.Kernel).XALoad}
	mapleTree  = tree{[]string{"maple_tree"}, "a maple tree", itself, (*value.Kernel).EachRange, (*value.Kernel).MTLoad}
	idrTree    = tree{[]string{"idr"}, "an idr", func(v value.Value) (value.Value, uint64, error) {
		base, err := v.UintPath("idr_base")
		if err != nil {
			return v, 0, err
		}
		in, err := v.Member("idr_rt")
		return in, base, err
	}, (*value.Kernel).EachIndex, (*value.Kernel).XALoad}
)

// entryType reads argument i, the type that entries point to; void where it is left out.
func (c *Call) entryType(i int) (btf.Type, error) {
	if c.Arg(i) == nil {
		return &btf.Void{}, nil
	}
	t, err := c.typeArg(i)
	if err != nil {
		return nil, err
	}
	if p, ok := btf.Underlying(t).(*btf.Pointer); ok { // 'struct x *' says the same
		t = p.Target()
	}
	return t, nil
}

// entry is an entry as the language shows it: a pointer, or the integer in its place.
func entry(k *value.Kernel, t btf.Type, e value.XEntry) any {
	if _, void := t.(*btf.Void); void {
		if n, ok := e.Integer(); ok {
			return n
		}
	}
	// An entry with a type is a pointer, and the two lowest bits of it a tag.
	return k.Pointer(t, e.Entry&^3)
}

// callEach is the Call of xa_for_each and the like: NAME(TREE[, 'TYPE']).
func (t tree) callEach(c *Call) (any, error) {
	v, err := c.structArg(0, "what is walked", t.kinds...)
	if err != nil {
		return nil, err
	}
	typ, err := c.entryType(1)
	if err != nil {
		return nil, err
	}
	in, base, err := t.open(v)
	if err != nil {
		return nil, err
	}
	return c.Session.sequence("entries", func(visit func(any) error) error {
		return t.each(v.Kernel(), in, maxWalk, func(e value.XEntry) error {
			return visit(map[string]any{
				"index": base + e.First, "last": base + e.Last, "entry": entry(v.Kernel(), typ, e),
			})
		})
	}), nil
}

// callFind is the Call of xa_load and the like: NAME(TREE, INDEX[, 'TYPE']).
func (t tree) callFind(c *Call) (any, error) {
	v, err := c.structArg(0, "where an index is looked for", t.kinds...)
	if err != nil {
		return nil, err
	}
	n, ok, err := numberOf(c.Arg(1))
	if err != nil {
		return nil, err
	}
	if !ok || n.isFloat {
		return nil, fmt.Errorf("an index has to be an integer, not %s", describe(c.Arg(1)))
	}
	typ, err := c.entryType(2)
	if err != nil {
		return nil, err
	}
	in, base, err := t.open(v)
	if err != nil {
		return nil, err
	}
	if n.Bits < base {
		return nil, nil
	}
	e, ok, err := t.load(v.Kernel(), in, n.Bits-base)
	if err != nil || !ok {
		return nil, err
	}
	return entry(v.Kernel(), typ, e), nil
}

// callEdge is the Call of rb_first and rb_last.
func callEdge(last bool) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		root, err := c.structArg(0, "the root of a tree", "rb_root", "rb_root_cached", "rb_root_linked")
		if err != nil {
			return nil, err
		}
		st, member, err := c.structMember(1)
		if err != nil {
			return nil, err
		}
		v, ok, err := value.RBEdge(root, st, member, last)
		if err != nil || !ok {
			return nil, err
		}
		return v.AddressOf()
	}
}

// numbers makes a list of integers.
func numbers(list []int, err error) (any, error) {
	out := make([]any, len(list))
	for i, n := range list {
		out[i] = n
	}
	return out, err
}

// mask lists the CPUs of a mask of the kernel's own.
func mask(name string) func(*Call) (any, error) {
	return func(c *Call) (any, error) {
		if !c.Session.open() {
			return nil, errNoKernel
		}
		v, err := c.Session.kernel.Global(name)
		if err != nil {
			return nil, err
		}
		return numbers(c.Session.kernel.CPUMask(v))
	}
}

func callPerCPUSum(c *Call) (any, error) {
	v, err := c.Value(0, "what per_cpu_sum adds up")
	if err != nil {
		return nil, err
	}
	path := ""
	if c.Arg(1) != nil {
		if path, err = c.String(1, "the name of a member"); err != nil {
			return nil, err
		}
	}
	n, err := v.Kernel().PerCPUSum(v, path)
	if err != nil {
		return nil, err
	}
	return result(n, v.Kernel()), nil
}

// callPerCPUCounter adds up a struct percpu_counter: its own count, and what each
// possible CPU has beside it (lib/percpu_counter.c, percpu_counter_sum).
func callPerCPUCounter(c *Call) (any, error) {
	v, err := c.structArg(0, "what is summed up", "percpu_counter")
	if err != nil {
		return nil, err
	}
	count, err := v.Member("count")
	if err != nil {
		return nil, err
	}
	n, err := count.Num()
	if err != nil {
		return nil, err
	}
	each, err := v.Member("counters")
	if err != nil {
		return nil, err
	}
	if a, err := each.Pointer(); err != nil || a == 0 {
		return nil, errors.Join(err, errors.New("the percpu_counter is not initialized: its counters are NULL"))
	}
	rest, err := v.Kernel().PerCPUSum(each, "")
	if err != nil {
		return nil, err
	}
	n.Bits += rest.Bits
	return result(n, v.Kernel()), nil
}

// callPerCPUPtr is what one CPU has of a per-CPU variable or pointer, as a pointer.
func callPerCPUPtr(c *Call) (any, error) {
	v, err := c.perCPU()
	if err != nil {
		return nil, err
	}
	a, ok := v.Addr()
	if !ok {
		return nil, errors.New("it has no address")
	}
	return v.Kernel().Pointer(v.Type(), kmem.Addr(a)), nil
}

// perCPU reads the arguments of per_cpu.
func (c *Call) perCPU() (value.Value, error) {
	v, err := c.Value(0, "a per-CPU variable or pointer")
	if err != nil {
		return v, err
	}
	cpu, err := c.Int(1, "the number of a CPU")
	if err != nil {
		return v, err
	}
	if cpu < 0 || cpu > 1<<20 {
		cpu = -1 // whatever it is, there is no such CPU
	}
	return v.Kernel().PerCPU(v, int(cpu))
}
