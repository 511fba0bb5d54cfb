package btf

import "testing"

func TestAmbiguous(t *testing.T) {
	b := newBlob()
	n := b.int("int", 4, 1)
	for _, size := range []uint32{4, 8} {
		b.structOf(kindStruct, "cache", size, memberOf{"n", n, 0, 0})
		b.ref(kindTypedef, "key_t", n)
	}
	b.structOf(kindStruct, "device", 4, memberOf{"n", n, 0, 0})
	b.structOf(kindUnion, "cache", 4, memberOf{"n", n, 0, 0})
	b.ref(kindTypedef, "u", n)
	s := b.parse(t)
	for text, want := range map[string]string{
		"int": "", "u": "", "struct device": "", "union cache": "", "const struct device *[3]": "", "void *": "",
		"struct cache": "cache", "key_t": "key_t", "const struct cache *[3]": "cache", "struct cache **": "cache",
		"int (*)(struct device *, struct cache *)": "cache", "struct cache *(*)(void)": "cache",
		"int (*)(struct device *, ...)": "",
	} {
		typ, err := s.ParseType(text)
		if err != nil {
			t.Error(err)
			continue
		}
		if name, ok := s.Ambiguous(typ); ok != (want != "") || ok && name != want {
			t.Errorf("Ambiguous(%s) = %q, %v, want %q", text, name, ok, want)
		}
	}
}
