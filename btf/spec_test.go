package btf

import (
	"errors"
	"strings"
	"sync"
	"testing"
)

func TestParseErrors(t *testing.T) {
	good := sample().bytes()
	patch := func(at int, b ...byte) []byte {
		d := append([]byte(nil), good...)
		copy(d[at:], b)
		return d
	}
	for _, test := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "too few for a header"},
		{"short", good[:23], "too few for a header"},
		{"not BTF", []byte(strings.Repeat("ELF ", 8)), "magic"},
		{"big-endian", patch(0, 0xeb, 0x9f), "big-endian"},
		{"version", patch(2, 2), "version 2"},
		{"flags", patch(3, 1), "flags"},
		{"header too short", patch(4, 20, 0), "header length 20"},
		{"header too long", patch(4, 0xff, 0xff, 0xff, 0xff), "header length"},
		{"types too far", patch(8, 0xff, 0xff, 0xff, 0xff), "type section"},
		{"types too long", patch(12, 0xff, 0xff, 0xff, 0xff), "type section"},
		{"strings too far", patch(16, 0xff, 0xff, 0xff, 0xff), "string section"},
		{"cut", good[:len(good)-1], "string section"},
		{"unterminated", patch(len(good)-1, 'x'), "NUL"},
		{"vlen past the end", patch(headerLen+4, 0xff, 0xff, 0xff, kindStruct), "ends past the type section"},
		{"stray bytes", patch(12, good[12]-4), "past the type section"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := Parse(test.data)
			var format *FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Parse = %v, %v, want a FormatError with %q", s, err, test.want)
			}
		})
	}
}

func TestTypeByID(t *testing.T) {
	s := sample().parse(t)
	for id := range ID(s.NumTypes()) {
		a, err := s.TypeByID(id)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := s.TypeByID(id); a != b {
			t.Errorf("type %d is decoded twice", id)
		}
	}
	for _, id := range []ID{ID(s.NumTypes()), 1 << 31, 1<<32 - 1} {
		if typ, err := s.TypeByID(id); !errors.Is(err, ErrNotFound) {
			t.Errorf("TypeByID(%d) = %v, %v", id, typ, err)
		}
	}
	st, err := s.Struct("list_head")
	if err != nil {
		t.Fatal(err)
	}
	p, ok := st.Members()[0].Type.(*Pointer)
	if !ok || p.Target() != Type(st) {
		t.Errorf("list_head.next does not point to list_head")
	}
}

// newKinds has kinds that this package does not know, and no section that tells
// their sizes.
func newKinds() *blob {
	b := newBlob()
	b.int("int", 4, 1)
	b.add("location", 21, 3, 0, 8, 1, 2, 3, 4) // 4 bytes, and 4 for each of 3
	b.add("shape", 100, 0, kindFlag, 8)
	b.structOf(kindStruct, "last", 4, memberOf{"n", 1, 0, 0})
	return b
}

// futureBlob adds the longer header and the layout section.
func futureBlob() *blob {
	b := newKinds()
	b.layout = make([]byte, 101*layoutEntryLen)
	b.layout[21*layoutEntryLen] = 4
	b.layout[21*layoutEntryLen+1] = 4
	// What it says of known kinds makes no difference.
	b.layout[kindInt*layoutEntryLen] = 200
	return b
}

func TestLayoutSection(t *testing.T) {
	s := futureBlob().parse(t)
	if s.NumTypes() != 5 || s.Incomplete() != nil {
		t.Fatalf("%d types, %v", s.NumTypes(), s.Incomplete())
	}
	if st, err := s.Struct("last"); err != nil || st.Members()[0].Type.String() != "int" {
		t.Errorf("Struct(last) = %v, %v", st, err)
	}
	typ, err := s.TypeByID(2)
	if u, ok := typ.(*Unknown); !ok || u.Kind != 21 || u.Name != "location" || u.String() != "<type 2 of unknown kind 21>" {
		t.Errorf("type 2 = %v, %v", typ, err)
	}
	if _, err := Sizeof(typ); !errors.Is(err, ErrNoSize) {
		t.Errorf("Sizeof(unknown) = %v", err)
	}

	// Without the section, what comes before the unknown kind stays of use.
	s = newKinds().parse(t)
	if s.NumTypes() != 2 || s.Incomplete() == nil {
		t.Fatalf("%d types, %v", s.NumTypes(), s.Incomplete())
	}
	if _, err := s.FindInt("int"); err != nil {
		t.Error(err)
	}
	if _, err := s.Struct("last"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "kind 21 is unknown") {
		t.Errorf("Struct(last) = %v", err)
	}
	if _, err := s.TypeByID(3); err == nil {
		t.Error("type 3 can be read")
	}

	// A section that does not reach the kind helps no more than none; a header
	// with still more fields is fine.
	b := newKinds()
	b.layout = make([]byte, 20*layoutEntryLen)
	if s = b.parse(t); s.Incomplete() == nil {
		t.Error("a layout section without the kind makes it known")
	}
	data := sample().bytes()
	longer := append([]byte(nil), data[:headerLen]...)
	longer[4] = headerLayoutLen + 8
	longer = append(longer, make([]byte, 16)...)
	longer = append(longer, data[headerLen:]...)
	if s, err := Parse(longer); err != nil || s.NumTypes() != sample().parse(t).NumTypes() {
		t.Errorf("longer header: %v", err)
	}
}

