package expr

import (
	"strings"

	"kinspect/btf"
	"kinspect/expr/value"
)

var layoutFunctions = []Function{
	{
		Name: "layout", Signature: "layout('TYPE' or VALUE)", Topic: topicType,
		Doc:      "a type's definition in C, with the offset and size of each member in bytes (of a bit-field, byte:bit and its bits)",
		Examples: []string{"layout('struct list_head')", "layout(netdev('lo'))"},
		MinArgs:  1, MaxArgs: 1, Args: []ArgKind{TypeArg},
		Call: func(c *Call) (any, error) {
			if v, ok := c.Arg(0).(value.Value); ok {
				if _, _, text := isText(v); !text {
					return layout{pointee(v.Type())}, nil
				}
			}
			t, err := c.typeArg(0)
			return layout{t}, err
		},
	},
}

// pointee is what a pointer points to in the end, or the type itself.
func pointee(t btf.Type) btf.Type {
	for range 8 {
		p, ok := btf.Underlying(t).(*btf.Pointer)
		if !ok {
			break
		}
		t = p.Target()
	}
	return t
}

// layout is a type to be printed as its definition.
type layout struct{ t btf.Type }

// Text implements [Printer].
func (l layout) Text(value.Format) (string, error) {
	return strings.TrimSuffix(btf.Printer{Offsets: true}.Definition(l.t), "\n"), nil
}

// JSON implements [Printer]: {"type", "size", "definition", "members": [{"name", "type", "offset", "size",
// "bit_offset", "bit_size"}]}. Offset and size are in bytes; bit_offset, from offset on, and bit_size are of
// bit-fields alone. The members of anonymous structs are listed under the name null.
func (l layout) JSON() (any, error) {
	out := map[string]any{"type": l.t.String(), "definition": btf.CDefinition(l.t)}
	if n, err := btf.Sizeof(l.t); err == nil {
		out["size"] = n
	} else {
		out["size"] = nil
	}
	st, ok := btf.Underlying(l.t).(*btf.Struct)
	if !ok {
		return out, nil
	}
	members := []any{}
	for _, m := range st.Members() {
		row := map[string]any{"name": m.Name, "type": m.Type.String(), "offset": m.BitOffset / 8}
		if m.Name == "" {
			row["name"] = nil
		}
		if m.BitSize != 0 {
			row["bit_offset"], row["bit_size"] = m.BitOffset%8, m.BitSize
		} else if n, err := btf.Sizeof(m.Type); err == nil {
			row["size"] = n
		}
		members = append(members, row)
	}
	out["members"] = members
	return out, nil
}
