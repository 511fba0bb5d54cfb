package value

import (
	"errors"
	"fmt"
	"strings"

	"kinspect/btf"
	"kinspect/kmem"
)

// globalTypes gives global variables types that neither BTF has, which knows those
// of per-CPU variables alone, nor the table of the package globals, which has what
// is the same in all kernels that it was made of; where both have a name, this
// table counts. A type with an empty [] gets its length from the distance to the
// next symbol, and with an enumerator for a length that enumerator's value. Every
// row is checked against the kernel that it is used on: the symbol must be
// there, the type must be in that kernel's BTF, and it must fit into the room up
// to the next symbol.
var globalTypes = map[string]string{
	"softnet_data":        "struct softnet_data",        // net/core/dev.c: per-CPU, and not in the BTF of 5.10
	"runqueues":           "struct rq",                  // kernel/sched/core.c: the same
	"init_net":            "struct net",                 // net/core/net_namespace.c
	"net_namespace_list":  "struct list_head",           // net/core/net_namespace.c
	"ptype_base":          "struct list_head[16]",       // net/core/dev.c: PTYPE_HASH_SIZE heads
	"ptype_all":           "struct list_head",           // net/core/dev.c, until it moved to net_hotdata (6.9) and to struct net (6.15)
	"net_hotdata":         "struct net_hotdata",         // net/core/hotdata.c, since 6.9
	"netdev_max_backlog":  "int",                        // net/core/dev.c, until it moved to net_hotdata (6.9)
	"netdev_budget":       "int",                        // net/core/dev.c, until it moved to net_hotdata (6.9)
	"netdev_budget_usecs": "unsigned int",               // the same
	"dev_rx_weight":       "int",                        // the same
	"memalloc_socks_key":  "struct static_key_false",    // net/core/sock.c
	"netstamp_needed_key": "struct static_key_false",    // net/core/dev.c
	"vm_event_states":     "struct vm_event_state",      // mm/vmstat.c: per-CPU
	"kstat":               "struct kernel_stat",         // kernel/sched/core.c: per-CPU
	"tainted_mask":        "unsigned long",              // kernel/panic.c
	"prog_idr":            "struct idr",                 // kernel/bpf/syscall.c
	"llc_sap_list":        "struct list_head",           // net/llc/llc_core.c, module llc
	"modules":             "struct list_head",           // kernel/module/main.c
	"btf_modules":         "struct list_head",           // kernel/bpf/btf.c
	"init_task":           "struct task_struct",         // init/init_task.c
	"init_uts_ns":         "struct uts_namespace",       // init/version.c
	"init_pid_ns":         "struct pid_namespace",       // kernel/pid.c
	"init_user_ns":        "struct user_namespace",      // kernel/user.c
	"init_mm":             "struct mm_struct",           // mm/init-mm.c
	"__per_cpu_offset":    "unsigned long[]",            // arch/x86/kernel/setup_percpu.c
	"__cpu_possible_mask": "struct cpumask",             // kernel/cpu.c
	"__cpu_online_mask":   "struct cpumask",             // kernel/cpu.c
	"__cpu_present_mask":  "struct cpumask",             // kernel/cpu.c
	"nr_cpu_ids":          "unsigned int",               // lib/cpumask.c, kernel/smp.c
	"jiffies":             "unsigned long",              // kernel/time/timer.c
	"jiffies_64":          "u64",                        // kernel/time/timer.c
	"linux_banner":        "char[]",                     // init/version.c
	"saved_command_line":  "char *",                     // init/main.c
	"system_state":        "enum system_states",         // init/main.c
	"panic_on_oops":       "int",                        // kernel/panic.c
	"slab_caches":         "struct list_head",           // mm/slab_common.c
	"inet_protos":         "struct net_protocol *[256]", // net/ipv4/protocol.c
	"udp_table":           "struct udp_table",           // net/ipv4/udp.c
	"tcp_hashinfo":        "struct inet_hashinfo",       // net/ipv4/tcp_ipv4.c
	"swap_active_head":    "struct plist_head",          // mm/swapfile.c
	"vm_committed_as":     "struct percpu_counter",      // mm/util.c
	"prb":                 "struct printk_ringbuffer *", // kernel/printk/printk.c, since 5.10
	"call_single_queue":   "struct llist_head",          // kernel/smp.c: per-CPU, and not in the BTF of 5.10
	"udplite_table":       "struct udp_table",           // net/ipv4/udplite.c, until UDP-Lite went (7.1)
	"raw_v4_hashinfo":     "struct raw_hashinfo",        // net/ipv4/raw.c
	"raw_v6_hashinfo":     "struct raw_hashinfo",        // net/ipv6/raw.c
	"ping_table":          "struct ping_table",          // net/ipv4/ping.c
	"sysctl_udp_mem":      "long[3]",                    // net/ipv4/udp.c
	"tcp_prot":            "struct proto",               // net/ipv4/tcp_ipv4.c
	"unix_socket_table":   "struct hlist_head[]",        // net/unix/af_unix.c, until it moved to struct net (5.19)
	"nl_table":            "struct netlink_table *",     // net/netlink/af_netlink.c
	"arp_tbl":             "struct neigh_table",         // net/ipv4/arp.c
	"nd_tbl":              "struct neigh_table",         // net/ipv6/ndisc.c

	"chrdevs":     "struct char_device_struct *[255]", // fs/char_dev.c: CHRDEV_MAJOR_HASH_SIZE chains
	"major_names": "struct blk_major_name *[255]",     // block/genhd.c: BLKDEV_MAJOR_HASH_SIZE chains

	"vm_node_stat": "atomic_long_t[NR_VM_NODE_STAT_ITEMS]", // mm/vmstat.c: an element more in most releases
	"vm_zone_stat": "atomic_long_t[NR_VM_ZONE_STAT_ITEMS]", // mm/vmstat.c
}

