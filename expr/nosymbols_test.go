package expr

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/snapshots"
)

// Without symbols memory can still be read by address, and with types from a file
// typed; everything else says what is missing.
func TestWithoutSymbols(t *testing.T) {
	raw := elfSnapshot(t, snapshots.Incident)
	open := func(raw []byte) (*value.Kernel, *Session) {
		img, err := kmem.OpenReaderAt(bytes.NewReader(raw), int64(len(raw)), "incident")
		if err != nil {
			t.Fatal(err)
		}
		k := value.New(img, img)
		return k, NewSession(k, knet.New(k, host.None{}), Options{})
	}
	eval := func(s *Session, src string) string {
		r, err := s.Eval(context.Background(), src)
		if err != nil {
			return "error: " + err.Error()
		}
		text, err := r.Text(value.DefaultFormat)
		if err != nil {
			return "error: " + err.Error()
		}
		return text
	}
	whole, s := open(raw)
	bond := strings.Trim(eval(s, "hex(int(netdev('bond0')))"), `"`)
	start, size, err := whole.BTFRange()
	if err != nil {
		t.Fatal(err)
	}
	types := make([]byte, size)
	if err := whole.ReadMem(start, types); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "btf")
	if err := os.WriteFile(path, types, 0o600); err != nil {
		t.Fatal(err)
	}
	// The tables cannot be verified without it, wherever they are.
	bare := bytes.Replace(raw, []byte("SYMBOL(_stext)"), []byte("SYMBOL(_wrong)"), 1)
	// The change would be noticed.
	bare = bytes.Replace(bare, []byte("KINSPECT_SUMS"), []byte("KINSPECT_NONE"), 1)
	_, untyped := open(bare)
	k, typed := open(bare)
	if err := k.UseTypes(path); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		s        *Session
		src, out string
	}{
		{untyped, fmt.Sprintf("mem(%s, 16)", bond), bond + "  "},
		{untyped, "mem(0xffff800000000000, 16)", "error: "},
		{untyped, fmt.Sprintf("cast('struct net_device *', %s).mtu", bond), "error: types are not known"},
		{untyped, "netdev('bond0')", "error: incident: cannot read the kernel's symbol table: "},
		{typed, fmt.Sprintf("mem(%s)", bond), bond + "  "},
		{typed, fmt.Sprintf("cast('struct net_device *', %s).mtu", bond), "(unsigned int)1500"},
		{typed, fmt.Sprintf("cast('struct net_device *', %s).name", bond), `(char [16])"bond0"`},
		{typed, "netdev('bond0')", "error: incident: cannot read the kernel's symbol table: "},
	} {
		if got := eval(c.s, c.src); !strings.HasPrefix(got, c.out) {
			t.Errorf("%s: %s, want %s", c.src, got, c.out)
		}
	}
}

// elfSnapshot makes an ELF snapshot of another one: its notes have no checksums.
func elfSnapshot(t *testing.T, file []byte) []byte {
	t.Helper()
	img, err := kmem.OpenReaderAt(bytes.NewReader(file), int64(len(file)), "snapshot")
	if err != nil {
		t.Fatal(err)
	}
	rec := kmem.NewRecorder(img)
	_, err = kmem.Scan(t.Context(), img, nil, func(p kmem.ScanPiece) kmem.ScanPiece { return kmem.ScanPiece{Addr: p.Addr, Size: p.Size} },
		func(p kmem.ScanPiece) bool { return rec.AddRange(kmem.Addr(p.Addr), p.Size) == nil })
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "elf")
	if err := kmem.WriteSnapshotFile(path, kmem.SnapshotELF, &kmem.SnapshotContent{VMCoreInfo: img.VMCoreInfo(), Memory: rec}); err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
