// Package doctor lists what a host or a dump lets kinspect see, what is missing,
// and what to do about it.
package doctor

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// Status is the state of one item.
type Status string

// The states.
const (
	OK      Status = "ok"
	Limited Status = "limited" // answers lack something for it
	Missing Status = "missing" // nothing can be answered for it
)

// Item is one thing that kinspect needs or likes to have.
type Item struct {
	Item   string `json:"item"`
	Status Status `json:"status"`
	Detail string `json:"detail"`
	Do     string `json:"do"` // what to do where it is not ok
}

// Report is the answer of doctor. Its JSON form is stable.
type Report struct {
	Source string `json:"source"`
	Kernel string `json:"kernel"`
	Status Status `json:"status"` // the worst of the items
	Items  []Item `json:"items"`
}

func (r *Report) add(item string, s Status, do, format string, args ...any) {
	r.Items = append(r.Items, Item{item, s, fmt.Sprintf(format, args...), do})
	if s == Missing || (s == Limited && r.Status == OK) {
		r.Status = s
	}
}

// addErr adds an item that failed, with the words that every other command uses.
func (r *Report) addErr(item string, s Status, err error) {
	var h *kmem.HostError
	if errors.As(err, &h) {
		r.add(item, s, h.Do, "%s: %s", h.What, h.Why)
		return
	}
	r.add(item, s, fallbacks[item], "%v", err)
}

// notFound adds what a kernel has to have and was not found.
func (r *Report) notFound(k *value.Kernel, item string, err error) {
	if len(k.Image.Lacks()) > 0 {
		r.add(item, Missing, "they may be in what the dump lacks (see memory)", "%v", err)
		return
	}
	r.addErr(item, Missing, err)
}

// fallbacks say what can be done without.
var fallbacks = map[string]string{
	"symbols":     "give a System.map or a saved /proc/kallsyms with --symbols; without symbols, mem(ADDRESS, LENGTH) reads memory, and with --btf cast('TYPE *', ADDRESS) gives it a type",
	"types (BTF)": "give types with --vmlinux or --btf; without, mem(ADDRESS, LENGTH) reads memory",
}

// NotOpened reports on a kernel that could not be opened.
func NotOpened(source string, err error) *Report {
	r := &Report{Source: source, Kernel: "unknown", Status: OK, Items: []Item{}}
	r.addErr("memory", Missing, err)
	return r
}

// Examine reports on an opened kernel. instead tells why the running kernel is not read from /proc/kcore where it could not be;
// else it is nil.
func Examine(s *knet.Stack, instead *kmem.HostError) *Report {
	k := s.K
	r := &Report{Source: value.Printable(k.Image.Source()), Kernel: k.Release(), Status: OK, Items: []Item{}}
	if lacks := k.Image.Lacks(); len(lacks) > 0 {
		r.add("memory", Limited, "give all of the dump, if there is more; answers that need what is missing say so", "%s opens, but %s", r.Source, value.Printable(strings.Join(lacks, "; ")))
	} else {
		r.add("memory", OK, "", "%s opens%s", r.Source, insteadOf(instead))
	}
	r.snapshot(k.Image.Snapshot())
	r.vmcoreinfo(k)
	named := r.symbols(k)
	if !named && k.TypesFile() == "" {
		r.add("types (BTF), types of modules, network namespaces", Missing, "", "not looked at: they are found by symbols")
		return r
	}
	if !r.types(k) {
		r.add("types of modules, network namespaces", Missing, "", "not looked at: they are read by types")
		return r
	}
	if !named {
		r.add("types of modules, network namespaces", Missing, "", "not looked at: they are found by symbols")
		return r
	}
	r.moduleTypes(k)
	r.network(s)
	return r
}

// insteadOf says why the running kernel is read as it is.
func insteadOf(e *kmem.HostError) string {
	if e == nil {
		return ""
	}
	return "; " + e.What + ": " + e.Why
}