// GlobalNames lists the globals of the table above, for completion.
func GlobalNames() []string {
	out := make([]string, 0, len(globalTypes))
	for n := range globalTypes {
		out = append(out, n)
	}
	return out
}

// ErrNoSymbol says that no symbol has the name.
var ErrNoSymbol = errors.New("no symbol of that name")

// Global is the variable or function of that name: typed by the table above, by
// BTF (per-CPU variables, functions, and whatever else newer kernels describe), by
// the table of the package globals, by the vmlinux of [Kernel.UseVmlinux], or an
// error that says what is missing.
func (k *Kernel) Global(name string) (Value, error) {
	k.globalsMu.Lock()
	v, ok := k.globals[name]
	k.globalsMu.Unlock()
	if ok {
		return v, nil
	}
	v, err := k.findGlobal(name, k.LookupSymbol, true)
	if err != nil {
		return Value{}, err
	}
	k.globalsMu.Lock()
	k.globals[name] = v
	k.globalsMu.Unlock()
	return v, nil
}

// vmlinuxGlobal is [Kernel.Global] without the modules: what finds the modules
// themselves must not look into them.
func (k *Kernel) vmlinuxGlobal(name string) (Value, error) {
	return k.findGlobal(name, func(name string) (kmem.Symbol, bool) { return k.syms.Lookup(name) }, true)
}

// VariableType is the type of a variable of the kernel, where that is known without a search in debug information.
func (k *Kernel) VariableType(name string) (btf.Type, bool) {
	v, err := k.findGlobal(name, k.LookupSymbol, false)
	if err != nil {
		return nil, false
	}
	_, function := v.Type().(*btf.FuncProto)
	return v.Type(), !function
}

// errNoType is the error of a symbol that no source of types has.
var errNoType = errors.New("its type is not known: BTF has those of per-CPU variables and functions alone, and the table of other variables does not have it")

func (k *Kernel) findGlobal(name string, lookup func(string) (kmem.Symbol, bool), search bool) (Value, error) {
	if _, err := k.Symbols(); err != nil {
		return Value{}, err
	}
	sym, ok := lookup(name)
	if !ok {
		return Value{}, fmt.Errorf("%w: %s", ErrNoSymbol, Printable(name))
	}
	types, err := k.Types()
	if err != nil {
		return Value{}, err
	}
	if sym.Module != "" {
		if spec, err := k.ModuleTypes(sym.Module); err == nil {
			types = spec
		}
	}
	if c, ok := globalTypes[name]; ok {
		return k.fromTable(types, sym, c)
	}
	if t, err := types.Var(name); err == nil {
		v := k.Ref(t.Type(), sym.Addr)
		if k.isPerCPU(sym) {
			v.place = perCPU
			return v, k.checkPerCPU(types, sym, t.Type())
		}
		return v, nil
	}
	v, err := k.fromMadeTable(types, sym)
	if err == nil {
		return v, nil
	}
	if f, ferr := types.Func(name); ferr == nil && errors.Is(err, errNoType) {
		return k.Ref(f.Type(), sym.Addr), nil
	}
	if search {
		v, derr := k.fromDebuginfo(sym)
		switch {
		case derr == nil:
			return v, nil
		case !errors.Is(derr, ErrNoDebuginfo) && !errors.Is(derr, errNoModuleFile):
			err = fmt.Errorf("%w; %w", err, derr)
		}
	}
	return Value{}, fmt.Errorf("%s is at %s, but %w", Printable(name), sym.Addr, err)
}

