package expr

const topicSystem = "system"

// systemFunctions tell what procfs tells of a live kernel.
var systemFunctions = []Function{
	{
		Name: "dmesg", Signature: "dmesg()", Topic: topicSystem,
		Doc:      "the kernel's log as {seq, time, level, facility, caller, text}, printed as dmesg does (prb, kernel/printk)",
		Examples: []string{"dmesg() | filter(.level <= 3)", "dmesg() | filter(.text contains 'bond') | map(.text)"},
		Call:     callDmesg,
	},
	{
		Name: "uptime", Signature: "uptime()", Topic: topicSystem,
		Doc:      "seconds since boot, suspended or not, as of the last tick (kernel/time/timekeeping.c)",
		Examples: []string{"uptime()"},
		Call:     callUptime,
	},
	{
		Name: "boot_time", Signature: "boot_time()", Topic: topicSystem,
		Doc:      "when the kernel was started, in seconds since 1970, as btime of /proc/stat",
		Examples: []string{"boot_time()"},
		Call:     callBootTime,
	},
	{
		Name: "cmdline", Signature: "cmdline()", Topic: topicSystem,
		Doc:      "the kernel's command line, as /proc/cmdline (saved_command_line, init/main.c)",
		Examples: []string{"cmdline()"},
		Call:     callCommandLine,
	},
	{
		Name: "kernel_config", Signature: "kernel_config(['OPTION'])", Topic: topicSystem,
		Doc:      "the kernel's configuration where it carries it, or one option of it: 'y', 'm', a text, or nil (kernel/configs.c)",
		Examples: []string{"kernel_config('CONFIG_HZ')"},
		MaxArgs:  1, Args: []ArgKind{WordArg}, Words: configOptions,
		Call: callConfig,
	},
	{
		Name: "meminfo", Signature: "meminfo()", Topic: topicSystem,
		Doc:      "the main figures of /proc/meminfo in kB, as members (vm_node_stat, vm_zone_stat; fs/proc/meminfo.c)",
		Examples: []string{"meminfo()", "meminfo().MemFree * 100 / meminfo().MemTotal", "meminfo()['Active(anon)']"},
		Call:     callMemInfo,
	},
	{
		Name: "interrupts", Signature: "interrupts()", Topic: topicSystem,
		Doc:      "the interrupts of devices as {irq, total, counts, chip, actions, desc}, counts by CPU (irq_desc, kernel/irq)",
		Examples: []string{"interrupts()", "interrupts() | filter(.total > 0) | map(.actions)"},
		Call:     callInterrupts,
	},
	{
		Name: "softirqs", Signature: "softirqs()", Topic: topicSystem,
		Doc:      "how often each softirq has run as {name, total, counts}, counts by CPU (kstat, kernel/softirq.c)",
		Examples: []string{"softirqs()", "(softirqs() | find(.name == 'NET_RX')).total"},
		Call:     callSoftirqs,
	},
	{
		Name: "modules", Signature: "modules()", Topic: topicSystem,
		Doc:      "the loaded modules as {name, size, refs, used_by, state, args, module}, as lsmod (kernel/module)",
		Examples: []string{"modules()", "modules() | filter(.name == 'bonding') | map(.refs)"},
		Call:     callModules,
	},
	{
		Name: "mounts", Signature: "mounts([TASK or PID])", Topic: topicSystem,
		Doc:      "the mounts of a task's mount namespace, of task 1's at first, as {source, target, fstype, flags, id, mount} (fs/namespace.c)",
		Examples: []string{"mounts()", "mounts() | filter(.fstype == 'proc') | map(.target)"},
		MaxArgs:  1,
		Call:     callMounts,
	},
	{
		Name: "slab_caches", Signature: "slab_caches()", Topic: topicSystem,
		Doc:      "the slab caches as {name, objects, active, object_size, size, slabs, bytes, cache}, as /proc/slabinfo (mm/slub.c)",
		Examples: []string{"slab_caches() | sortBy(.bytes, 'desc') | take(5)"},
		Call:     callSlabCaches,
	},
	{
		Name: "slab_cache", Signature: "slab_cache('NAME')", Topic: topicSystem,
		Doc:      "the slab cache of that name, as slab_caches() has it, and allocated: what is active, less the free objects that CPUs keep",
		Examples: []string{"slab_cache('kmalloc-64').allocated"},
		MinArgs:  1, MaxArgs: 1, Args: []ArgKind{WordArg}, Words: slabNames,
		Call: callSlabCache,
	},
}
