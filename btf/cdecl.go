package btf

import (
	"fmt"
	"strconv"
	"strings"
)

// Limits of a declaration. The longest of a kernel has 452 bytes; the cyclic types
// of a bad blob would have no end without them.
const (
	maxDeclTypes  = 512     // types visited for one declaration
	maxDeclLen    = 1 << 14 // bytes of text
	maxParamDepth = 16      // function types within parameters of function types
)

// CDecl returns the C declaration of name as a t: "struct list_head
// ptype_base[16]", "int (*func)(struct sk_buff *, struct net_device *)". With an
// empty name it is the type as a cast has it.
func CDecl(t Type, name string) string {
	d := declarator{budget: maxDeclTypes, paramNames: true}
	return d.declare(t, name, 0)
}

func typeString(t Type) string {
	d := declarator{budget: maxDeclTypes}
	return d.declare(t, "", 0)
}

// declarator spells declarations. C declares by example: what the name stands in
// the middle of is built from the inside out, while the chain of types is
// followed from the declared thing to the base type.
type declarator struct {
	budget     int
	paramNames bool
	zeroLen    bool // write [0], not [], for flexible arrays: valid in more places

	// anonymous spells the body of an anonymous struct, union or enum, for
	// definitions; nil gives "{...}".
	anonymous func(t Type) string
}

func (d *declarator) declare(t Type, inner string, depth int) string {
	// Of the type to come, not yet written.
	var quals qualBits
	var tags string
	for {
		if d.budget--; d.budget < 0 || len(inner) > maxDeclLen {
			return join("...", inner)
		}
		switch v := t.(type) {
		case *Qualifier:
			quals |= 1 << v.Qual
			t = v.Target()
		case *TypeTag:
			if tag := v.spelling() + " "; !strings.Contains(tags, tag) {
				tags = tag + tags
			}
			t = v.Target()
		case *Pointer:
			inner = "*" + join(strings.TrimSuffix(tags+quals.String(), " "), inner)
			quals, tags = 0, ""
			t = v.Target()
			switch skipQualifiers(t).(type) {
			case *Array, *FuncProto:
				inner = "(" + inner + ")"
			}
		case *Array:
			switch {
			case v.Len == 0 && !d.zeroLen:
				inner += "[]"
			default:
				inner += "[" + strconv.FormatUint(uint64(v.Len), 10) + "]"
			}
			t = v.Elem()
		case *FuncProto:
			inner += "(" + d.params(v, depth) + ")"
			quals, tags = 0, "" // a function has none in C
			t = v.Return()
		case *Func:
			inner = v.Name
			t = v.Type()
		case *Var:
			inner = v.Name
			t = v.Type()
		default:
			return quals.String() + join(join(d.base(t), strings.TrimSuffix(tags, " ")), inner)
		}
	}
}

// qualBits is a set of qualifiers: a bit for each, 1 << Qual.
type qualBits uint8

// String spells the set in the usual order, whatever order the blob has, with a
// space at the end.
func (q qualBits) String() string {
	s := ""
	for qual := Const; qual <= Restrict; qual++ {
		if q&(1<<qual) != 0 {
			s += qual.String() + " "
		}
	}
	return s
}

// skipQualifiers strips qualifiers and tags, but not typedefs: what is left
// decides whether a pointer needs parentheses.
func skipQualifiers(t Type) Type {
	for range maxDepth {
		switch v := t.(type) {
		case *Qualifier:
			t = v.Target()
		case *TypeTag:
			t = v.Target()
		default:
			return t
		}
	}
	return t
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}

func (d *declarator) params(t *FuncProto, depth int) string {
	params := t.Params()
	if len(params) == 0 {
		return "void"
	}
	if depth >= maxParamDepth {
		return "..."
	}
	var b strings.Builder
	for i, p := range params {
		if i > 0 {
			b.WriteString(", ")
		}
		if d.budget < 0 || b.Len() > maxDeclLen {
			b.WriteString("...")
			break
		}
		if _, void := p.Type.(*Void); void && p.Name == "" && i == len(params)-1 {
			b.WriteString("...")
			break
		}
		name := ""
		if d.paramNames {
			name = p.Name
		}
		b.WriteString(d.declare(p.Type, name, depth+1))
	}
	return b.String()
}

// base spells a type that is not built from another.
func (d *declarator) base(t Type) string {
	tagged := func(keyword, tag string) string {
		switch {
		case tag != "":
			return keyword + " " + tag
		case d.anonymous != nil:
			return d.anonymous(t)
		}
		return keyword + " {...}"
	}
	switch t := t.(type) {
	case *Void:
		return "void"
	case *Int:
		if c, ok := canonicalInt(t.Name); ok {
			return c.String()
		}
		return t.Name
	case *Float:
		return t.Name
	case *Struct:
		return tagged(t.keyword(), t.Name)
	case *Enum:
		return tagged("enum", t.Name)
	case *Fwd:
		if t.Union {
			return "union " + t.Name
		}
		return "struct " + t.Name
	case *Typedef:
		return t.Name
	case *DataSec:
		return fmt.Sprintf("section %q", t.Name)
	case *DeclTag:
		return fmt.Sprintf("btf_decl_tag(%q)", t.Value)
	case *Unknown:
		if t.Kind == 0 {
			return fmt.Sprintf("<bad type ID %d>", t.ID)
		}
		return fmt.Sprintf("<type %d of unknown kind %d>", t.ID, t.Kind)
	}
	return "<bad type>"
}

// spelling gives the macro that kernel source writes for the tag
// (include/linux/compiler_types.h), or the attribute itself.
func (t *TypeTag) spelling() string {
	switch {
	case t.Attribute:
		return "__attribute__((" + t.Value + "))"
	case t.Value == "user", t.Value == "percpu", t.Value == "rcu":
		return "__" + t.Value
	}
	return fmt.Sprintf("__attribute__((btf_type_tag(%q)))", t.Value)
}

func (t *Void) String() string      { return typeString(t) }
func (t *Int) String() string       { return typeString(t) }
func (t *Float) String() string     { return typeString(t) }
func (t *Pointer) String() string   { return typeString(t) }
func (t *Array) String() string     { return typeString(t) }
func (t *Struct) String() string    { return typeString(t) }
func (t *Enum) String() string      { return typeString(t) }
func (t *Fwd) String() string       { return typeString(t) }
func (t *Typedef) String() string   { return typeString(t) }
func (t *Qualifier) String() string { return typeString(t) }
func (t *TypeTag) String() string   { return typeString(t) }
func (t *DeclTag) String() string   { return typeString(t) }
func (t *Unknown) String() string   { return typeString(t) }
func (t *FuncProto) String() string { return typeString(t) }
func (t *DataSec) String() string   { return typeString(t) }

// String spells the declaration: "int ip_rcv(struct sk_buff *skb)".
func (t *Func) String() string { return CDecl(t, "") }

// String spells the declaration: "struct softnet_data softnet_data".
func (t *Var) String() string { return CDecl(t, "") }
