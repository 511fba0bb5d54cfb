package debuginfo

import (
	"context"
	"debug/elf"
	"errors"
	"testing"
	"time"

	"kinspect/btf"
	"kinspect/kmem"
)

// variables are those of a file by its symbols.
func variables(t *testing.T, path string) map[string]elf.Symbol {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]elf.Symbol{}
	for _, s := range syms {
		if elf.ST_TYPE(s.Info) == elf.STT_OBJECT {
			out[s.Name] = s
		}
	}
	return out
}

func TestVariable(t *testing.T) {
	for _, program := range programs {
		t.Run(program, func(t *testing.T) {
			f := openProgram(t, program)
			syms := variables(t, f.Path())
			for name, want := range map[string]string{
				"first": "struct device first", "packing": "struct packed packing", "sink": "volatile long sink",
				"the_later":       "struct later the_later",
				"per_cpu_counter": "int per_cpu_counter", "per_cpu_pair": "pair_t per_cpu_pair",
			} {
				at := kmem.Addr(syms[name].Value)
				blob, err := f.Variable(context.Background(), at, name, nil)
				if err != nil {
					t.Error(err)
					continue
				}
				spec, err := btf.Parse(blob)
				if err != nil {
					t.Fatal(err)
				}
				v, err := spec.Var(name)
				if err != nil {
					t.Error(err)
					continue
				}
				size, err := btf.Sizeof(v.Type())
				if v.String() != want || err != nil || size != syms[name].Size {
					t.Errorf("%s is %s of %d bytes, %v; want %s of %d", name, v, size, err, want, syms[name].Size)
				}
				for _, other := range []struct {
					at   kmem.Addr
					name string
				}{{at, name + "_"}, {at + 1, name}, {0, name}} {
					if _, err := f.Variable(context.Background(), other.at, other.name, nil); !errors.Is(err, ErrNoVariable) && at != other.at {
						t.Errorf("%s at %s: %v", other.name, other.at, err)
					}
				}
			}
			ended, end := context.WithCancel(context.Background())
			end()
			if _, err := f.Variable(ended, kmem.Addr(syms["first"].Value), "first", nil); !errors.Is(err, context.Canceled) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

// TestLabVariable finds variables of a kernel, and measures how long that takes.
func TestLabVariable(t *testing.T) {
	f, err := Open(labVmlinux(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	syms := variables(t, f.Path())
	for name, want := range map[string]string{
		"rtnl_mutex": "struct mutex rtnl_mutex", "avenrun": "unsigned long avenrun[3]",
		"tcp_prot": "struct proto tcp_prot", "rt_sched_class": "const struct sched_class rt_sched_class",
	} {
		start := time.Now()
		blob, err := f.Variable(context.Background(), kmem.Addr(syms[name].Value), name, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		took := time.Since(start)
		spec, err := btf.Parse(blob)
		if err != nil {
			t.Fatal(err)
		}
		v, err := spec.Var(name)
		if err != nil || v.String() != want {
			t.Errorf("%s: %v, %v", name, v, err)
		}
		t.Logf("%s in %v, %d bytes of types", name, took, len(blob))
	}
	start := time.Now()
	if _, err := f.Variable(context.Background(), 0xffffffff80000001, "none", nil); !errors.Is(err, ErrNoVariable) {
		t.Error(err)
	}
	t.Logf("no variable in %v", time.Since(start))
}
