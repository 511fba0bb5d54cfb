package value

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kinspect/expr/debuginfo"
	"kinspect/kmem"
	"kinspect/testdata/lab/results"
)

// sectionsInMemory is where the kernel itself says that it put a module's sections, which /sys/module/NAME/sections
// shows (kernel/module/sysfs.c).
func sectionsInMemory(t *testing.T, m *Module) map[string]kmem.Addr {
	t.Helper()
	attrs, err := m.Value.Path("sect_attrs.attrs")
	if err != nil {
		t.Skip(err)
	}
	n, err := m.Value.UintPath("sect_attrs.nsections")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]kmem.Addr{}
	for i := range n {
		a, err := attrs.Index(int64(i))
		if err != nil {
			t.Fatal(err)
		}
		name, err := a.Path("battr.attr.name")
		if err != nil {
			t.Fatal(err)
		}
		text, err := name.CString()
		if err != nil {
			t.Fatal(err)
		}
		at, err := a.UintPath("address")
		if err != nil {
			t.Fatal(err)
		}
		out[text] = kmem.Addr(at)
	}
	return out
}

// TestLabModuleFrames looks code of modules up in a dump, as addr2line does in the modules' files: it is told the offsets
// from where the kernel says that the sections are.
func TestLabModuleFrames(t *testing.T) {
	if _, err := exec.LookPath("addr2line"); err != nil {
		t.Skip("no addr2line")
	}
	k, _ := labKernel(t, "6.12")
	dir := results.Modules(t)
	if err := k.UseVmlinux(context.Background(), dir, nil); err != nil {
		t.Fatal(err)
	}
	defer k.CloseFiles()
	mods, err := k.Modules()
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(4, 2))
	modules, compared, inlined, files := 0, 0, 0, 0
	for _, m := range mods {
		path := filepath.Join(dir, m.Name+".ko")
		if _, err := os.Stat(path); err != nil {
			continue
		}
		modules++
		places := sectionsInMemory(t, m)
		syms, err := m.symbols()
		if err != nil {
			t.Fatal(err)
		}
		for _, section := range []string{".text", ".text.unlikely", ".exit.text"} {
			base := places[section]
			if base == 0 {
				continue
			}
			var offs []uint64
			for i, s := range syms {
				if s.Addr >= base && s.Addr < base+1<<20 && (s.Type == 't' || s.Type == 'T') && m.sizes[i] > 0 && k.sectionOf(places, s.Addr) == section {
					offs = append(offs, uint64(s.Addr-base)+random.Uint64N(m.sizes[i]))
				}
			}
			for i, want := range linesOf(t, path, section, offs) {
				a := base + kmem.Addr(offs[i])
				got, err := k.Frames(a)
				if strings.HasPrefix(want, "?? ") || strings.Contains(want, ":?") || strings.Contains(want, "??:0") || strings.HasPrefix(want, "__pfx_") {
					continue // room between functions
				}
				text := ""
				for _, f := range got {
					text += f.Function + " " + f.Place() + "; "
				}
				switch {
				case text == want:
				case withoutFiles(text) == withoutFiles(want):
					files++
				default:
					t.Errorf("%s %s %s: %q, %v, and addr2line says %q", m.Name, section, a, text, err, want)
				}
				if compared++; len(got) > 1 {
					inlined++
				}
			}
		}
	}
	t.Logf("%d modules, %d addresses compared, %d of them in inlined code, %d in another file", modules, compared, inlined, files)
	if modules < 3 || compared < 300 || inlined < 50 {
		t.Error("too few were compared")
	}
	// binutils 2.40 has the unit's own file for code of its first header: see ownFile in the package debuginfo. Tracepoints of tls are.
	if files > compared/20 {
		t.Errorf("%d are in another file", files)
	}
}

var fileName = regexp.MustCompile(`[^ ]+:`)

func withoutFiles(frames string) string { return fileName.ReplaceAllString(frames, "") }

// sectionOf is the section that begins next below an address.
func (k *Kernel) sectionOf(places map[string]kmem.Addr, a kmem.Addr) string {
	best := ""
	for name, at := range places {
		if at <= a && (best == "" || at > places[best] || at == places[best] && strings.HasPrefix(name, ".text")) {
			best = name
		}
	}
	return best
}

// linesOf asks addr2line: "FUNCTION FILE:LINE; " for each frame, the innermost first.
func linesOf(t *testing.T, file, section string, offs []uint64) []string {
	t.Helper()
	var in bytes.Buffer
	for _, off := range offs {
		fmt.Fprintf(&in, "%#x\n", off)
	}
	cmd := exec.Command("addr2line", "-a", "-i", "-f", "-e", file, "-j", section)
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i := 0; i < len(lines); i++ {
		if strings.HasPrefix(lines[i], "0x") {
			all = append(all, "")
			continue
		}
		place, _, _ := strings.Cut(lines[i+1], " (discriminator")
		if _, rest, ok := strings.Cut(place, "debian/build/build_amd64_none_cloud-amd64/"); ok { // where it was built
			place = path.Clean(rest)
		}
		all[len(all)-1] += lines[i] + " " + place + "; "
		i++
	}
	if len(all) != len(offs) {
		t.Fatalf("addr2line answers %d of %d", len(all), len(offs))
	}
	return all
}

