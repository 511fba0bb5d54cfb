package probe

import (
	"testing"

	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

// TestReasons: each enumerator of the kernel's own enum has its name, and what is none has its number.
func TestReasons(t *testing.T) {
	for _, series := range kernels.Series {
		img := kernels.Open(t, series)
		k := value.New(img, img)
		r, err := NewReasons(k)
		if err != nil {
			t.Fatalf("%s: %v", series, err)
		}
		if r.Known() != (series != "5.10") {
			t.Errorf("%s: reasons are known: %v", series, r.Known())
		}
		if !r.Known() {
			if got := r.Name(2); got != "" {
				t.Errorf("%s: %q", series, got)
			}
			continue
		}
		for _, name := range []string{"NOT_SPECIFIED", "NO_SOCKET", "UNHANDLED_PROTO", "CPU_BACKLOG"} {
			n, err := k.Enumerator("SKB_DROP_REASON_" + name)
			if err != nil {
				t.Fatalf("%s: %v", series, err)
			}
			if got := r.Name(uint32(n)); got != name {
				t.Errorf("%s: %d is %q, want %s", series, n, got, name)
			}
		}
		if got := r.Name(0xfff1); got != "reason 0xfff1" {
			t.Errorf("%s: a reason that is none: %q", series, got)
		}
		if got := r.Name(3<<16 | 1); got == "" {
			t.Errorf("%s: a subsystem's is %q", series, got)
		}
	}
}
