package value

// perCPUMembers are the members that the kernel's sources declare __percpu: those of
// 6.1, 6.12 and 7.3 in what x86-64 builds, and some of older releases. BTF records
// __percpu only where the compiler could write type tags (clang since 5.17, gcc since
// 16). Without this table such a pointer would be followed as any other; before 6.15
// that is a fault, as they are small offsets, but since then they lie in the kernel
// image, and what is there is something else.
var perCPUMembers = map[string][]string{
	// arch/x86/events/amd/ibs.c
	"perf_ibs": {"pcpu"},
	// arch/x86/events/amd/uncore.c
	"amd_uncore":     {"info"},
	"amd_uncore_pmu": {"ctx"},
	// arch/x86/include/asm/msr.h
	"msr_info": {"msrs"},
	// arch/x86/kernel/kgdb.c
	"hw_breakpoint": {"pev"},
	// block/blk-cgroup.h
	"blkcg":    {"lhead"},
	"blkcg_gq": {"iostat_cpu"},
	// block/blk-iocost.c
	"ioc":    {"pcpu_stat"},
	"ioc_gq": {"pcpu_stat"},
	// block/blk-iolatency.c
	"iolatency_grp": {"stats"},
	// block/blk-mq.h
	"blk_mq_ctxs": {"queue_ctx"},
	// block/blk-stat.h
	"blk_stat_callback": {"cpu_stat"},
	// block/blk-throttle.c
	"throtl_data": {"latency_buckets"},
	// block/kyber-iosched.c
	"kyber_queue_data": {"cpu_latency"},
	// crypto/cryptd.c
	"cryptd_queue": {"cpu_queue"},
	// drivers/block/rnbd/rnbd-clt.h
	"rnbd_clt_session": {"cpu_queues", "cpu_rr"},
	// drivers/block/zram/zcomp.h
	"zcomp": {"stream"},
	// drivers/infiniband/hw/hfi1/affinity.h
	"hfi1_affinity_node": {"comp_vect_affinity"},
	// drivers/infiniband/hw/hfi1/hfi.h
	"hfi1_devdata": {"int_counter", "rcv_limit", "send_schedule", "tx_opstats"},
	// drivers/infiniband/hw/hfi1/pio.h
	"send_context": {"buffers_allocated"},
	// drivers/infiniband/hw/qib/qib.h
	"qib_devdata": {"int_counter"},
	// drivers/infiniband/hw/qib/qib_verbs.h
	"qib_ibport": {"pmastats"},
	// drivers/infiniband/ulp/rtrs/rtrs-clt.h
	"rtrs_clt_path":  {"mp_skip_entry"},
	"rtrs_clt_sess":  {"pcpu_path"},
	"rtrs_clt_stats": {"pcpu_stats"},
	// drivers/infiniband/ulp/rtrs/rtrs-srv.h
	"rtrs_srv_stats": {"rdma_stats"},
	// drivers/iommu/dma-iommu.c
	"iommu_dma_cookie": {"fq", "percpu_fq"},
	// drivers/iommu/iova.c
	"iova_rcache": {"cpu_rcaches"},
	// drivers/md/dm-core.h
	"mapped_device": {"pending_io"},
	// drivers/md/dm-pcache/cache.h
	"pcache_cache": {"data_heads"},
	// drivers/md/dm-stats.h
	"dm_stats": {"last"},
	// drivers/md/raid5.h
	"r5conf": {"percpu"},
	// drivers/net/ethernet/intel/ice/ice_repr.h
	"ice_repr": {"stats"},
	// drivers/net/ethernet/intel/ixgbe/ixgbe_fcoe.h
	"ixgbe_fcoe": {"ddp_pool"},
	// drivers/net/ethernet/mellanox/mlxsw/spectrum.h
	"mlxsw_sp_port": {"pcpu_stats"},
	// drivers/net/ethernet/netronome/nfp/nfp_net_repr.h
	"nfp_repr": {"stats"},
	// drivers/net/ethernet/nvidia/forcedeth.c
	"fe_priv": {"txrx_stats"},
	// drivers/net/ethernet/stmicro/stmmac/common.h
	"stmmac_extra_stats": {"pcpu_stats"},
	// drivers/net/hyperv/hyperv_net.h
	"net_device_context": {"vf_stats"},
	// drivers/net/ipvlan/ipvlan.h
	"ipvl_dev": {"pcpu_stats"},
	// drivers/net/macsec.c
	"macsec_dev": {"stats"},
	// drivers/net/ppp/ppp_generic.c
	"ppp": {"xmit_recursion"},
	// drivers/net/team/team_mode_loadbalance.c
	"lb_port_priv": {"pcpu_stats"},
	"lb_priv":      {"pcpu_stats"},
	// drivers/net/wireguard/device.h
	"crypt_queue": {"worker"},
	// drivers/net/wireless/intel/iwlwifi/iwl-trans.h
	"iwl_trans_txqs": {"tso_hdr_page"},
	// drivers/net/wireless/intel/iwlwifi/pcie/gen1_2/internal.h
	"iwl_pcie_txqs": {"tso_hdr_page"},
	// drivers/net/xen-netfront.c
	"netfront_info": {"rx_stats", "tx_stats"},
	// drivers/scsi/hpsa.h
	"ctlr_info": {"lockup_detected"},
	// drivers/scsi/libfc/fc_exch.c
	"fc_exch_mgr": {"pool"},
	// drivers/scsi/lpfc/lpfc.h
	"lpfc_hba":  {"cmf_stat"},
	"lpfc_vmid": {"last_io_time"},
	// drivers/scsi/lpfc/lpfc_sli4.h
	"lpfc_sli4_hba": {"c_stat", "eq_info"},
	// drivers/scsi/smartpqi/smartpqi.h
	"pqi_scsi_dev": {"raid_io_stats"},
	// fs/aio.c
	"kioctx": {"cpu"},
	// fs/ext4/ext4.h
	"ext4_sb_info": {"s_locality_groups"},
	// fs/gfs2/incore.h
	"gfs2_sbd": {"sd_lkstats"},
	// fs/mount.h
	"mount": {"mnt_pcp"},
	// fs/xfs/xfs_log_priv.h
	"xfs_cil": {"xc_pcp"},
	// fs/xfs/xfs_mount.h
	"xfs_mount": {"m_inodegc"},
	// fs/xfs/xfs_platform.h
	"xstats": {"xs_stats"},
	// include/crypto/internal/acompress.h
	"crypto_acomp_streams": {"streams"},
	// include/linux/alloc_tag.h
	"alloc_tag": {"counters"},
	// include/linux/bio.h
	"bio_set": {"cache"},
	// include/linux/blk_types.h
	"block_device": {"bd_stats"},
	// include/linux/blkdev.h
	"request_queue": {"queue_ctx"},
	// include/linux/blktrace_api.h
	"blk_trace": {"msg_data", "sequence"},
	// include/linux/bpf-cgroup.h
	"bpf_cgroup_storage": {"percpu_buf"},
	// include/linux/bpf.h
	"bpf_map":      {"elem_count"},
	"bpf_prog":     {"active", "stats"},
	"bpf_prog_aux": {"priv_stack_ptr"},
	// include/linux/bpf_mem_alloc.h
	"bpf_mem_alloc": {"cache", "caches"},
	// include/linux/cgroup-defs.h
	"cgroup":              {"rstat_base_cpu", "rstat_cpu"},
	"cgroup_subsys":       {"lhead"},
	"cgroup_subsys_state": {"rstat_cpu"},
	// include/linux/cookie.h
	"gen_cookie": {"local"},
	// include/linux/coresight.h
	"coresight_trace_id_map": {"cpu_map"},
	// include/linux/dmaengine.h
	"dma_chan": {"local"},
	// include/linux/futex_types.h
	"futex_mm_phash": {"ref"},
	// include/linux/if_macvlan.h
	"macvlan_dev": {"pcpu_stats"},
	// include/linux/if_team.h
	"team": {"pcpu_stats"},
	// include/linux/if_vlan.h
	"vlan_dev_priv": {"vlan_pcpu_stats"},
	// include/linux/interrupt.h
	"irqaction": {"percpu_dev_id"},
	// include/linux/irqdesc.h
	"irq_desc": {"kstat_irqs"},
	// include/linux/memcontrol.h
	"mem_cgroup":          {"events_percpu", "vmstats_percpu"},
	"mem_cgroup_per_node": {"lruvec_stats_percpu"},
	// include/linux/mm_types.h
	"mm_struct": {"pcpu_cid"},
	// include/linux/mmzone.h
	"pglist_data": {"per_cpu_nodestats"},
	"zone":        {"per_cpu_pageset", "per_cpu_zonestats"},
	// include/linux/module.h
	"module": {"percpu"},
	// include/linux/netdevice.h
	"net_device": {"core_stats", "dstats", "lstats", "pcpu_refcnt", "tstats", "xdp_bulkq"},
	// include/linux/netfilter/x_tables.h
	"xt_percpu_counter_alloc_state": {"mem"},
	// include/linux/nfs_fs_sb.h
	"nfs_server": {"io_stats"},
	// include/linux/padata.h
	"parallel_data": {"reorder_list", "squeue"},
	// include/linux/percpu-rwsem.h
	"percpu_rw_semaphore": {"read_count"},
	// include/linux/percpu_counter.h
	"percpu_counter": {"counters"},
	// include/linux/perf_event.h
	"perf_cgroup": {"info"},
	"pmu":         {"cpu_pmu_context", "pmu_cpu_context", "pmu_disable_count"},
	// include/linux/psi_types.h
	"psi_group": {"pcpu"},
	// include/linux/relay.h
	"rchan": {"buf"},
	// include/linux/rseq_types.h
	"mm_mm_cid": {"pcpu"},
	// include/linux/sbitmap.h
	"sbitmap": {"alloc_hint"},
	// include/linux/sched.h
	"sched_cache_group": {"pcpu_sched"},
	"task_struct":       {"trc_reader_scp"},
	// include/linux/sched/ext.h
	"scx_dispatch_q": {"pcpu"},
	// include/linux/sched/topology.h
	"sd_data": {"sd", "sds", "sg", "sgc"},
	// include/linux/shmem_fs.h
	"shmem_sb_info": {"ino_batch"},
	// include/linux/slab_def.h
	"kmem_cache": {"cpu_cache", "cpu_sheaves", "cpu_slab", "cpu_stats"},
	// include/linux/smpboot.h
	"smp_hotplug_thread": {"store"},
	// include/linux/spi/spi.h
	"spi_controller": {"pcpu_statistics"},
	"spi_device":     {"pcpu_statistics"},
	// include/linux/srcutree.h
	"srcu_struct": {"sda", "srcu_ctrp"},
	// include/linux/sunrpc/stats.h
	"svc_stat": {"vs_count"},
	// include/linux/sunrpc/svc.h
	"svc_version": {"vs_count"},
	// include/linux/swap.h
	"swap_info_struct": {"cluster_next_cpu", "percpu_cluster"},
	// include/linux/trace_events.h
	"trace_event_call": {"perf_events"},
	// include/linux/uprobes.h
	"hprobe": {"srcu_scp"},
	// include/net/act_api.h
	"tc_action": {"cpu_bstats", "cpu_bstats_hw", "cpu_qstats"},
	// include/net/bonding.h
	"bonding": {"rr_tx_counter"},
	// include/net/dst_cache.h
	"dst_cache": {"cache"},
	// include/net/dst_ops.h
	"dst_ops": {"pcpuc_entries"},
	// include/net/gro_cells.h
	"gro_cells": {"cells"},
	// include/net/hotdata.h
	"net_hotdata": {"skb_defer_nodes"},
	// include/net/ip6_fib.h
	"fib6_nh": {"rt6i_pcpu"},
	// include/net/ip_fib.h
	"fib_nh_common": {"nhc_pcpu_rth_output"},
	// include/net/ip_vs.h
	"ip_vs_stats": {"cpustats"},
	// include/net/ipcomp.h
	"ipcomp_data": {"tfms"},
	// include/net/macsec.h
	"macsec_rx_sa": {"stats"},
	"macsec_rx_sc": {"stats"},
	"macsec_tx_sa": {"stats"},
	"macsec_tx_sc": {"stats"},
	// include/net/neighbour.h
	"neigh_table": {"stats"},
	// include/net/netfilter/nf_synproxy.h
	"synproxy_net": {"stats"},
	// include/net/netfilter/nf_tables.h
	"nft_base_chain":  {"stats"},
	"nft_trans_chain": {"stats"},
	// include/net/netns/conntrack.h
	"netns_ct": {"stat"},
	// include/net/netns/core.h
	"netns_core": {"prot_inuse", "sock_inuse"},
	// include/net/netns/flow_table.h
	"netns_ft": {"stat"},
	// include/net/netns/mib.h
	"netns_mib": {
		"icmp_statistics", "icmpv6_statistics", "ip_statistics", "ipv6_statistics",
		"mptcp_statistics", "net_statistics", "tcp_statistics", "tls_statistics", "udp_statistics",
		"udp_stats_in6", "udplite_statistics", "udplite_stats_in6", "xfrm_statistics",
	},
	// include/net/netns/smc.h
	"netns_smc": {"smc_stats"},
	// include/net/netns/xfrm.h
	"netns_xfrm": {"state_cache_input"},
	// include/net/nexthop.h
	"nh_grp_entry": {"stats"},
	// include/net/page_pool/types.h
	"page_pool": {"recycle_stats"},
	// include/net/sch_generic.h
	"Qdisc":      {"cpu_bstats", "cpu_qstats"},
	"mini_Qdisc": {"cpu_bstats", "cpu_qstats"},
	// include/net/seg6_hmac.h
	"seg6_hmac_algo": {"shashs", "tfms"},
	// include/net/sock.h
	"proto": {"orphan_count", "per_cpu_fw_alloc"},
	// include/net/vxlan.h
	"vxlan_vni_node": {"stats"},
	// include/rdma/rdma_vt.h
	"rvt_ibport": {"rc_acks", "rc_delayed_comp", "rc_qacks"},
	// include/scsi/libfc.h
	"fc_lport": {"stats"},
	// include/target/target_core_base.h
	"se_dev_entry": {"stats"},
	"se_device":    {"stats"},
	"se_lun":       {"lun_stats"},
	// kernel/bpf/bpf_lru_list.h
	"bpf_common_lru": {"local_list"},
	"bpf_lru":        {"percpu_lru"},
	// kernel/bpf/cpumap.c
	"bpf_cpu_map_entry": {"bulkq"},
	// kernel/bpf/hashtab.c
	"bpf_htab": {"extra_elems", "map_locked"},
	// kernel/bpf/percpu_freelist.h
	"pcpu_freelist": {"freelist"},
	// kernel/irq/matrix.c
	"irq_matrix": {"maps"},
	// kernel/rcu/tasks.h
	"rcu_tasks": {"rtpcpu"},
	// kernel/sched/cpuacct.c
	"cpuacct": {"cpustat", "cpuusage"},
	// kernel/sched/ext/internal.h
	"scx_sched": {"pcpu", "set_cmask_scratch"},
	// kernel/sched/sched.h
	"task_group": {"cfs_rq"},
	// kernel/sched/topology.c
	"s_data": {"sd", "sds"},
	// kernel/smp.c
	"call_function_data": {"csd", "pcpu"},
	// kernel/trace/trace.h
	"array_buffer":        {"data"},
	"trace_array":         {"last_func_repeats"},
	"trace_user_buf_info": {"tbuf"},
	// kernel/trace/trace_functions_graph.c
	"fgraph_data": {"cpu_data"},
	// kernel/trace/trace_kprobe.c
	"trace_kprobe": {"nhit"},
	// kernel/trace/trace_uprobe.c
	"trace_uprobe": {"nhits"},
	// kernel/workqueue.c
	"workqueue_struct": {"cpu_pwq", "cpu_pwqs"},
	// mm/memcontrol.c
	"memcg_vmstats_percpu": {"parent_pcpu"},
	// mm/z3fold.c
	"z3fold_pool": {"unbuddied"},
	// mm/zswap.c
	"zswap_pool": {"acomp_ctx"},
	// net/batman-adv/types.h
	"batadv_priv": {"bat_counters"},
	// net/bridge/br_private.h
	"net_bridge":      {"mcast_stats"},
	"net_bridge_port": {"mcast_stats"},
	"net_bridge_vlan": {"stats"},
	// net/caif/caif_dev.c
	"caif_device_entry": {"pcpu_refcnt"},
	// net/caif/cffrml.c
	"cffrml": {"pcpu_refcnt"},
	// net/can/raw.c
	"raw_sock": {"uniq"},
	// net/core/gen_estimator.c
	"net_rate_estimator": {"cpu_bstats"},
	// net/core/gro_cells.c
	"percpu_free_defer": {"ptr"},
	// net/devlink/trap.c
	"devlink_trap_group_item": {"stats"},
	"devlink_trap_item":       {"stats"},
	// net/ipv4/fib_trie.c
	"trie": {"stats"},
	// net/ipv6/seg6_local.c
	"seg6_local_lwt": {"pcpu_counters"},
	// net/mac80211/sta_info.h
	"link_sta_info": {"pcpu_rx_stats"},
	// net/mpls/internal.h
	"mpls_dev": {"stats"},
	// net/netfilter/nft_counter.c
	"nft_counter_percpu_priv": {"counter"},
	// net/netfilter/nft_set_pipapo.h
	"nft_pipapo_match": {"scratch"},
	// net/openvswitch/datapath.h
	"datapath": {"stats_percpu"},
	// net/openvswitch/flow_table.h
	"mask_array": {"masks_usage_stats"},
	"mask_cache": {"mask_cache"},
	// net/openvswitch/vport.h
	"vport": {"upcall_stats"},
	// net/packet/internal.h
	"packet_ring_buffer": {"pending_refcnt"},
	// net/rds/ib.h
	"rds_ib_refill_cache": {"percpu"},
	// net/sched/cls_basic.c
	"basic_filter": {"pf"},
	// net/sched/cls_matchall.c
	"cls_mall_head": {"pf"},
	// net/sched/cls_u32.c
	"tc_u_knode": {"pcpu_success", "pf"},
	// net/tipc/crypto.c
	"tipc_aead":   {"tfm_entry"},
	"tipc_crypto": {"stats"},
	// net/xfrm/xfrm_ipcomp.c
	"ipcomp_tfms": {"tfms"},
}
