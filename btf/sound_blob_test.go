package btf

import (
	"errors"
	"strings"
	"testing"
)

// TestSound spoils one thing of a struct at a time.
func TestSound(t *testing.T) {
	type m = memberOf
	for name, tt := range map[string]struct {
		kind, size uint32
		members    func(i, c, p, s ID) []m // of an int, a char, a pointer, and a packed struct of 5 bytes
		want       string                  // in the error, "" for none
	}{
		"plain":              {kindStruct, 16, func(i, c, p, s ID) []m { return []m{{"a", i, 0, 0}, {"b", p, 64, 0}} }, ""},
		"bit-fields":         {kindStruct, 8, func(i, c, p, s ID) []m { return []m{{"a", i, 0, 3}, {"b", i, 3, 29}, {"d", i, 40, 8}} }, ""},
		"packed":             {kindStruct, 13, func(i, c, p, s ID) []m { return []m{{"a", c, 0, 0}, {"b", i, 8, 0}, {"d", p, 40, 0}} }, ""},
		"cache line":         {kindStruct, 128, func(i, c, p, s ID) []m { return []m{{"a", i, 0, 0}, {"b", i, 512, 0}} }, ""},
		"odd struct inside":  {kindStruct, 8, func(i, c, p, s ID) []m { return []m{{"a", c, 0, 0}, {"", s, 8, 0}} }, ""},
		"union":              {kindUnion, 8, func(i, c, p, s ID) []m { return []m{{"a", c, 0, 0}, {"b", p, 0, 0}} }, ""},
		"overlap":            {kindStruct, 16, func(i, c, p, s ID) []m { return []m{{"a", p, 0, 0}, {"b", i, 32, 0}} }, "overlap, b among them"},
		"descending":         {kindStruct, 16, func(i, c, p, s ID) []m { return []m{{"a", p, 64, 0}, {"b", p, 0, 0}} }, "overlap"},
		"behind the end":     {kindStruct, 16, func(i, c, p, s ID) []m { return []m{{"a", p, 0, 0}, {"b", p, 128, 0}} }, "ends behind them"},
		"moved down":         {kindStruct, 24, func(i, c, p, s ID) []m { return []m{{"a", i, 0, 0}, {"b", p, 32, 0}, {"d", p, 128, 0}} }, "not aligned, and is not packed"},
		"moved up":           {kindStruct, 16, func(i, c, p, s ID) []m { return []m{{"a", i, 32, 0}, {"b", p, 64, 0}} }, "behind the place"},
		"moved up at end":    {kindStruct, 16, func(i, c, p, s ID) []m { return []m{{"a", p, 0, 0}, {"b", i, 96, 0}} }, "behind the place"},
		"within a byte":      {kindStruct, 8, func(i, c, p, s ID) []m { return []m{{"a", c, 0, 0}, {"b", c, 12, 0}} }, "within a byte"},
		"wide bit-field":     {kindStruct, 8, func(i, c, p, s ID) []m { return []m{{"a", i, 0, 33}} }, "a bit-field a of 33 bits"},
		"size of a line":     {kindStruct, 72, func(i, c, p, s ID) []m { return []m{{"a", i, 0, 0}, {"b", i, 512, 0}} }, "aligned to 64"},
		"union's member":     {kindUnion, 8, func(i, c, p, s ID) []m { return []m{{"a", c, 8, 0}} }, "does not begin with it"},
		"void":               {kindStruct, 8, func(i, c, p, s ID) []m { return []m{{"a", 0, 0, 0}} }, "without a size"},
		"name twice":         {kindStruct, 8, func(i, c, p, s ID) []m { return []m{{"", i, 0, 0}} }, "without a name"},
		"name of two words":  {kindStruct, 8, func(i, c, p, s ID) []m { return []m{{"a b", i, 0, 0}} }, `the name "a b"`},
		"name of nothing":    {kindStruct, 8, func(i, c, p, s ID) []m { return []m{{"\x01", i, 0, 0}} }, "the name"},
		"larger than itself": {kindStruct, 4, func(i, c, p, s ID) []m { return []m{{"a", p, 0, 0}} }, "4 bytes, and its member a 8"},
	} {
		b := newBlob()
		i := b.int("int", 4, 1)
		c := b.int("char", 1, 1)
		p := b.ref(kindPointer, "", i)
		s := b.structOf(kindStruct, "", 5, m{"x", c, 0, 0}, m{"y", i, 8, 0})
		b.structOf(tt.kind, "it", tt.size, tt.members(i, c, p, s)...)
		spec := b.parse(t)
		st, err := spec.structOrUnion(map[uint32]Kinds{kindStruct: Structs, kindUnion: Unions}[tt.kind], "it")
		if err != nil {
			t.Fatal(err)
		}
		err = st.Sound()
		var layout *LayoutError
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.want != "" && (!errors.As(err, &layout) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v does not say %q", name, err, tt.want)
		}
		if _, ferr := st.FindMember("a"); (ferr == nil) != (tt.want == "") && tt.want == "" {
			t.Errorf("%s: FindMember: %v", name, ferr)
		}
	}
}

// TestIntContradicts: a size or an encoding that C does not give the name.
func TestIntContradicts(t *testing.T) {
	b := newBlob()
	bad := []ID{
		b.int("int", 8, 1), b.int("int", 4, 0), b.int("long unsigned int", 8, 1), b.int("_Bool", 1, 0), b.int("unsigned char", 1, 1),
		b.int("thing", 3, 0), b.add("int", kindInt, 0, 0, 4, 1<<24|64), b.int("short int", 4, 1),
	}
	good := []ID{b.int("char", 1, 0), b.int("char", 1, 1), b.int("thing", 8, 0), b.int("_Bool", 1, 4), b.int("unsigned __int128", 16, 0)}
	s := b.parse(t)
	for _, id := range bad {
		if typ, ok := s.typeOrUnknown(id).(*Unknown); !ok {
			t.Errorf("type %d is believed: %v", id, typ)
		}
	}
	for _, id := range good {
		if _, ok := s.typeOrUnknown(id).(*Int); !ok {
			t.Errorf("type %d is not believed", id)
		}
	}
}
