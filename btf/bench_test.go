package btf

import (
	"bytes"
	"testing"

	cbtf "github.com/cilium/ebpf/btf"
)

// benchReal runs f on each real kernel's BTF.
func benchReal(b *testing.B, f func(b *testing.B, data []byte)) {
	for name, real := range realBTFs(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			f(b, real.vmlinux)
		})
	}
}

func BenchmarkParse(b *testing.B) {
	benchReal(b, func(b *testing.B, data []byte) {
		for b.Loop() {
			if _, err := Parse(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkQuestion is what one question costs: open, find a struct, find a member.
func BenchmarkQuestion(b *testing.B) {
	benchReal(b, func(b *testing.B, data []byte) {
		for b.Loop() {
			s, err := Parse(data)
			if err != nil {
				b.Fatal(err)
			}
			st, err := s.Struct("net_device")
			if err != nil {
				b.Fatal(err)
			}
			if _, err := st.FindMember("dev_addr"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkQuestionCilium is the same with cilium/ebpf.
func BenchmarkQuestionCilium(b *testing.B) {
	benchReal(b, func(b *testing.B, data []byte) {
		for b.Loop() {
			s, err := cbtf.LoadSpecFromReader(bytes.NewReader(data))
			if err != nil {
				b.Fatal(err)
			}
			var st *cbtf.Struct
			if err := s.TypeByName("net_device", &st); err != nil {
				b.Fatal(err)
			}
			if len(st.Members) == 0 {
				b.Fatal("no members")
			}
		}
	})
}

func benchSpec(b *testing.B, f func(b *testing.B, s *Spec)) {
	benchReal(b, func(b *testing.B, data []byte) {
		s, err := Parse(data)
		if err != nil {
			b.Fatal(err)
		}
		f(b, s)
	})
}

// BenchmarkStructScan is one of the first lookups, which compare names.
func BenchmarkStructScan(b *testing.B) {
	benchSpec(b, func(b *testing.B, s *Spec) {
		for b.Loop() {
			s.tables[kindStruct].lookups.Store(0)
			if _, err := s.Struct("net_device"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkStructTable is one of the later lookups, by the table of hashes.
func BenchmarkStructTable(b *testing.B) {
	benchSpec(b, func(b *testing.B, s *Spec) {
		s.tables[kindStruct].lookups.Store(scansBeforeTable)
		for b.Loop() {
			if _, err := s.Struct("net_device"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkTableFill(b *testing.B) {
	benchSpec(b, func(b *testing.B, s *Spec) {
		for b.Loop() {
			var t nameTable
			t.fill(s, kindStruct)
		}
	})
}

func BenchmarkFindMember(b *testing.B) {
	benchSpec(b, func(b *testing.B, s *Spec) {
		st, err := s.Struct("net_device")
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := st.FindMember("dev_addr"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkMembers(b *testing.B) {
	benchSpec(b, func(b *testing.B, s *Spec) {
		st, err := s.Struct("net_device")
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			fresh := &Struct{spec: st.spec, rows: st.rows, flag: st.flag}
			if len(fresh.Members()) == 0 {
				b.Fatal("no members")
			}
		}
	})
}

func BenchmarkEnumerator(b *testing.B) {
	benchSpec(b, func(b *testing.B, s *Spec) {
		for b.Loop() {
			if _, _, ok := s.Enumerator("RX_HANDLER_PASS"); !ok {
				b.Fatal("not found")
			}
		}
	})
}

func BenchmarkParseType(b *testing.B) {
	benchSpec(b, func(b *testing.B, s *Spec) {
		for b.Loop() {
			if _, err := s.ParseType("struct list_head *[4]"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkNearNames(b *testing.B) {
	benchSpec(b, func(b *testing.B, s *Spec) {
		for b.Loop() {
			if len(s.NearNames(Structs, "net_devise")) == 0 {
				b.Fatal("nothing is near")
			}
		}
	})
}

func BenchmarkNamesWithPrefix(b *testing.B) {
	benchSpec(b, func(b *testing.B, s *Spec) {
		for b.Loop() {
			if len(s.NamesWithPrefix(Structs, "net_", 100)) == 0 {
				b.Fatal("no names")
			}
		}
	})
}
