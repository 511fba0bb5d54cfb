package btf

import (
	"errors"
	"testing"
)

func TestSizeof(t *testing.T) {
	s := sample().parse(t)
	device, err := s.Struct("device")
	if err != nil {
		t.Fatal(err)
	}
	v, _ := s.Var("counter")
	f, _ := s.Func("open")
	long, _ := s.FindInt("unsigned long")
	huge := NewArray(NewArray(long, 1<<32-1), 1<<32-1)
	for _, test := range []struct {
		t    Type
		want uint64
		err  error
	}{
		{device, 120, nil},
		{NewPointer(f), 8, nil},
		{NewArray(device, 3), 360, nil},
		{NewArray(NewArray(device, 3), 2), 720, nil},
		{NewArray(device, 0), 0, nil},
		{v, 8, nil},
		{theVoid, 0, ErrNoSize},
		{f, 0, ErrNoSize},
		{f.Type(), 0, ErrNoSize},
		{huge, 0, ErrNoSize},
		{NewArray(huge, 1<<32-1), 0, ErrNoSize},
		{NewArray(theVoid, 0), 0, ErrNoSize},
		{&Unknown{}, 0, ErrNoSize},
		{&Fwd{Name: "elsewhere"}, 0, ErrNoSize},
	} {
		got, err := Sizeof(test.t)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("Sizeof(%s) = %d, %v, want %d, %v", test.t, got, err, test.want, test.err)
		}
	}
}

func TestUnderlying(t *testing.T) {
	b := newBlob()
	n := b.int("int", 4, 1)
	top := b.ref(kindConst, "", b.ref(kindTypedef, "outer", b.ref(kindVolatile, "", b.ref(kindTypeTag, "tag", b.ref(kindTypedef, "inner", n)))))
	s := b.parse(t)
	if u := Underlying(s.typeOrUnknown(top)); u != s.typeOrUnknown(n) {
		t.Errorf("Underlying = %v", u)
	}
	if size, err := Sizeof(s.typeOrUnknown(top)); size != 4 || err != nil {
		t.Errorf("Sizeof = %d, %v", size, err)
	}
}

func TestFindInt(t *testing.T) {
	s := sample().parse(t)
	have, err := s.FindInt("unsigned long")
	if err != nil || have.Name != "long unsigned int" {
		t.Fatalf("FindInt(unsigned long) = %+v, %v", have, err)
	}
	for _, name := range []string{"long unsigned int", "unsigned long int", "long unsigned", "int long unsigned"} {
		if n, err := s.FindInt(name); n != have || err != nil {
			t.Errorf("FindInt(%s) = %v, %v", name, n, err)
		}
	}
	for _, test := range []struct {
		name   string
		size   uint32
		signed bool
	}{
		{"short", 2, true},
		{"unsigned short int", 2, false},
		{"signed char", 1, true},
		{"long long", 8, true},
		{"unsigned __int128", 16, false},
		{"signed", 4, true},
	} {
		n, err := s.FindInt(test.name)
		if err != nil || n.Size != test.size || n.Signed != test.signed {
			t.Errorf("FindInt(%s) = %+v, %v", test.name, n, err)
		}
	}
	for _, name := range []string{"", "u8", "long short", "long long long", "int int", "signed unsigned", "char int", "_Bool int", "long char"} {
		if n, err := s.FindInt(name); !errors.Is(err, ErrNotFound) {
			t.Errorf("FindInt(%s) = %v, %v", name, n, err)
		}
	}
}
