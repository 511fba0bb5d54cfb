package kmem

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kinspect/kmem/dump"
)

// fakeHost has files where a host has them; nil: no such file.
func fakeHost(t *testing.T, kcore, kallsyms, lockdown []byte) hostPaths {
	t.Helper()
	dir := t.TempDir()
	h := hostPaths{kcore: filepath.Join(dir, "kcore"), kallsyms: filepath.Join(dir, "kallsyms"), lockdown: filepath.Join(dir, "lockdown")}
	for path, b := range map[string][]byte{h.kcore: kcore, h.kallsyms: kallsyms, h.lockdown: lockdown} {
		if b != nil {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return h
}

// kcore is laid out as fs/proc/kcore.c does: physical addresses where known.
func fakeKcore(release string) []byte {
	c := testCore{
		notes: []testNote{{"CORE", make([]byte, 336)}, {"VMCOREINFO", []byte("OSRELEASE=" + release + "\n")}},
		loads: []testLoad{
			{vaddr: 0xffffc90000000000, paddr: dump.UnknownPhys, data: ramp(0x1000)},
			{vaddr: testKernel, paddr: 0, data: ramp(0x2000)},
		},
	}
	return c.bytes()
}

func TestOpenLive(t *testing.T) {
	kallsyms := "ffff888000000010 T start\nffff888000000020 t next\t[mod]\n"
	img, err := openLive(fakeHost(t, fakeKcore("5.10.0"), []byte(kallsyms), nil))
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if !img.Live() || img.VMCoreInfo().Release() != "5.10.0" {
		t.Errorf("%+v", img)
	}
	buf := make([]byte, 0x1000)
	if err := img.ReadMem(testKernel+0x800, buf); err != nil || !bytes.Equal(buf, ramp(0x2000)[0x800:0x1800]) {
		t.Error(err)
	}
	if err := img.ReadPhys(0x10, buf[:8]); err != nil || !bytes.Equal(buf[:8], ramp(24)[16:]) {
		t.Error(err)
	}
	if p, err := img.Translate(testKernel + 0x1234); err != nil || p != 0x1234 {
		t.Error(p, err)
	}
	if f := AsFault(img.ReadMem(0, buf[:8])); f == nil || f.Reason != Unmapped {
		t.Error(f)
	}
	syms, err := img.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := syms.Lookup("next"); !ok || s.Addr != testKernel+0x20 || s.Module != "mod" {
		t.Errorf("%+v", s)
	}
}

func TestHostErrors(t *testing.T) {
	none := fakeHost(t, nil, nil, nil)
	locked := fakeHost(t, nil, nil, []byte("none integrity [confidentiality]\n"))
	relaxed := fakeHost(t, nil, nil, []byte("none [integrity] confidentiality\n"))
	_, missing := openLive(none)
	_, empty := openLive(fakeHost(t, []byte{}, nil, nil))
	device := none
	device.kcore = os.DevNull // how container runtimes mask a file
	_, masked := openLive(device)
	perm := &os.PathError{Op: "open", Path: "/proc/kcore", Err: syscall.EPERM}
	for name, tt := range map[string]struct {
		err       error
		why, todo string
	}{
		"missing":      {missing, "no such file", "--core FILE"},
		"empty":        {empty, "empty", "--core FILE"},
		"masked":       {masked, "empty", "--core FILE"},
		"lockdown":     {locked.refusal(perm), "locked down for confidentiality", "--core FILE"},
		"no privilege": {relaxed.refusal(perm), "permission denied", "--core FILE"},
		"other":        {none.refusal(syscall.EMFILE), "too many open files", "--core FILE"},
		"hidden":       {none.hiddenSymbols(), "kernel.kptr_restrict hides", "sysctl"},
	} {
		var host *HostError
		if !errors.As(tt.err, &host) {
			t.Errorf("%s: %v is no HostError", name, tt.err)
			continue
		}
		if !strings.Contains(host.Why, tt.why) || !strings.Contains(host.Do, tt.todo) || strings.Count(host.Error(), "\n") != 1 {
			t.Errorf("%s: %q", name, host.Error())
		}
	}
	if !errors.Is(missing, os.ErrNotExist) || !errors.Is(locked.refusal(perm), syscall.EPERM) {
		t.Error("the system's error is lost")
	}
}

func TestLiveSymbolsHidden(t *testing.T) {
	for name, tt := range map[string]struct {
		kallsyms []byte
		want     string
	}{
		"hidden":  {[]byte("0000000000000000 T start\n0000000000000000 t next\n"), "kptr_restrict"},
		"missing": {nil, "no such file"},
		"garbage": {[]byte("garbage\n"), "/proc/kallsyms"},
	} {
		img, err := openLive(fakeHost(t, fakeKcore("5.10.0"), tt.kallsyms, nil))
		if err != nil {
			t.Fatal(err)
		}
		_, err = img.Symbols()
		var host *HostError
		if !errors.As(err, &host) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		_ = img.Close()
	}
}

func TestDumpWithoutKallsyms(t *testing.T) {
	c := testCore{notes: []testNote{{"VMCOREINFO", []byte("OSRELEASE=5.10.0-46\n")}}, loads: []testLoad{{vaddr: testKernel, data: ramp(64)}}}
	_, err := c.open(t).Symbols()
	if err == nil || !strings.Contains(err.Error(), "VMCOREINFO of this kernel (5.10.0-46) does not say where kallsyms is") {
		t.Error(err)
	}
}