// TestLabOtherModule gives a kernel files of other modules, and of another kernel's.
func TestLabOtherModule(t *testing.T) {
	k, _ := labKernel(t, "6.12")
	dir := results.Modules(t)
	name := filepath.Join(t.TempDir(), "bonding.ko.debug") // veth's by a wrong name
	data, err := os.ReadFile(filepath.Join(dir, "veth.ko"))
	if err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(k *Kernel, path, want string) {
		t.Helper()
		if err := k.UseVmlinux(context.Background(), path, nil); err != nil {
			t.Fatal(err)
		}
		defer k.CloseFiles()
		sym, ok := k.LookupSymbol("bond_handle_frame")
		if !ok {
			t.Fatal("no bond_handle_frame")
		}
		if _, err := k.Frames(sym.Addr); !errors.Is(err, kmem.ErrOtherKernel) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	check(k, name, "build ID")
	// Where no build ID is known, the symbols tell.
	mods, err := k.Modules()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mods {
		if m.Name != "bonding" {
			continue
		}
		if l, err := m.open(filepath.Join(dir, "bonding.ko"), ""); err != nil {
			t.Error(err)
		} else {
			t.Logf("%d symbols agree, %d do not", l.Same, l.Other)
			_ = l.Close()
		}
		if _, err := m.open(name, ""); !errors.Is(err, kmem.ErrOtherKernel) || !strings.Contains(err.Error(), "symbols") {
			t.Errorf("veth's symbols: %v", err)
		}
	}
	old, err := kmem.Open(results.Dump(t, "5.10"))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	check(New(old, old), filepath.Join(dir, "bonding.ko"), "build ID")
	if mods, err = New(old, old).Modules(); err != nil {
		t.Fatal(err)
	}
	for _, m := range mods {
		if m.Name != "bonding" {
			continue
		}
		if _, err := m.open(filepath.Join(dir, "bonding.ko"), ""); !errors.Is(err, kmem.ErrOtherKernel) {
			t.Errorf("another kernel's symbols: %v", err)
		}
	}
}

// TestLabFolders finds files in directories: of a package for debugging, by build IDs, and without any.
func TestLabFolders(t *testing.T) {
	debug, modules := results.Debug(t), results.Modules(t)
	frames := func(k *Kernel, name string) error {
		sym, ok := k.LookupSymbol(name)
		if !ok {
			t.Fatalf("no %s", name)
		}
		_, err := k.Frames(sym.Addr)
		return err
	}
	open := func(paths ...string) (*Kernel, error) {
		t.Helper()
		k, _ := labKernel(t, "6.12")
		t.Cleanup(k.CloseFiles)
		for _, path := range paths {
			if err := k.UseVmlinux(context.Background(), path, nil); err != nil {
				return k, err
			}
		}
		return k, nil
	}
	k, err := open(debug) // the vmlinux, and modules below
	if err != nil || frames(k, "netif_rx") != nil || frames(k, "bond_handle_frame") != nil {
		t.Errorf("%s: %v, %v, %v", debug, err, frames(k, "netif_rx"), frames(k, "bond_handle_frame"))
	}
	dir := t.TempDir()
	f, err := debuginfo.Open(filepath.Join(modules, "bonding.ko"))
	if err != nil {
		t.Fatal(err)
	}
	link := byBuildID(dir, f.BuildID())
	_ = f.Close()
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(modules, "bonding.ko"), link); err != nil {
		t.Skip(err)
	}
	if k, err = open(dir); err != nil || frames(k, "bond_handle_frame") != nil {
		t.Errorf("by build ID: %v, %v", err, frames(k, "bond_handle_frame"))
	}
	if err := frames(k, "veth_xmit"); !errors.Is(err, errNoModuleFile) {
		t.Errorf("veth_xmit: %v", err)
	}
	if err := frames(k, "netif_rx"); err == nil || !strings.Contains(err.Error(), "give its vmlinux") {
		t.Errorf("netif_rx: %v", err)
	}
	if _, err := open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "neither a vmlinux nor a module's file") {
		t.Errorf("an empty directory: %v", err)
	}
	vmlinux := filepath.Join(debug, "vmlinux")
	if _, err := open(vmlinux, vmlinux); err == nil || !strings.Contains(err.Error(), "a second vmlinux") {
		t.Errorf("twice: %v", err)
	}
	if _, err := open(vmlinux, debug); err != nil {
		t.Errorf("the vmlinux, and a directory that has it, too: %v", err)
	}
}
