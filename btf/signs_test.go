package btf

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kinspect/kmem"
)

// TestNegative compares what the enumerators' looks say of an enum's sign with what the
// kernels that record it have.
func TestNegative(t *testing.T) {
	// Unsigned ones that look as if they were not: -1U and 0xffffff00U.
	unsigned := []string{"mm_cid_state", "nft_data_types", "scx_consts"}
	eachReal(t, func(t *testing.T, s *Spec) {
		if !s.signsRecorded() {
			t.Skip("this kernel does not record the sign")
		}
		looked, wrong := 0, 0
		for i := range s.ofKind(kindEnum) {
			e, ok := s.typeOrUnknown(s.firstID + ID(i)).(*Enum)
			if !ok || !slices.ContainsFunc(e.Values(), func(v EnumValue) bool { return uint32(v.Value)>>31 != 0 }) {
				continue
			}
			looked++
			if e.negative() == e.Signed {
				continue
			}
			wrong++
			bits := !slices.ContainsFunc(e.Values(), func(v EnumValue) bool { return int64(v.Value) < 0 && int64(v.Value) >= -4096 })
			if first := e.Values()[0].Name; e.Signed && !bits || !e.Signed && !slices.Contains(unsigned, e.Name) {
				t.Errorf("enum %s { %s, … } is signed: %v", e.Name, first, e.Signed)
			}
		}
		t.Logf("%d enums of %d are not what they look", wrong, looked)
		if looked < 20 {
			t.Errorf("only %d enums have values of the upper half", looked)
		}
	})
}

// TestSignsUnrecorded reads types as old paholes wrote them.
func TestSignsUnrecorded(t *testing.T) {
	b := newBlob()
	char, schar := b.int("char", 1, 0), b.int("signed char", 1, 0)
	uchar := b.int("unsigned char", 1, 0)
	state := b.add("state", kindEnum, 2, 0, 4, b.name("DEAD"), 0xfffffffc, b.name("ALIVE"), 1)
	flags := b.add("flags", kindEnum, 2, 0, 4, b.name("ONE"), 1, b.name("LAST"), 1<<31)
	tables := b.add("tables", kindEnum, 2, 0, 4, b.name("MAIN"), 254, b.name("TABLE_MAX"), 0xffffffff)
	small := b.add("small", kindEnum, 2, 0, 1, b.name("NONE"), 0xffffff80, b.name("SOME"), 1)
	old := b.parse(t)

	split := splitBlob(old)
	moduleChar := split.int("char", 1, 0)
	module, err := ParseSplit(split.bytes(), "mod", old)
	if err != nil {
		t.Fatal(err)
	}

	b = newBlob()
	newChar := b.int("char", 1, 0) // of -funsigned-char
	b.int("signed char", 1, 1)
	b.add("negative", kindEnum, 1, kindFlag, 4, b.name("MINUS"), 0xffffffff)
	tag := b.add("tag", kindEnum, 1, 0, 4, b.name("NO_TAG"), 0xffffffff)
	recorded := b.parse(t)

	for _, test := range []struct {
		name   string
		spec   *Spec
		id     ID
		signed bool
	}{
		{"char", old, char, true},
		{"signed char", old, schar, true},
		{"unsigned char", old, uchar, false},
		{"char of a module", module, moduleChar, true},
		{"negative enumerators", old, state, true},
		{"flags", old, flags, false},
		{"a maximum", old, tables, false},
		{"an enum of one byte", old, small, true},
		{"unsigned char, recorded", recorded, newChar, false},
		{"unsigned enum, recorded", recorded, tag, false},
	} {
		typ, err := test.spec.TypeByID(test.id)
		if err != nil {
			t.Fatal(err)
		}
		var signed bool
		switch typ := typ.(type) {
		case *Int:
			signed = typ.Signed
		case *Enum:
			signed = typ.Signed
		default:
			t.Errorf("%s: is %T", test.name, typ)
			continue
		}
		if signed != test.signed {
			t.Errorf("%s: signed %v, want %v", test.name, signed, test.signed)
		}
	}
	typ, _ := old.TypeByID(state)
	if v := typ.(*Enum).Values()[0].Value; int64(v) != -4 {
		t.Errorf("DEAD is %d, want -4", int64(v))
	}
}

// TestLabSigns compares 5.10, which records no sign of an enum nor of a char, with 6.1, which does:
// enums that have the same name and enumerators in both have the same sign.
func TestLabSigns(t *testing.T) {
	dir := os.Getenv("KINSPECT_LAB_RESULTS")
	if dir == "" {
		t.Skip("KINSPECT_LAB_RESULTS is not set: this reads the lab's dumps")
	}
	open := func(series string) *Spec {
		img, err := kmem.Open(filepath.Join(dir, series, "incident.elf"))
		if err != nil {
			t.Skip(err)
		}
		defer img.Close()
		s, err := Parse(imageBTF(t, img))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	old, recorded := open("5.10"), open("6.1")
	if old.signsRecorded() || !recorded.signsRecorded() {
		t.Fatal("5.10 records signs, or 6.1 does not")
	}
	for _, name := range []string{"char", "signed char", "unsigned char", "short int", "unsigned int"} {
		a, err1 := old.FindInt(name)
		b, err2 := recorded.FindInt(name)
		if err1 != nil || err2 != nil || a.Signed != b.Signed {
			t.Errorf("%s: signed %v in 5.10, %v in 6.1 (%v, %v)", name, a.Signed, b.Signed, err1, err2)
		}
	}
	same := 0
	for i := range old.ofKind(kindEnum) {
		a, ok := old.typeOrUnknown(old.firstID + ID(i)).(*Enum)
		if !ok || a.Name == "" {
			continue
		}
		b, err := recorded.Enum(a.Name)
		if err != nil || !sameBits(a, b) {
			continue
		}
		same++
		if a.Signed != b.Signed {
			t.Errorf("enum %s: signed %v in 5.10, %v in 6.1", a.Name, a.Signed, b.Signed)
		}
	}
	if same < 500 {
		t.Errorf("only %d enums are in both", same)
	}
}

func sameBits(a, b *Enum) bool {
	return a.Size == b.Size && slices.EqualFunc(a.Values(), b.Values(), func(v, w EnumValue) bool {
		return v.Name == w.Name && uint32(v.Value) == uint32(w.Value)
	})
}
