package btf

import (
	"bytes"
	"slices"
	"testing"

	cbtf "github.com/cilium/ebpf/btf"
)

// TestOracle decodes every type of real kernels and modules with an independent
// implementation, too, and compares all that both tell.
func TestOracle(t *testing.T) {
	all := realBTFs(t)
	if len(all) == 0 {
		t.Fatal("no BTF of a real kernel: the snapshots are missing")
	}
	for name, b := range all {
		t.Run(name, func(t *testing.T) {
			ours, err := Parse(b.vmlinux)
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := cbtf.LoadSpecFromReader(bytes.NewReader(b.vmlinux))
			if err != nil {
				t.Fatal(err)
			}
			compareSpecs(t, ours, theirs)
			for module, data := range b.modules {
				t.Run(module, func(t *testing.T) {
					ours, err := ParseSplit(data, module, ours)
					if err != nil {
						t.Fatal(err)
					}
					theirs, err := cbtf.LoadSplitSpecFromReader(bytes.NewReader(data), theirs)
					if err != nil {
						t.Fatal(err)
					}
					compareSpecs(t, ours, theirs)
				})
			}
		})
	}
}

func compareSpecs(t *testing.T, ours *Spec, theirs *cbtf.Spec) {
	n := 0
	for typ, err := range theirs.All() {
		if err != nil {
			t.Fatal(err)
		}
		id, err := theirs.TypeID(typ)
		if err != nil {
			t.Fatal(err)
		}
		if ID(id) < ours.FirstID() && id != 0 {
			continue
		}
		n++
		c := comparison{t, ours, theirs, ID(id)}
		have, err := ours.TypeByID(ID(id))
		if err != nil {
			t.Fatal(err)
		}
		c.compare(have, typ)
		if t.Failed() {
			t.FailNow()
		}
	}
	if _, err := theirs.TypeByID(cbtf.TypeID(ours.NumTypes())); err == nil {
		t.Errorf("we have %d types, they have more", ours.NumTypes())
	}
	// They hang declaration tags on what these describe.
	tags := 0
	for id := ours.FirstID(); int(id) < ours.NumTypes(); id++ {
		if tag, ok := ours.typeOrUnknown(id).(*DeclTag); ok {
			tags++
			comparison{t, ours, theirs, id}.tag(tag)
		}
	}
	if own := ours.NumTypes() - int(ours.FirstID()); n < own-tags {
		t.Errorf("compared %d of %d types, of which %d are tags", n, own, tags)
	}
	t.Logf("%d types and %d tags agree", n, tags)
}

func (c comparison) tag(have *DeclTag) {
	target, err := c.theirs.TypeByID(cbtf.TypeID(have.target.id))
	if err != nil {
		c.Fatal(err)
	}
	c.same("target", have.Target(), target)
	var tags []string
	i := int(have.Component)
	switch target := target.(type) {
	case *cbtf.Struct:
		if tags = target.Tags; i >= 0 {
			tags = target.Members[i].Tags
		}
	case *cbtf.Union:
		if tags = target.Tags; i >= 0 {
			tags = target.Members[i].Tags
		}
	case *cbtf.Func:
		if tags = target.Tags; i >= 0 {
			tags = target.ParamTags[i]
		}
	case *cbtf.Typedef:
		tags = target.Tags
	case *cbtf.Var:
		tags = target.Tags
	}
	if !slices.Contains(tags, have.Value) {
		c.Errorf("type %d: tag %q of %v: they have %q", c.id, have.Value, target, tags)
	}
}

type comparison struct {
	*testing.T
	ours   *Spec
	theirs *cbtf.Spec
	id     ID
}

func equal[T comparable](c comparison, what string, have, want T) {
	if have != want {
		c.Errorf("type %d: %s is %v, want %v", c.id, what, have, want)
	}
}

// same compares a reference: what they point to must be our type of its ID, the
// same pointer.
func (c comparison) same(what string, have Type, want cbtf.Type) {
	if _, ok := want.(*cbtf.Void); ok {
		equal(c, what, have, Type(theVoid))
		return
	}
	id, err := c.theirs.TypeID(want)
	if err != nil {
		c.Fatal(err)
	}
	t, err := c.ours.TypeByID(ID(id))
	if err != nil {
		c.Fatal(err)
	}
	equal(c, what, have, t)
}

func (c comparison) size(have Type, want cbtf.Type) {
	h, herr := Sizeof(have)
	w, werr := cbtf.Sizeof(want)
	if (herr == nil) != (werr == nil) || werr == nil && h != uint64(w) {
		c.Errorf("type %d: size is %d, %v, want %d, %v", c.id, h, herr, w, werr)
	}
}

