package expr

import "kinspect/expr/value"

const topicStruct = "structures"

var structArgs = []ArgKind{AnyArg, TypeArg, MemberArg}

// structFunctions walk the kernel's generic structures. What they give is made while
// it is walked.
var structFunctions = []Function{
	{
		Name: "hlist_for_each", Signature: "hlist_for_each(HEAD, 'struct TYPE', 'MEMBER')", Topic: topicStruct,
		Doc:      "the structs on an hlist_head, linked through MEMBER, as pointers (include/linux/list.h)",
		Examples: []string{"hlist_for_each(init_net.dev_name_head[0], 'struct netdev_name_node', 'hlist') | map(.name)"},
		MinArgs:  3, MaxArgs: 3, Args: structArgs,
		Call: func(c *Call) (any, error) { return c.linked(-1, "hlist_head") },
	},
	{
		Name: "hlist_nulls_for_each", Signature: "hlist_nulls_for_each(HEAD, 'struct TYPE', 'MEMBER')", Topic: topicStruct,
		Doc:      "the structs on an hlist_nulls_head, which ends with an odd pointer (include/linux/list_nulls.h)",
		Examples: []string{"hlist_nulls_for_each(tcp_hashinfo.ehash[0].chain, 'struct sock_common', 'skc_nulls_node') | count()"},
		MinArgs:  3, MaxArgs: 3, Args: structArgs,
		Call: eachOf(value.EachNulls, "hlist_nulls_head"),
	},
	{
		Name: "llist_for_each", Signature: "llist_for_each(HEAD, 'struct TYPE', 'MEMBER')", Topic: topicStruct,
		Doc:      "the structs on an llist_head, the newest first, as pointers (include/linux/llist.h)",
		Examples: []string{"llist_for_each(per_cpu(call_single_queue, 0), 'struct __call_single_data', 'node.llist') | count()"},
		MinArgs:  3, MaxArgs: 3, Args: structArgs,
		Call: eachOf(value.EachLList, "llist_head"),
	},
	{
		Name: "plist_for_each", Signature: "plist_for_each(HEAD, 'struct TYPE', 'MEMBER')", Topic: topicStruct,
		Doc:      "the structs on a plist_head by priority; MEMBER is their plist_node (include/linux/plist.h)",
		Examples: []string{"plist_for_each(swap_active_head, 'struct swap_info_struct', 'list') | map(.prio)"},
		MinArgs:  3, MaxArgs: 3, Args: structArgs,
		Call: eachOf(value.EachPList, "plist_head"),
	},
	{
		Name: "rbtree_for_each", Signature: "rbtree_for_each(ROOT, 'struct TYPE', 'MEMBER')", Topic: topicStruct,
		Doc:      "the structs of an rb_root or rb_root_cached in order; MEMBER is their rb_node (include/linux/rbtree.h)",
		Examples: []string{"rbtree_for_each(init_net.proc_net.subdir, 'struct proc_dir_entry', 'subdir_node') | map(string(.name))"},
		MinArgs:  3, MaxArgs: 3, Args: structArgs,
		Call: eachOf(value.EachRB, "rb_root", "rb_root_cached", "rb_root_linked"),
	},
	{
		Name: "rb_first", Signature: "rb_first(ROOT, 'struct TYPE', 'MEMBER')", Topic: topicStruct,
		Doc:      "the first struct of a red-black tree, or nil (lib/rbtree.c)",
		Examples: []string{"string(rb_first(init_net.proc_net.subdir, 'struct proc_dir_entry', 'subdir_node').name)"},
		MinArgs:  3, MaxArgs: 3, Args: structArgs,
		Call: callEdge(false),
	},
	{
		Name: "rb_last", Signature: "rb_last(ROOT, 'struct TYPE', 'MEMBER')", Topic: topicStruct,
		Doc:      "the last struct of a red-black tree, or nil (lib/rbtree.c)",
		Examples: []string{"string(rb_last(init_net.proc_net.subdir, 'struct proc_dir_entry', 'subdir_node').name)"},
		MinArgs:  3, MaxArgs: 3, Args: structArgs,
		Call: callEdge(true),
	},
	{
		Name: "xa_for_each", Signature: "xa_for_each(XARRAY[, 'TYPE'])", Topic: topicStruct,
		Doc:      "the entries of an xarray or radix tree as {index, last, entry}, entry a TYPE * (include/linux/xarray.h)",
		Examples: []string{"xa_for_each(prog_idr.idr_rt, 'struct bpf_prog') | map(.index)"},
		MinArgs:  1, MaxArgs: 2, Args: []ArgKind{AnyArg, TypeArg},
		Call: xarrayTree.callEach,
	},
	{
		Name: "xa_load", Signature: "xa_load(XARRAY, INDEX[, 'TYPE'])", Topic: topicStruct,
		Doc:      "the entry of an xarray or radix tree at an index, or nil (lib/xarray.c)",
		Examples: []string{"xa_load(prog_idr.idr_rt, 1, 'struct bpf_prog')?.type"},
		MinArgs:  2, MaxArgs: 3, Args: []ArgKind{AnyArg, AnyArg, TypeArg},
		Call: xarrayTree.callFind,
	},
	{
		Name: "idr_for_each", Signature: "idr_for_each(IDR[, 'TYPE'])", Topic: topicStruct,
		Doc:      "the entries of an idr as {index, last, entry}, index being the id (include/linux/idr.h)",
		Examples: []string{"idr_for_each(prog_idr, 'struct bpf_prog') | map([.index, .entry.type])"},
		MinArgs:  1, MaxArgs: 2, Args: []ArgKind{AnyArg, TypeArg},
		Call: idrTree.callEach,
	},
	{
		Name: "idr_find", Signature: "idr_find(IDR, ID[, 'TYPE'])", Topic: topicStruct,
		Doc:      "the entry of an idr with an id, or nil (lib/idr.c)",
		Examples: []string{"idr_find(init_pid_ns.idr, 1, 'struct pid')"},
		MinArgs:  2, MaxArgs: 3, Args: []ArgKind{AnyArg, AnyArg, TypeArg},
		Call: idrTree.callFind,
	},
	{
		Name: "mt_for_each", Signature: "mt_for_each(MAPLE_TREE[, 'TYPE'])", Topic: topicStruct,
		Doc:      "the ranges of a maple tree as {index, last, entry}, entry a TYPE *; since 6.1 (include/linux/maple_tree.h)",
		Examples: []string{"mt_for_each(task(1).mm.mm_mt, 'struct vm_area_struct') | map(.entry.vm_start)"},
		MinArgs:  1, MaxArgs: 2, Args: []ArgKind{AnyArg, TypeArg},
		Call: mapleTree.callEach,
	},
	{
		Name: "mt_find", Signature: "mt_find(MAPLE_TREE, INDEX[, 'TYPE'])", Topic: topicStruct,
		Doc:      "the entry of a maple tree whose range holds an index, or nil; since 6.1 (lib/maple_tree.c)",
		Examples: []string{"mt_find(task(1).mm.mm_mt, task(1).mm.start_code, 'struct vm_area_struct')?.vm_start"},
		MinArgs:  2, MaxArgs: 3, Args: []ArgKind{AnyArg, AnyArg, TypeArg},
		Call: mapleTree.callFind,
	},
	{
		Name: "per_cpu_ptr", Signature: "per_cpu_ptr(POINTER or VARIABLE, CPU)", Topic: topicKernel,
		Doc:      "one CPU's copy of what a __percpu pointer points to, as a pointer (include/linux/percpu-defs.h)",
		Examples: []string{"per_cpu_ptr(netdev('lo').lstats, 1)"},
		MinArgs:  2, MaxArgs: 2,
		Call: callPerCPUPtr,
	},
	{
		Name: "per_cpu_sum", Signature: "per_cpu_sum(VARIABLE or POINTER[, 'MEMBER'])", Topic: topicKernel,
		Doc:      "the sum of an integer over the copies of all possible CPUs, of it or of its MEMBER",
		Examples: []string{"per_cpu_sum(softnet_data.processed)", "per_cpu_sum(netdev('lo').lstats, 'packets')"},
		MinArgs:  1, MaxArgs: 2,
		Call: callPerCPUSum,
	},
	{
		Name: "percpu_counter_sum", Signature: "percpu_counter_sum(COUNTER)", Topic: topicKernel,
		Doc:      "the value of a struct percpu_counter with what each CPU has beside it (lib/percpu_counter.c)",
		Examples: []string{"percpu_counter_sum(vm_committed_as)"},
		MinArgs:  1, MaxArgs: 1,
		Call: callPerCPUCounter,
	},
	{
		Name: "cpumask", Signature: "cpumask(MASK)", Topic: topicKernel,
		Doc:      "the numbers of the CPUs in a struct cpumask or cpumask_var_t",
		Examples: []string{"cpumask(__cpu_online_mask)"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			v, err := c.Value(0, "a mask of CPUs")
			if err != nil {
				return nil, err
			}
			if v, err = follow(v); err != nil {
				return nil, err
			}
			return numbers(v.Kernel().CPUMask(v))
		},
	},
	{
		Name: "online_cpus", Signature: "online_cpus()", Topic: topicKernel,
		Doc:      "the numbers of the CPUs that run (kernel/cpu.c, __cpu_online_mask)",
		Examples: []string{"online_cpus()"},
		Call:     mask("__cpu_online_mask"),
	},
	{
		Name: "possible_cpus", Signature: "possible_cpus()", Topic: topicKernel,
		Doc:      "the numbers of the CPUs that there is room for, as cpus() (kernel/cpu.c, __cpu_possible_mask)",
		Examples: []string{"possible_cpus()"},
		Call:     mask("__cpu_possible_mask"),
	},
	{
		Name: "present_cpus", Signature: "present_cpus()", Topic: topicKernel,
		Doc:      "the numbers of the CPUs that are plugged in (kernel/cpu.c, __cpu_present_mask)",
		Examples: []string{"present_cpus()"},
		Call:     mask("__cpu_present_mask"),
	},
}
