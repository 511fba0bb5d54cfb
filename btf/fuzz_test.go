package btf

import "testing"

// FuzzBTF fuzzes the whole of a blob, header first.
func FuzzBTF(f *testing.F) {
	data := sample().bytes()
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add(futureBlob().bytes())
	base := must(Parse(data))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := Parse(data); err == nil {
			exercise(s, 50)
			if m, err := ParseSplit(data, "again", s); err == nil {
				exercise(m, 50)
			}
		}
		if s, err := ParseSplit(data, "module", base); err == nil {
			exercise(s, 80)
		}
	})
}

// FuzzTypes fuzzes the sections under a header that fits them, so that the fuzzer
// gets to the types.
func FuzzTypes(f *testing.F) {
	for _, b := range []*blob{sample(), futureBlob()} {
		f.Add(b.types, b.strings, b.layout)
	}
	b := newBlob()
	b.structOf(kindStruct, "", 8, memberOf{"", 1, 0, 0}, memberOf{"", 1, 32, 0})
	b.add("f", kindFuncProto, 2, 0, 2, 0, 2, 0, 2)
	b.array(3, 7)
	f.Add(b.types, b.strings, b.layout)
	base := must(Parse(sample().bytes()))
	f.Fuzz(func(t *testing.T, types, strings, layout []byte) {
		b := &blob{types: types, layout: layout, strings: append(append([]byte{0}, strings...), 0)}
		if s, err := Parse(b.bytes()); err == nil {
			exercise(s, 50)
		}
		if s, err := ParseSplit(b.bytes(), "module", base); err == nil {
			exercise(s, 80)
		}
	})
}

func FuzzParseType(f *testing.F) {
	s, err := Parse(sample().bytes())
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{
		"struct list_head *[4]", "int (*(*)[3])(void (*)(int), ...)", "const struct device __percpu *const",
		"unsigned long long int", "enum mode", "u8[0x10][]", "struct", "int (*",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		typ, err := s.ParseType(text)
		if err != nil {
			_ = err.Error()
			return
		}
		// What is printed reads back as the same.
		again, err := s.ParseType(typ.String())
		if err != nil || again.String() != typ.String() {
			t.Errorf("%q is %q, which reads back as %v, %v", text, typ, again, err)
		}
	})
}

func FuzzFindMember(f *testing.F) {
	device, err := must(Parse(sample().bytes())).Struct("device")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range []string{"name[3]", "port[1].tx", "hi", "list.next", "a..b", "[0]", "tags[99]"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if _, err := device.FindMember(path); err != nil {
			_ = err.Error()
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
