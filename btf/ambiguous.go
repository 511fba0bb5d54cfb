package btf

// Ambiguous finds a name in the C text of a type that means several types of the blob: files of the kernel's source that
// do not see one another may each have their own. The types that members have do not count.
func (s *Spec) Ambiguous(t Type) (name string, ok bool) { return s.ambiguous(t, 0) }

func (s *Spec) ambiguous(t Type, depth int) (string, bool) {
	for ; depth < maxDepth; depth++ {
		switch v := t.(type) {
		case *Qualifier:
			t = v.Target()
		case *TypeTag:
			t = v.Target()
		case *Pointer:
			t = v.Target()
		case *Array:
			t = v.Elem()
		case *FuncProto:
			for _, p := range v.Params() {
				if name, ok := s.ambiguous(p.Type, depth+1); ok {
					return name, ok
				}
			}
			t = v.Return()
		case *Struct:
			if v.Union {
				return v.Name, s.several(Unions, v.Name)
			}
			return v.Name, s.several(Structs, v.Name)
		case *Enum:
			return v.Name, s.several(Enums, v.Name)
		case *Typedef:
			return v.Name, s.several(Typedefs, v.Name)
		default:
			return "", false
		}
	}
	return "", true
}

func (s *Spec) several(kinds Kinds, name string) bool {
	n := 0
	for b := s; b != nil; b = b.base {
		if n += len(b.find(kinds, name, 2)); n > 1 {
			return true
		}
	}
	return false
}
