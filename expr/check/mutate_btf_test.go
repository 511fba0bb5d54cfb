package check_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"kinspect/kmem"
)

// askedTypes are the structs and enums that explain bond0 looks into, with the members
// that it asks for; those with none are looked at whole.
var askedTypes = map[string]string{
	"net":          "list ns dev_base_head ptype_all ptype_specific",
	"net_device":   "name ifindex dev_list nd_net core_stats adj_list rtnl_link_ops state rx_handler netdev_ops num_rx_queues stats pcpu_stat_type priv flags ptype_all ptype_specific tcx_ingress miniq_ingress nf_hooks_ingress type",
	"list_head":    "",
	"packet_type":  "type func dev list af_packet_net ignore_outgoing",
	"module":       "list name mem core_layout kallsyms",
	"btf_module":   "btf list module",
	"btf":          "data data_size name",
	"softnet_data": "processed dropped flow_limit drop_counters",
	"net_hotdata":  "max_backlog ptype_all", "net_device_core_stats": "", "net_device_ops": "ndo_get_stats64 ndo_get_stats",
	"rtnl_link_ops": "kind", "netdev_adjacent": "", "xa_node": "slots", "idr": "", "xarray": "xa_head", "bpf_prog": "type",
	"cpumask": "", "vm_event_state": "", "static_key_false": "", "static_key": "", "ns_common": "inum", "module_memory": "base size",
	"mod_kallsyms": "", "possible_net_t": "", "bonding": "params recv_probe bond_stats", "bond_params": "mode",
	"slave": "inactive slave_stats", "veth_priv": "peer rq dropped", "veth_rq": "stats napi", "veth_rq_stats": "vs", "veth_stats": "",
	"rtnl_link_stats64": "rx_dropped rx_nohandler", "vm_event_item": "PAGEOUTRUN", "netdev_stat_type": "", "bpf_prog_type": "BPF_PROG_TYPE_SCHED_CLS",
	"net_device_stats": "rx_dropped", "atomic_t": "", "unsigned long": "", "int": "", "unsigned int": "", "long unsigned int": "", "char": "", "u32": "", "u64": "", "__u64": "",
}

// btfAims walks a BTF, and finds the records of the asked types, the rows of their
// members, and the types that these lead to. It knows the format by itself.
func btfAims(b blob) []kmem.Range {
	le := binary.LittleEndian
	d := b.data
	hdr := int(le.Uint32(d[4:]))
	types := d[hdr+int(le.Uint32(d[8:])):][:le.Uint32(d[12:])]
	typesAt := hdr + int(le.Uint32(d[8:]))
	stringsAt, stringsLen := hdr+int(le.Uint32(d[16:])), int(le.Uint32(d[20:]))
	name := func(off uint32) string {
		if int(off) >= stringsLen {
			return ""
		}
		n := bytes.IndexByte(d[stringsAt+int(off):], 0)
		return string(d[stringsAt+int(off):][:n])
	}
	type record struct{ at, kind, rows, row int }
	var recs []record
	for at := 0; at < len(types); {
		info := le.Uint32(types[at+4:])
		r := record{at: at, kind: int(info >> 24 & 0x1f), rows: int(info & 0xffff)}
		head := 12
		switch r.kind {
		case 1, 14, 17:
			head, r.rows = 16, 0
		case 3:
			head, r.rows = 24, 0
		case 4, 5, 15, 19:
			r.row = 12
		case 6, 13:
			r.row = 8
		default:
			r.rows = 0
		}
		recs = append(recs, r)
		at += head + r.rows*r.row
	}
	out := []kmem.Range{{Addr: b.at, Len: uint64(hdr)}}
	add := func(at, n int) { out = append(out, kmem.Range{Addr: b.at + kmem.Addr(at), Len: uint64(n)}) }
	text := func(off uint32) { // a name, where it is in this blob
		if off != 0 && int(off) < stringsLen {
			add(stringsAt+int(off), len(name(off))+1)
		}
	}
	seen := map[uint32]bool{}
	var follow func(id uint32, depth int)
	follow = func(id uint32, depth int) {
		if id == 0 || int(id) > len(recs) || seen[id] || depth == 0 {
			return
		}
		seen[id] = true
		r := recs[id-1]
		add(typesAt+r.at, 12)
		switch r.kind {
		case 2, 8, 9, 10, 11, 18:
			follow(le.Uint32(types[r.at+8:]), depth-1)
		case 7:
			text(le.Uint32(types[r.at:]))
			follow(le.Uint32(types[r.at+8:]), depth-1)
		case 3:
			add(typesAt+r.at+12, 12)
			follow(le.Uint32(types[r.at+12:]), depth-1)
		case 1:
			add(typesAt+r.at+12, 4)
		}
	}
	for _, r := range recs {
		asked, ok := askedTypes[name(le.Uint32(types[r.at:]))]
		anonymousEnum := (r.kind == 6 || r.kind == 19) && !ok
		if !ok && !anonymousEnum {
			continue
		}
		switch r.kind {
		case 1, 4, 5, 6, 19:
		default:
			continue
		}
		members := strings.Fields(asked)
		for i := range r.rows {
			row := r.at + 12 + i*r.row
			n := name(le.Uint32(types[row:]))
			want := len(members) == 0 && !anonymousEnum || slices.Contains(members, n) || anonymousEnum && strings.HasPrefix(n, "PAGEOUTRUN")
			if !want {
				continue
			}
			add(typesAt+row, r.row)
			text(le.Uint32(types[row:]))
			if r.kind == 4 || r.kind == 5 {
				follow(le.Uint32(types[row+4:]), 6)
			}
		}
		if ok {
			add(typesAt+r.at, 12)
			text(le.Uint32(types[r.at:]))
			if r.kind == 4 && r.rows > 0 { // any member: the layout is one
				add(typesAt+r.at+12, r.rows*r.row)
			}
		}
	}
	return out
}