// isPerCPU reports whether a symbol is in the per-CPU section: an offset from
// zero before 6.15, a kernel address between the section's bounds after.
func (k *Kernel) isPerCPU(sym kmem.Symbol) bool {
	if !sym.Addr.IsKernel() {
		return true
	}
	syms, err := k.Symbols()
	if err != nil {
		return false
	}
	start, ok1 := syms.Lookup("__per_cpu_start")
	end, ok2 := syms.Lookup("__per_cpu_end")
	return ok1 && ok2 && sym.Addr >= start.Addr && sym.Addr < end.Addr
}

func (k *Kernel) fromTable(types *btf.Spec, sym kmem.Symbol, c string) (Value, error) {
	elem, bound, array := strings.Cut(strings.TrimSuffix(c, "]"), "[")
	open := array && bound == ""
	if open {
		c = elem
	} else if e, _, ok := types.Enumerator(bound); array && ok {
		c = fmt.Sprintf("%s[%d]", elem, e.Value)
	}
	t, err := types.ParseType(c)
	if err != nil {
		return Value{}, fmt.Errorf("the type of %s: %w", sym.Name, err)
	}
	size, err := btf.Sizeof(t)
	if err != nil {
		return Value{}, fmt.Errorf("the type of %s: %w", sym.Name, err)
	}
	room, known := k.room(sym)
	if open {
		if !known || size == 0 || room/size == 0 {
			return Value{}, fmt.Errorf("cannot tell how long the array %s is", sym.Name)
		}
		t = btf.NewArray(t, uint32(min(room/size, 1<<20)))
	} else if known && size > room {
		return Value{}, fmt.Errorf("%s has room for %d bytes, but %s is %d bytes large: it has another type in this kernel", sym.Name, room, c, size)
	}
	if align := btf.Alignof(t); uint64(sym.Addr)%align != 0 {
		return Value{}, fmt.Errorf("%s is at %s by the symbol table, which is damaged: %s is aligned to %d bytes", sym.Name, sym.Addr, c, align)
	}
	return k.placed(types, sym, t)
}

// placed is the variable of a symbol, of each CPU if it is among those.
func (k *Kernel) placed(types *btf.Spec, sym kmem.Symbol, t btf.Type) (Value, error) {
	v := k.Ref(t, sym.Addr)
	if sym.Module == "" && k.isPerCPU(sym) {
		v.place = perCPU
		return v, k.checkPerCPU(types, sym, t)
	}
	return v, nil
}

// checkPerCPU compares the place of a per-CPU variable of vmlinux by its symbol with that by BTF,
// which lists them all but for static ones of old kernels.
func (k *Kernel) checkPerCPU(types *btf.Spec, sym kmem.Symbol, t btf.Type) error {
	if sym.Module != "" {
		return nil
	}
	off, size, ok := types.VarPlace(sym.Name)
	if !ok {
		return nil
	}
	at := uint64(sym.Addr)
	if sym.Addr.IsKernel() { // since 6.15
		start, ok := k.syms.Lookup("__per_cpu_start")
		if !ok {
			return nil
		}
		at -= uint64(start.Addr)
	}
	if n, err := btf.Sizeof(t); at != uint64(off) || err != nil || n != uint64(size) {
		return fmt.Errorf("%s is at %#x of the per-CPU section by the symbol table, and at %#x with %d bytes by BTF: one of them is damaged", sym.Name, at, off, size)
	}
	return nil
}

// room is the distance from a symbol of vmlinux to the next, in bytes.
func (k *Kernel) room(sym kmem.Symbol) (uint64, bool) {
	if sym.Module != "" || !sym.Addr.IsKernel() {
		return 0, false
	}
	syms, err := k.Symbols()
	if err != nil {
		return 0, false
	}
	// The symbol's extent is found by halving: At names the symbol that holds an
	// address, and extents have no gaps.
	lo, hi := uint64(1), uint64(1)
	holds := func(off uint64) bool {
		s, _, ok := syms.At(sym.Addr + kmem.Addr(off))
		return ok && s.Addr == sym.Addr
	}
	for holds(hi) {
		lo = hi
		if hi *= 2; hi > 1<<28 {
			return 0, false
		}
	}
	for lo+1 < hi {
		if mid := lo + (hi-lo)/2; holds(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	// A symbol with the letter of code is taken to end there, but since 7.x variables have that letter, too.
	const longestCode = 256 << 10
	if hi == longestCode && (sym.Type == 'T' || sym.Type == 't') && !k.isCode(sym.Addr) {
		return 0, false
	}
	return hi, true
}
