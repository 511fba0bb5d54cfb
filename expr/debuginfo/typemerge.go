package debuginfo

import (
	"context"
	"fmt"
	"runtime"

	"kinspect/btf"
)

// maxTypes bounds the types of a kernel: it has some 150,000.
const maxTypes = 8 << 20

// id numbers a type of the kernel, from 1; 0 is void.
type id uint32

// merged is a type of the kernel.
type merged struct {
	kind  kind
	flag  bool
	enc   uint8
	name  uint32 // in the strings
	size  uint64
	ref   id
	elems []mergedElem
}

type mergedElem struct {
	name uint32
	ref  id
	at   uint64
	bits uint8
}

// merger makes one set of types of those of all units.
type merger struct {
	types   []merged
	strings stringTable
	byHash  map[uint64]id     // of what has parts
	byRef   map[refKey]id     // of what only refers to another
	full    map[tagKey]id     // the first complete struct or union of a name
	fwds    []id              // declarations
	vars    map[uint32]global // by name
	perCPU  span
	perVars []global
	base    *baseTypes // of a module, else nil
	err     error

	l     *local
	ids   []id // of l's types; 0 where there is none yet
	queue []pending
}

type refKey struct {
	kind kind
	flag bool
	name uint32
	ref  id
	size uint64
}

type tagKey struct {
	kind kind
	name uint32
}

// pending is a struct whose members have no types yet.
type pending struct {
	index uint32
	id    id
}

// global is a variable.
type global struct {
	name      uint32
	ref       id
	addr      uint64
	external  bool
	ambiguous bool // there are several of the name, of different types
}

func newMerger(perCPU span, base *btf.Spec) *merger {
	return &merger{
		types: make([]merged, 1), strings: newStringTable(), perCPU: perCPU, base: newBaseTypes(base),
		byHash: map[uint64]id{}, byRef: map[refKey]id{}, full: map[tagKey]id{}, vars: map[uint32]global{},
	}
}

// add takes the types of one unit.
func (m *merger) add(l *local) {
	m.l = l
	m.ids = append(m.ids[:0], make([]id, len(l.types))...)
	for i := range l.types {
		switch t := &l.types[i]; t.kind {
		case kindStruct, kindUnion, kindEnum, kindEnum64, kindTypedef, kindInt:
			// Constants of no enum's name are used by their own.
			if len(t.name) > 0 || t.kind == kindEnum || t.kind == kindEnum64 {
				m.resolve(uint32(i), 0)
				m.drain()
			}
		}
	}
	for _, f := range l.funcs {
		if f.ref == noRef {
			continue
		}
		proto := m.resolve(f.ref, 0)
		m.drain()
		m.reference(refKey{kind: kindFunc, flag: f.global, name: m.strings.add(f.name), ref: proto})
	}
	for _, v := range l.vars {
		m.variable(v)
	}
}

func (m *merger) variable(v named) {
	if v.ref == noRef {
		return
	}
	g := global{name: m.strings.add(v.name), ref: m.resolve(v.ref, 0), addr: v.addr, external: v.global}
	m.drain()
	if m.perCPU.holds(v.addr) {
		m.perVars = append(m.perVars, g)
		return
	}
	if before, ok := m.vars[g.name]; ok && (before.addr != g.addr || before.ref != g.ref) {
		if before.external && !g.external {
			return
		}
		g.ambiguous = before.ref != g.ref && !g.external || before.ambiguous
	}
	m.vars[g.name] = g
}

func (m *merger) drain() {
	for len(m.queue) > 0 {
		p := m.queue[len(m.queue)-1]
		m.queue = m.queue[:len(m.queue)-1]
		t := &m.l.types[p.index]
		elems := make([]mergedElem, len(t.elems))
		for i := range t.elems {
			e := &t.elems[i]
			elems[i] = mergedElem{m.strings.add(e.name), m.resolve(e.ref, 0), e.at, e.bits}
		}
		m.types[p.id].elems = elems
	}
}

func (m *merger) next(t merged) id {
	if len(m.types) >= maxTypes {
		m.err = fmt.Errorf("more than %d different types, which is no kernel", maxTypes)
		return 0
	}
	m.types = append(m.types, t)
	return id(len(m.types) - 1)
}

// reference is the type that is nothing but its name and what it refers to.
func (m *merger) reference(k refKey) id {
	n, ok := m.byRef[k]
	if !ok {
		n = m.next(merged{kind: k.kind, flag: k.flag, name: k.name, ref: k.ref, size: k.size})
		m.byRef[k] = n
		if k.kind == kindFwd {
			m.fwds = append(m.fwds, n)
		}
	}
	return n
}

// resolve gives a type of the unit its number.
func (m *merger) resolve(i uint32, depth int) id {
	if i == noRef || depth > maxNesting {
		return 0
	}
	if m.ids[i] == 0 {
		n := m.find(i, depth)
		m.ids[i] = n
	}
	return m.ids[i]
}

