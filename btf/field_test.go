package btf

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestFindMember(t *testing.T) {
	s := sample().parse(t)
	device, err := s.Struct("device")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path string
		want string // type, bit offset, bit size
		err  string
	}{
		{path: "name", want: "char [16] 0 0"},
		{path: "name[3]", want: "char 24 0"},
		{path: "up", want: "u8 128 1"},
		{path: "mode", want: "u8 129 3"},
		{path: "whole", want: "unsigned long 192 0"},
		{path: "hi", want: "int 224 0"}, // in a struct in a union, both anonymous
		{path: "port", want: "struct stats [2] 256 0"},
		{path: "port[1]", want: "struct stats 384 0"},
		{path: "port[0x1].tx", want: "unsigned long 448 0"},
		{path: "parent", want: "struct device * 512 0"},
		{path: "poll", want: "int (*)(struct device *, ...) 576 0"},
		{path: "list.prev", want: "struct list_head * 704 0"},
		{path: "tags[5]", want: "int 1120 0"}, // beyond a flexible array is a matter of memory

		{path: "", err: `struct device has no member ""`},
		{path: "nme", err: `struct device has no member "nme"; did you mean name?`},
		{path: "list.prv", err: `struct list_head has no member "prv"; did you mean prev? (column 6 of "list.prv")`},
		{path: "port[2]", err: `index 2 is outside of struct stats [2]`},
		{path: "port[-1]", err: `"-1" is not an index`},
		{path: "port[", err: `'[' without ']'`},
		{path: "port.rx", err: `port is a struct stats [2], which has no members`},
		{path: "parent.name", err: `parent is a pointer (struct device *): its members are not part of struct device`},
		{path: "name[1].x", err: `name[1] is a char, which has no members`},
		{path: "up[0]", err: `u8 is not an array`},
		{path: "list.", want: "struct list_head 640 0", err: `expected the name of a member`},
		{path: "list..next", err: `expected the name of a member`},
		{path: ".list", err: `expected the name of a member`},
		{path: "[0]", err: `struct device is not an array`},
		{path: "port[1]rx", err: `expected '.' or '[', found 'r'`},
		{path: "tags[18446744073709551615]", err: `exceeds the address space`},
		{path: strings.Repeat("list.", 1000), err: `too long`},
	} {
		f, err := device.FindMember(test.path)
		if test.err != "" {
			var path *PathError
			if !errors.As(err, &path) || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %q, want a PathError with %q", test.path, err, test.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.path, err)
			continue
		}
		if got := fmt.Sprint(f.Type, f.BitOffset, f.BitSize); got != test.want {
			t.Errorf("%s is %s, want %s", test.path, got, test.want)
		}
		if f.Path != test.path || f.Offset() != f.BitOffset/8 {
			t.Errorf("%s has path %q and offset %d", test.path, f.Path, f.Offset())
		}
	}
	if _, err := device.FindMember("nothing"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a missing member is no ErrNotFound: %v", err)
	}
	// The same pointer as by ID, not a copy.
	f, _ := device.FindMember("list")
	if list, _ := s.Struct("list_head"); f.Type != Type(list) {
		t.Error("FindMember decoded list_head again")
	}
}

func TestAllMembers(t *testing.T) {
	device, err := sample().parse(t).Struct("device")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for f := range device.AllMembers() {
		names = append(names, f.Path)
		g, err := device.FindMember(f.Path)
		if err != nil || g != f {
			t.Errorf("AllMembers has %v, FindMember %v, %v", f, g, err)
		}
	}
	if got, want := strings.Join(names, " "), "name up mode whole lo hi port parent poll list tags"; got != want {
		t.Errorf("members are %s, want %s", got, want)
	}
	for range device.AllMembers() {
		break // must not go on
	}
}

// TestOldBitFields has bit-fields as blobs before 5.0 have them: by an Int that
// is narrower than its size.
func TestOldBitFields(t *testing.T) {
	b := newBlob()
	narrow := b.add("unsigned int", kindInt, 0, 0, 4, 0<<24|2<<16|5) // 5 bits from bit 2 on
	alias := b.ref(kindTypedef, "five", narrow)
	full := b.int("int", 4, 1)
	b.structOf(kindStruct, "flags", 8, memberOf{"a", alias, 0, 0}, memberOf{"b", full, 32, 0})
	st, err := b.parse(t).Struct("flags")
	if err != nil {
		t.Fatal(err)
	}
	m := st.Members()
	if m[0].BitOffset != 2 || m[0].BitSize != 5 || m[1].BitOffset != 32 || m[1].BitSize != 0 {
		t.Errorf("members are %+v", m)
	}
}

// TestRealMembers checks that looking members up and walking them give the same.
func TestRealMembers(t *testing.T) {
	eachReal(t, func(t *testing.T, s *Spec) {
		for _, name := range []string{"net_device", "sk_buff", "task_struct", "module", "page"} {
			st, err := s.Struct(name)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for f := range st.AllMembers() {
				n++
				if g, err := st.FindMember(f.Path); err != nil || g != f {
					t.Errorf("%s.%s: %v, %v, want %v", name, f.Path, g, err, f)
				}
			}
			if n < 5 {
				t.Errorf("%s has %d members", name, n)
			}
		}
	})
}
