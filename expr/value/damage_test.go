package value_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

func TestEnumerator(t *testing.T) {
	for _, series := range kernels.Series {
		img := kernels.Open(t, series)
		k := value.New(img, img)
		for _, name := range []string{"PAGEOUTRUN", "BPF_PROG_TYPE_SCHED_CLS", "BPF_PROG_TYPE_LWT_XMIT", "PGPGIN"} {
			if _, err := k.Enumerator(name); err != nil {
				t.Errorf("%s: %v", series, err)
			}
		}
		for name, want := range map[string]string{
			"NO_SUCH_THING": "have no NO_SUCH_THING",
			"IFF_NOARP":     "its neighbours are not next to that", // flags
		} {
			if _, err := k.Enumerator(name); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v does not say %q", series, err, want)
			}
		}
	}
}

// spoiled is memory with other bytes at one address.
type spoiled struct {
	kmem.Reader
	at   kmem.Addr
	data []byte
}

// ReadMem implements [kmem.Reader].
func (s spoiled) ReadMem(addr kmem.Addr, buf []byte) error {
	err := s.Reader.ReadMem(addr, buf)
	for i, b := range s.data {
		if a := s.at.Add(int64(i)); a >= addr && uint64(a-addr) < uint64(len(buf)) {
			buf[a-addr] = b
		}
	}
	return err
}

// TestPerCPUPlace changes where BTF says that softnet_data is: it is not where the symbol
// table says, then, and neither is believed.
func TestPerCPUPlace(t *testing.T) {
	for _, series := range kernels.Series {
		img := kernels.Open(t, series)
		k := value.New(img, img)
		if _, err := k.Global("softnet_data"); err != nil {
			t.Fatalf("%s: %v", series, err)
		}
		types, err := k.Types()
		if err != nil {
			t.Fatal(err)
		}
		off, size, ok := types.VarPlace("softnet_data")
		if !ok || size == 0 {
			t.Fatalf("%s: BTF does not list softnet_data", series)
		}
		if _, _, ok := types.VarPlace("no_such_variable"); ok {
			t.Errorf("%s: a place of a variable that there is not", series)
		}
		start, n, err := k.BTFRange()
		if err != nil {
			t.Fatal(err)
		}
		blob := make([]byte, n)
		if err := k.ReadMem(start, blob); err != nil {
			t.Fatal(err)
		}
		row := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, off), size)
		at := strings.Index(string(blob), string(row))
		if at < 0 {
			t.Fatalf("%s: the row is not where it is looked for", series)
		}
		bad := value.New(img, spoiled{img, start.Add(int64(at)), binary.LittleEndian.AppendUint32(nil, off+64)})
		if _, err := bad.Global("softnet_data"); err == nil || !strings.Contains(err.Error(), "one of them is damaged") {
			t.Errorf("%s: error %v", series, err)
		}
	}
}