func TestVlen24(t *testing.T) {
	b := newBlob()
	n := b.int("int", 4, 1)
	members := make([]memberOf, 1<<16+5)
	for i := range members {
		members[i] = memberOf{"", n, 0, 0}
	}
	b.structOf(kindStruct, "wide", 4, members...)
	b.int("char", 1, 2)
	s := b.parse(t)
	if st, err := s.Struct("wide"); err != nil || len(st.Members()) != len(members) {
		t.Errorf("Struct(wide) = %v", err)
	}
	if _, err := s.FindInt("char"); err != nil {
		t.Error(err)
	}
}

func TestSplit(t *testing.T) {
	base := sample().parse(t)
	list, err := base.Struct("list_head")
	if err != nil {
		t.Fatal(err)
	}
	var listID ID
	for id := range ID(base.NumTypes()) {
		if typ, _ := base.TypeByID(id); typ == Type(list) {
			listID = id
		}
	}
	b := splitBlob(base)
	// The second member is called "next": a name of the base.
	next := list.rows[:4]
	id := b.structOf(kindStruct, "slave", 32, memberOf{"list", listID, 0, 0}, memberOf{"", listID, 128, 0})
	copy(b.types[len(b.types)-memberLen:], next)
	b.structOf(kindStruct, "stats", 4, memberOf{"only", 1, 0, 0}) // its own, not the base's
	s, err := ParseSplit(b.bytes(), "bonding", base)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name() != "bonding" || s.Base() != base || s.NumTypes() != base.NumTypes()+2 || s.FirstID() != id {
		t.Errorf("split spec is %q on %p, types %d to %d", s.Name(), s.Base(), s.FirstID(), s.NumTypes())
	}
	slave, err := s.Struct("slave")
	if err != nil {
		t.Fatal(err)
	}
	if slave.Members()[0].Type != Type(list) || slave.Members()[1].Name != "next" {
		t.Errorf("slave has %+v", slave.Members())
	}
	if st, err := s.Struct("list_head"); err != nil || st != list {
		t.Errorf("list_head of the split spec is another: %v", err)
	}
	if st, err := s.Struct("stats"); err != nil || st.Size != 4 {
		t.Errorf("stats is the base's: %v", err)
	}
	if st, err := base.Struct("stats"); err != nil || st.Size != 16 {
		t.Errorf("the base's stats is the module's: %v", err)
	}
	if all := s.All(Structs, "stats"); len(all) != 2 {
		t.Errorf("All(stats) = %v", all)
	}
	if _, err := base.Struct("slave"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the base has slave: %v", err)
	}
	if got := s.NamesWithPrefix(Structs, "s", 0); strings.Join(got, " ") != "slave stats" {
		t.Errorf("names with s: %q", got)
	}
	if v, e, ok := s.Enumerator("MODE_FULL"); !ok || v.Value != 7 || e.Name != "mode" {
		t.Errorf("Enumerator(MODE_FULL) = %v, %v", v, e)
	}
	if typ, err := s.ParseType("struct slave *[2]"); err != nil || typ.String() != "struct slave *[2]" {
		t.Errorf("ParseType = %v, %v", typ, err)
	}
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	base := sample().parse(t)
	b := splitBlob(base)
	b.ref(kindPointer, "", 7)
	s, err := ParseSplit(b.bytes(), "module", base)
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Struct("device")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				st, err := s.Struct("device")
				if err != nil || st != first {
					t.Errorf("Struct = %p, %v, want %p", st, err, first)
				}
				if _, err := st.FindMember("port[1].tx"); err != nil {
					t.Error(err)
				}
				CDefinition(st)
				for id := range ID(s.NumTypes()) {
					typ, err := s.TypeByID(id)
					if err != nil {
						t.Error(err)
					}
					_ = typ.String()
				}
			}
		})
	}
	wg.Wait()
}
