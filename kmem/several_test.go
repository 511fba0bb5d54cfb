package kmem

import "testing"

func TestSeveral(t *testing.T) {
	p := newProcSymbols("test")
	for _, s := range []struct {
		name   string
		addr   Addr
		module uint16
	}{
		{"once", 0xffffffff81000000, 0},
		{"twice", 0xffffffff81000010, 0},
		{"twice", 0xffffffff81000020, 0},
		{"thrice", 0xffffffff81000030, 0},
		{"thrice", 0xffffffff81000040, 0},
		{"thrice", 0xffffffff81000050, 0},
		{"shared", 0xffffffff81000060, 0},
		{"shared", 0xffffffffc0000060, 1},
	} {
		p.add(procSymbol{addr: s.addr, typ: 'd', module: s.module}, []byte(s.name))
	}
	p.sortAddrs()
	for name, want := range map[string]bool{"once": false, "twice": true, "thrice": true, "shared": false, "none": false, "": false} {
		if got := Several(p, name); got != want {
			t.Errorf("Several(%q) is %v", name, got)
		}
	}
}

func TestSeveralKallsyms(t *testing.T) {
	for _, shape := range kallsymsShapes {
		t.Run(shape.release, func(t *testing.T) {
			syms := fakeSymbols(300, shape.kind == absolutePerCPU)
			count := map[string]int{}
			for _, s := range syms {
				count[s.Name]++
			}
			f := shape.build(syms)
			k, err := openKallsyms(f, f.places)
			if err != nil {
				t.Fatal(err)
			}
			several := 0
			for name, n := range count {
				if got := Several(k, name); got != (n > 1) {
					t.Errorf("Several(%q) is %v, and there are %d", name, got, n)
				}
				if n > 1 {
					several++
				}
			}
			if several == 0 || Several(k, "nobody") || Several(k, "") {
				t.Errorf("%d names are there several times", several)
			}
		})
	}
}
