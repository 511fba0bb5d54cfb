package check_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kinspect/expr/check"
	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// TestDamaged changes bytes all over a snapshot, from a fixed seed: whatever comes
// of it, it must be an answer or an error, soon, and no panic.
func TestDamaged(t *testing.T) {
	kdump, err := os.ReadFile(kernels.Path(t, "6.12"))
	if err != nil {
		t.Fatal(err)
	}
	for name, good := range map[string][]byte{"kdump": kdump, "elf": elfSnapshot(t)} {
		t.Run(name, func(t *testing.T) { damage(t, good) })
	}
}

// elfSnapshot is the snapshot as an ELF core, in which damage meets memory itself and no
// compressed page.
func elfSnapshot(t *testing.T) []byte {
	img := kernels.Open(t, "6.12")
	rec := kmem.NewRecorder(img)
	if !explainMemory(img, rec) {
		t.Fatal("no answer from the whole snapshot")
	}
	syms, err := img.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	if err := rec.AddKallsyms(syms.(*kmem.Kallsyms), img.VMCoreInfo()); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "snapshot.elf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content := &kmem.SnapshotContent{Info: *img.Snapshot(), VMCoreInfo: img.VMCoreInfo(), Memory: rec}
	if err := kmem.WriteSnapshot(f, kmem.SnapshotELF, content); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !explainDamaged(raw) {
		t.Fatal("no answer from the ELF core, undamaged")
	}
	return raw
}

func damage(t *testing.T, good []byte) {
	rng := rand.New(rand.NewPCG(1, 2))
	bad := make([]byte, len(good))
	rounds, answered := 120, 0
	if testing.Short() {
		rounds = 10
	}
	for range rounds {
		copy(bad, good)
		size := len(bad)
		for range 1 + rng.IntN(20) {
			bad[rng.IntN(len(bad))] = byte(rng.Uint32())
		}
		if rng.IntN(4) == 0 { // headers and notes, at both ends of the file
			bad[rng.IntN(4096)] = byte(rng.Uint32())
			bad[len(bad)-1-rng.IntN(8192)] = byte(rng.Uint32())
		}
		if rng.IntN(8) == 0 {
			size = rng.IntN(len(bad))
		}
		start := time.Now()
		if explainDamaged(bad[:size]) {
			answered++
		}
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("took %v", d)
		}
	}
	t.Logf("%d of %d damaged snapshots got as far as an answer", answered, rounds)
}

// explainDamaged asks all there is to ask, whatever the answers, and reports
// whether explain gave one.
func explainDamaged(file []byte) (answered bool) {
	img, err := kmem.OpenReaderAt(bytes.NewReader(file), int64(len(file)), "damaged")
	if err != nil {
		return false
	}
	defer img.Close()
	return explainMemory(img, img)
}

func explainMemory(img *kmem.Image, memory kmem.Reader) (answered bool) {
	s := knet.New(value.New(img, memory), host.None{})
	nss, err := s.Namespaces()
	if err != nil && len(nss) == 0 {
		return false
	}
	if o, err := check.ExplainAll(s, nss); err == nil {
		_ = o.Text()
	}
	if d, err := s.Device("bond0", nss[0]); err == nil {
		if r, err := check.Explain(s, d); err == nil {
			_ = r.Text()
			answered = true
		}
		if r, err := check.Handler(s, knet.Eth8022, d); err == nil {
			_ = r.Text()
		}
		_, _ = d.Value.Text(value.DefaultFormat)
	}
	return answered
}
