package btf

import "testing"

// TestSoundReal: no struct of a real kernel contradicts itself.
func TestSoundReal(t *testing.T) {
	for name, r := range realBTFs(t) {
		s, err := Parse(r.vmlinux)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for id := range s.NumTypes() {
			typ, err := s.TypeByID(ID(id))
			if err != nil {
				t.Fatal(err)
			}
			switch v := typ.(type) {
			case *Struct:
				n++
				if err := v.Sound(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			case *Unknown:
				if v.Kind <= kindMax {
					t.Errorf("%s: type %d, %q, is not believed", name, id, v.Name)
				}
			}
		}
		t.Logf("%s: %d structs and unions", name, n)
	}
}
