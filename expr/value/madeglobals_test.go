package value_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/expr/value/globals"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
	"kinspect/testdata/lab/results"
)

// everyEntry asks a kernel for each step-th name of the table of globals: those that it has a symbol of must have their
// types, the names in which are in the kernel's BTF.
func everyEntry(t *testing.T, k *value.Kernel, step int) {
	t.Helper()
	syms, err := k.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	i, found, other := 0, 0, 0
	for name, c := range globals.All() {
		if i++; i%step != 0 {
			continue
		}
		if _, ok := syms.Lookup(name); !ok {
			continue
		}
		found++
		v, err := k.Global(name)
		if err != nil {
			if other++; other <= 20 {
				t.Errorf("%v", err)
			}
			continue
		}
		if got := v.Type().String(); got != c {
			if other++; other <= 20 {
				t.Errorf("%s is %s, and by the table %s", name, got, c)
			}
		}
	}
	t.Logf("%s: %d names, %d of them not by the table", k.Release(), found, other)
	if found < 5000/step {
		t.Errorf("%d names of the table are symbols", found)
	}
}

func TestEntries(t *testing.T) {
	for _, series := range kernels.Series {
		t.Run(series, func(t *testing.T) {
			img := kernels.Open(t, series)
			everyEntry(t, value.New(img, img), 7) // the lab asks for all
		})
	}
}

// labFacts opens a dump of each of the lab's kernels, with what the guest said of itself at the time.
func labFacts(t *testing.T, test func(t *testing.T, k *value.Kernel, fact func(name string) string)) {
	t.Helper()
	results.Each(t, func(t *testing.T, dump string) {
		img, err := kmem.Open(dump)
		if err != nil {
			t.Fatal(err)
		}
		defer img.Close()
		test(t, value.New(img, img), func(name string) string {
			data, err := os.ReadFile(filepath.Join(filepath.Dir(dump), "facts/incident", name))
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		})
	})
}

func TestLabEveryEntry(t *testing.T) {
	labFacts(t, func(t *testing.T, k *value.Kernel, _ func(string) string) { everyEntry(t, k, 1) })
}

// TestLabGlobals compares values of globals with what the guest said.
func TestLabGlobals(t *testing.T) {
	labFacts(t, func(t *testing.T, k *value.Kernel, fact func(string) string) {
		number := func(name, path string) int64 {
			v, err := k.Global(name)
			if err == nil && path != "" {
				v, err = v.Path(path)
			}
			if err != nil {
				t.Error(err)
				return 0
			}
			n, err := v.Int()
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			return n
		}
		of := func(file, pattern string) int64 {
			m := regexp.MustCompile(pattern).FindStringSubmatch(fact(file))
			if m == nil {
				t.Errorf("no %s in the guest's %s", pattern, file)
				return 0
			}
			n, err := strconv.ParseInt(m[1], 10, 64)
			if err != nil {
				t.Error(err)
			}
			return n
		}
		const pageKiB = 4
		if got, want := number("_totalram_pages", "counter")*pageKiB, of("meminfo", `MemTotal: *(\d+) kB`); got != want {
			t.Errorf("_totalram_pages is %d KiB, and MemTotal %d", got, want)
		}
		if got, want := number("panic_timeout", ""), of("cmdline", `panic=(-?\d+)`); got != want {
			t.Errorf("panic_timeout is %d, and the command line says %d", got, want)
		}
		if got := number("panic_cpu", "counter"); got != -1 {
			t.Errorf("panic_cpu is %d, and nothing panicked", got)
		}
		// The last page of "System RAM".
		var last int64
		for line := range strings.Lines(fact("iomem")) {
			m := regexp.MustCompile(`^[0-9a-f]+-([0-9a-f]+) : System RAM`).FindStringSubmatch(line)
			if m != nil {
				end, err := strconv.ParseInt(m[1], 16, 64)
				if err != nil {
					t.Fatal(err)
				}
				last = (end + 1) >> 12
			}
		}
		if got := number("max_pfn", ""); got != last || last == 0 {
			t.Errorf("max_pfn is %d, and /proc/iomem ends at %d", got, last)
		}
		if got := number("nr_threads", ""); got < 30 || got > 300 {
			t.Errorf("nr_threads is %d", got)
		}
		if got, want := number("nr_cpu_ids", ""), of("nproc", `(\d+)`); got < want {
			t.Errorf("nr_cpu_ids is %d, and there are %d", got, want)
		}
		if got := number("watchdog_thresh", ""); got != 10 {
			t.Errorf("watchdog_thresh is %d, and the default 10", got)
		}
	})
}

// TestMadeTableDoubts asks for what the table does not have, and for what is no variable.
func TestMadeTableDoubts(t *testing.T) {
	img := kernels.Open(t, "6.12")
	k := value.New(img, img)
	for _, name := range []string{"file_systems"} {
		if _, err := k.Global(name); err == nil || !strings.Contains(err.Error(), "its type is not known") {
			t.Errorf("%s: %v", name, err)
		}
		if _, ok := k.VariableType(name); ok {
			t.Errorf("%s has a type", name)
		}
	}
	typ, ok := k.VariableType("rtnl_mutex")
	if _, isStruct := typ.(*btf.Struct); !ok || !isStruct {
		t.Errorf("rtnl_mutex is %v", typ)
	}
	if typ, ok := k.VariableType("netif_rx"); ok {
		t.Errorf("the function netif_rx is a variable of type %s", typ)
	}
	for name, bound := range map[string]string{"vm_node_stat": "NR_VM_NODE_STAT_ITEMS", "vm_zone_stat": "NR_VM_ZONE_STAT_ITEMS"} {
		types, err := k.Types()
		if err != nil {
			t.Fatal(err)
		}
		e, _, _ := types.Enumerator(bound)
		v, err := k.Global(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if a, ok := v.Type().(*btf.Array); !ok || uint64(a.Len) != e.Value || e.Value < 8 {
			t.Errorf("%s is %s, and %s is %d", name, v.Type(), bound, e.Value)
		}
	}
}