func as[T Type](c comparison, t Type) T {
	have, ok := t.(T)
	if !ok {
		c.Fatalf("type %d is %T, want %T", c.id, t, have)
	}
	return have
}

func (c comparison) compare(have Type, want cbtf.Type) {
	if _, void := want.(*cbtf.Void); !void {
		equal(c, "name", have.TypeName(), want.TypeName())
	}
	switch want := want.(type) {
	case *cbtf.Void:
		as[*Void](c, have)
	case *cbtf.Int:
		have := as[*Int](c, have)
		equal(c, "size", have.Size, want.Size)
		equal(c, "signed", have.Signed, want.Encoding&cbtf.Signed != 0)
		equal(c, "char", have.Char, want.Encoding&cbtf.Char != 0)
		equal(c, "bool", have.Bool, want.Encoding&cbtf.Bool != 0)
	case *cbtf.Float:
		equal(c, "size", as[*Float](c, have).Size, want.Size)
	case *cbtf.Pointer:
		c.same("target", as[*Pointer](c, have).Target(), want.Target)
	case *cbtf.Array:
		have := as[*Array](c, have)
		c.same("element", have.Elem(), want.Type)
		equal(c, "length", have.Len, want.Nelems)
		c.size(have, want)
	case *cbtf.Struct:
		have := as[*Struct](c, have)
		equal(c, "union", have.Union, false)
		c.members(have, want.Members, want.Size)
	case *cbtf.Union:
		have := as[*Struct](c, have)
		equal(c, "union", have.Union, true)
		c.members(have, want.Members, want.Size)
	case *cbtf.Enum:
		have := as[*Enum](c, have)
		equal(c, "size", have.Size, want.Size)
		equal(c, "signed", have.Signed, want.Signed)
		equal(c, "number of values", len(have.Values()), len(want.Values))
		for i, v := range have.Values() {
			equal(c, "enumerator", v.Name, want.Values[i].Name)
			equal(c, "value", v.Value, want.Values[i].Value)
		}
	case *cbtf.Fwd:
		equal(c, "union", as[*Fwd](c, have).Union, want.Kind == cbtf.FwdUnion)
	case *cbtf.Typedef:
		c.same("target", as[*Typedef](c, have).Target(), want.Type)
		c.size(have, want)
	case *cbtf.Const:
		c.qualifier(have, Const, want.Type)
	case *cbtf.Volatile:
		c.qualifier(have, Volatile, want.Type)
	case *cbtf.Restrict:
		c.qualifier(have, Restrict, want.Type)
	case *cbtf.TypeTag:
		have := as[*TypeTag](c, have)
		equal(c, "value", have.Value, want.Value)
		c.same("target", have.Target(), want.Type)
	case *cbtf.Func:
		have := as[*Func](c, have)
		equal(c, "linkage", int(have.Linkage), int(want.Linkage))
		c.same("type", have.Type(), want.Type)
	case *cbtf.FuncProto:
		have := as[*FuncProto](c, have)
		c.same("result", have.Return(), want.Return)
		equal(c, "number of parameters", len(have.Params()), len(want.Params))
		for i, p := range have.Params() {
			equal(c, "parameter", p.Name, want.Params[i].Name)
			c.same("parameter's type", p.Type, want.Params[i].Type)
		}
	case *cbtf.Var:
		have := as[*Var](c, have)
		equal(c, "linkage", int(have.Linkage), int(want.Linkage))
		c.same("type", have.Type(), want.Type)
	case *cbtf.Datasec:
		have := as[*DataSec](c, have)
		equal(c, "size", have.Size, want.Size)
		equal(c, "number of variables", len(have.Vars()), len(want.Vars))
		for i, v := range have.Vars() {
			c.same("variable", v.Var, want.Vars[i].Type)
			equal(c, "offset", v.Offset, want.Vars[i].Offset)
			equal(c, "size", v.Size, want.Vars[i].Size)
		}
	default:
		c.Fatalf("type %d: %T", c.id, want)
	}
}

func (c comparison) qualifier(have Type, qual Qual, target cbtf.Type) {
	q := as[*Qualifier](c, have)
	equal(c, "qualifier", q.Qual, qual)
	c.same("target", q.Target(), target)
}

func (c comparison) members(have *Struct, want []cbtf.Member, size uint32) {
	equal(c, "size", have.Size, size)
	equal(c, "number of members", len(have.Members()), len(want))
	for i, m := range have.Members() {
		equal(c, "member", m.Name, want[i].Name)
		equal(c, m.Name+"'s offset", cbtf.Bits(m.BitOffset), want[i].Offset)
		equal(c, m.Name+"'s size in bits", cbtf.Bits(m.BitSize), want[i].BitfieldSize)
		c.same(m.Name+"'s type", m.Type, want[i].Type)
	}
}