func (m *merger) find(i uint32, depth int) id {
	t := &m.l.types[i]
	switch t.kind {
	case kindSame:
		return m.resolve(t.ref, depth+1)
	case kindPointer, kindConst, kindVolatile, kindRestrict, kindTypedef, kindArray:
		k := refKey{kind: t.kind, ref: m.resolve(t.ref, depth+1), size: t.size}
		if t.kind == kindTypedef {
			if n, ok := m.base.typedef(t.name, m.sizeOf(k.ref, 0)); ok {
				return n
			}
			k.name = m.strings.add(t.name)
		}
		return m.reference(k)
	case kindFwd:
		return m.reference(refKey{kind: t.kind, flag: t.flag, name: m.strings.add(t.name)})
	case kindFuncProto:
		return m.prototype(t, depth)
	}
	if n, ok := m.byHash[t.hash]; ok {
		return n
	}
	if n, ok := m.base.same(t); ok {
		m.byHash[t.hash] = n
		return n
	}
	n := m.next(merged{kind: t.kind, flag: t.flag, enc: t.enc, name: m.strings.add(t.name), size: t.size})
	m.byHash[t.hash] = n
	if n == 0 {
		return 0
	}
	if t.kind == kindStruct || t.kind == kindUnion {
		k := tagKey{t.kind, m.types[n].name}
		if _, ok := m.full[k]; !ok && k.name != 0 {
			m.full[k] = n
		}
	}
	m.queue = append(m.queue, pending{i, n})
	return n
}

// prototype goes by what its parts are, since it has no name.
func (m *merger) prototype(t *localType, depth int) id {
	p := merged{kind: kindFuncProto, ref: m.resolve(t.ref, depth+1)}
	h := mix(hashStart, uint64(p.ref)+1)
	for j := range t.elems {
		e := mergedElem{name: m.strings.add(t.elems[j].name), ref: m.resolve(t.elems[j].ref, depth+1)}
		h = mix(mix(h, uint64(e.name)), uint64(e.ref))
		p.elems = append(p.elems, e)
	}
	h = mix(h, uint64(len(p.elems))<<8|uint64(kindFuncProto))
	if n, ok := m.byHash[h]; ok {
		return n
	}
	n := m.next(p)
	m.byHash[h] = n
	return n
}

// BTF makes the BTF of the file's types: that of a kernel which has none. It holds every type of the units outside of
// functions, once: structs are the same where their names, sizes and members are. The functions that have code, and the
// variables outside of functions, are in it as well. progress, which may be nil, is told how many bytes were read.
func (f *File) BTF(ctx context.Context, progress func(done, size int64)) ([]byte, error) {
	return f.makeBTF(ctx, nil, progress)
}

// SplitBTF makes the BTF of a module's file, for [btf.ParseSplit]: types that the kernel has are not in it again.
func (f *File) SplitBTF(ctx context.Context, kernel *btf.Spec) ([]byte, error) {
	return f.makeBTF(ctx, kernel, nil)
}

func (f *File) makeBTF(ctx context.Context, base *btf.Spec, progress func(done, size int64)) ([]byte, error) {
	f.mu.Lock()
	units, failure := f.list(), f.failure
	f.mu.Unlock()
	if failure != nil {
		return nil, fmt.Errorf("%s: %w", f.path, failure)
	}
	m := newMerger(f.perCPU, base)
	workers := runtime.GOMAXPROCS(0)
	results := make(chan chan *local, 2*workers)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer close(results)
		slots := make(chan struct{}, workers)
		for _, h := range units {
			result := make(chan *local, 1)
			select {
			case results <- result:
			case <-ctx.Done():
				return
			}
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				result <- f.parseTypes(h)
			}()
		}
	}()
	n := 0
	for result := range results {
		l := <-result
		if l.err != nil {
			return nil, fmt.Errorf("%s: %w", f.path, l.err)
		}
		if m.add(l); m.err != nil {
			return nil, fmt.Errorf("%s: %w", f.path, m.err)
		}
		if n++; progress != nil && n%16 == 0 {
			progress(int64(units[n-1].off), int64(f.raw["info"].size))
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: interrupted while its types were read: %w", f.path, err)
	}
	return m.write()
}

func (f *File) parseTypes(h header) (l *local) {
	defer func() { // a mistake here is not to end the program from a goroutine of its own
		if p := recover(); p != nil {
			l = &local{err: &FormatError{".debug_info", h.off, fmt.Sprint("the unit's types cannot be read: ", p)}}
		}
	}()
	f.mu.Lock()
	u, err := f.load(h)
	f.mu.Unlock()
	if err != nil {
		return &local{err: err}
	}
	return f.typesOf(u)
}