// snapshot tells what a snapshot is of; nil is another file, or the running kernel.
func (r *Report) snapshot(s *kmem.SnapshotInfo) {
	if s == nil {
		return
	}
	const longest = 200
	command := strings.Join(s.Command, " ")
	if runes := []rune(command); len(runes) > longest {
		command = string(runes[:longest]) + "…"
	}
	if command == "" {
		command = "an unknown command"
	}
	when := "at an unknown time"
	if !s.Taken.IsZero() {
		when = s.Taken.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	if s.Redacted {
		r.add("snapshot", OK, "", "redacted, of %s, taken %s; it holds the bytes that that asked for", value.Printable(command), when)
		return
	}
	r.add("snapshot", OK, "", "of %s, taken %s; it holds what that read", value.Printable(command), when)
}

func (r *Report) vmcoreinfo(k *value.Kernel) {
	switch info := k.Image.VMCoreInfo(); {
	case k.Image.Found() != "":
		r.add("VMCOREINFO", Limited, "", "%s", value.Printable(k.Image.Found()))
	case info == nil && k.Image.Live():
		r.add("VMCOREINFO", Limited, "", "%s does not give it (/proc/kcore does since 4.19)", r.Source)
	case info == nil:
		r.add("VMCOREINFO", Missing, "take dumps with QEMU's vmcoreinfo device, or with kexec", "the dump does not have it: the page tables cannot be found")
	default:
		r.add("VMCOREINFO", OK, "", "kernel %s", r.Kernel)
	}
}

// symbols reports whether there are any: without, the rest cannot be looked at.
func (r *Report) symbols(k *value.Kernel) bool {
	syms, err := k.Symbols()
	if err != nil {
		r.notFound(k, "symbols", err)
		return false
	}
	detail := fmt.Sprintf("%d, from %s", syms.Len(), syms.Source())
	if note := HiddenSymbols(k.Image); note != "" {
		detail += "; " + note
	}
	r.add("symbols", OK, "", "%s", detail)
	return true
}

// HiddenSymbols says, of the running kernel, that kernel.kptr_restrict hides the
// addresses in /proc/kallsyms and what is used instead; else it is empty.
func HiddenSymbols(img *kmem.Image) string {
	if !img.Live() {
		return ""
	}
	b, err := os.ReadFile("/proc/sys/kernel/kptr_restrict")
	if err != nil || strings.TrimSpace(string(b)) != "2" {
		return ""
	}
	return "kernel.kptr_restrict=2 hides the addresses in /proc/kallsyms: the kernel's own tables in memory are read instead"
}

func (r *Report) types(k *value.Kernel) bool {
	types, err := k.Types()
	if err != nil {
		r.notFound(k, "types (BTF)", err)
		return false
	}
	from := "vmlinux"
	if file := k.TypesFile(); file != "" {
		from = file
	} else if k.TypesFromVmlinux() {
		from = k.Vmlinux() + ", of its debug information"
	}
	r.add("types (BTF)", OK, "", "%d types of %s", types.NumTypes(), from)
	return true
}

func (r *Report) moduleTypes(k *value.Kernel) {
	mods, err := k.Modules()
	if err != nil {
		r.addErr("modules", Limited, err)
		return
	}
	var without []string
	for _, m := range mods {
		if _, err := k.ModuleTypes(m.Name); err != nil {
			without = append(without, value.Printable(m.Name))
		}
	}
	switch {
	case len(without) == 0:
		r.add("types of modules", OK, "", "of all %d", len(mods))
	default:
		const most = 8
		names := strings.Join(without[:min(most, len(without))], ", ")
		if len(without) > most {
			names += ", …"
		}
		r.add("types of modules", Limited, "a kernel built with CONFIG_DEBUG_INFO_BTF_MODULES has them, and --vmlinux takes them from files with debug information", "%d of %d modules have none, so their own data cannot be seen: %s", len(without), len(mods), names)
	}
}

func (r *Report) network(s *knet.Stack) {
	all, err := s.Namespaces()
	if err != nil {
		r.addErr("network namespaces", Limited, err)
		return
	}
	def, err := s.DefaultNS()
	if err != nil {
		r.addErr("network namespaces", Limited, err)
		return
	}
	r.add("network namespaces", OK, "", "%d; commands look into %s (%d)", len(all), def, def.Inum)
	if !s.K.Image.Live() {
		return
	}
	d, err := s.Device("lo", def)
	if err == nil {
		_, err = s.Facts.LinkStats(def.Inum, d.Ifindex)
	}
	if err != nil && !errors.Is(err, host.ErrUnknown) {
		r.add("netlink", Limited, "", "the kernel's own totals cannot be asked for: %v", err)
		return
	}
	r.add("netlink", OK, "", "the kernel's own totals stand beside those from memory")
}

// Text prints the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	for _, i := range r.Items {
		fmt.Fprintf(&b, "%-8s %s: %s\n", i.Status, i.Item, i.Detail)
		if i.Do != "" {
			fmt.Fprintf(&b, "         what to do: %s\n", i.Do)
		}
	}
	return b.String()
}
