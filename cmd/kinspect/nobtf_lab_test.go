package main

import (
	"bufio"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kinspect/kmem"
	"kinspect/testdata/lab/results"
)

// noBTFSymbols writes the symbols of the lab's 6.12, as its /proc/kallsyms had them, without those of its BTF: so a
// kernel looks that was built without.
func noBTFSymbols(t *testing.T, dump string) string {
	t.Helper()
	in, err := os.Open(filepath.Join(filepath.Dir(dump), "facts", "incident", "kallsyms"))
	if err != nil {
		t.Skip(err)
	}
	defer in.Close()
	var out strings.Builder
	left := 0
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasSuffix(line, " __start_BTF"), strings.HasSuffix(line, " __stop_BTF"), strings.HasSuffix(line, " btf_modules"):
			left++
		default:
			out.WriteString(line + "\n")
		}
	}
	if lines.Err() != nil || left != 3 {
		t.Fatalf("%d symbols left out, %v", left, lines.Err())
	}
	name := filepath.Join(t.TempDir(), "kallsyms")
	if err := os.WriteFile(name, []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// blankBTF copies a dump, and wipes the kernel's BTF out of the copy.
func blankBTF(t *testing.T, dump string) string {
	t.Helper()
	img, err := kmem.Open(dump)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	syms, err := img.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	start, _ := syms.Lookup("__start_BTF")
	stop, ok := syms.Lookup("__stop_BTF")
	phys, err := img.Translate(start.Addr)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	from, err := os.Open(dump)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	file, err := elf.NewFile(from)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "blank.elf")
	to, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	size := uint64(stop.Addr - start.Addr) // the image is in one piece
	for _, p := range file.Progs {
		if off := uint64(phys) - p.Paddr; p.Type == elf.PT_LOAD && off < p.Filesz && size <= p.Filesz-off {
			if _, err := to.WriteAt(make([]byte, size), int64(p.Off+off)); err != nil {
				t.Fatal(err)
			}
			return name
		}
	}
	t.Fatal("the BTF is in no segment")
	return ""
}

// questions are asked of a kernel with its BTF, and with types made of DWARF.
var questions = []string{
	"netdev('bond0').rx_dropped",
	"netdevs() | map([.name, .ifindex, .flags, .rx_dropped, .rx_nohandler])",
	"*netdev('bond0')", // flags by name, functions, unions, bit-fields, nested structs
	"netdev('bond0')->flags & IFF_UP",
	"tasks() | map([.pid, .comm, .__state, .parent.pid])",
	"tasks('all') | count()",
	"*task(1)",
	"stack(1)",
	"sockets()",
	"ss()",
	"netdev_info(netdev('bond0'))",
	"qdiscs()", "neighbours()", "ip_addresses()", "nf_hooks()", "modules()", "mounts()", "slab_caches() | map(.name)", "dmesg()", "meminfo()", "interrupts()", "uptime()",
	"layout('struct net_device')", "layout('struct task_struct')", "layout('struct bonding')", "layout('union bpf_attr')",
	"sizeof(struct sk_buff); offsetof(struct sk_buff, protocol)",
	"per_cpu(softnet_data, 0)", "per_cpu(softnet_data, 1).processed",
	"init_net.ns", "init_task.cred", "ptype_base", "NETREG_REGISTERED", "NETIF_F_HW_CSUM_BIT",
	"container_of(netdev('bond0')->dev_list.next, struct net_device, dev_list)->name",
	"netdev('veth0')->rx_handler",
	"symbols('bond_handle_frame')", "dis('bond_handle_frame')",
}

// TestLabNoBTF asks a kernel whose BTF is not there, and that of which it is wiped out, with debug information instead:
// every answer is that of the BTF.
func TestLabNoBTF(t *testing.T) {
	dump, debug := results.Dump(t, "6.12"), results.Debug(t)
	vmlinux, modules := filepath.Join(debug, "vmlinux"), results.Modules(t)
	hidden := []string{"--core", dump, "--symbols", noBTFSymbols(t, dump)}
	wiped := []string{"--core", blankBTF(t, dump)}
	ask := func(words []string, command ...string) (string, time.Duration) {
		start := time.Now()
		out, _ := child(t, "", append(slices.Clone(words), command...)...)
		return out, time.Since(start)
	}
	same := func(with []string, command ...string) {
		t.Helper()
		files := []string{"--vmlinux", vmlinux, "--vmlinux", modules} // whose lines code has in both
		want, _ := ask(append([]string{"--core", dump}, files...), command...)
		got, took := ask(append(slices.Clone(with), files...), command...)
		got = strings.ReplaceAll(got, with[1], dump)
		t.Logf("%q: %v", command[0], took)
		if got == want {
			return
		}
		w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
		if len(w) != len(g) {
			t.Errorf("%q: %d lines, and %d with BTF", command, len(g), len(w))
		}
		shown := 0
		for i := range min(len(w), len(g)) {
			if w[i] != g[i] && shown < 10 {
				shown++
				t.Errorf("%q, line %d\n got %.200q\nwant %.200q", command[0], i+1, g[i], w[i])
			}
		}
	}
	same(hidden, append([]string{"eval"}, questions...)...)
	same(hidden, "explain", "bond0")
	same(hidden, "handler", "0x0004", "bond0")
	same(wiped, "explain", "bond0")
	status := filepath.Join(t.TempDir(), "status")
	child(t, status, append(hidden, "--vmlinux", vmlinux, "eval", questions[0])...)
	if peak := peakMemory(t, status); peak > 320<<20 {
		t.Errorf("%d MiB of memory", peak>>20)
	} else {
		t.Logf("%d MiB of memory", peak>>20)
	}

	// Without it, what to give is said.
	for _, with := range [][]string{hidden, wiped} {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self, append(slices.Clone(with), "explain", "bond0")...)
		cmd.Env = append(os.Environ(), childEnv+"=1")
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(string(out), "BTF") || !strings.Contains(string(out), "--vmlinux") {
			t.Errorf("%v: %s", err, out)
		}
	}
}
