package ksys

import (
	"errors"
	"fmt"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// Figure is a number of /proc/meminfo, in kB.
type Figure struct {
	Name string
	KB   uint64
}

const kbPerPage = kmem.PageSize / 1024

// stats are the counters vm_node_stat and vm_zone_stat (mm/vmstat.c), in pages. An item
// is an enumerator, and which of the two arrays it counts in is which enum it is of: some
// have moved. What single CPUs have not yet added is left out, as /proc/meminfo does.
type stats struct {
	k          *value.Kernel
	node, zone value.Value
}

func openStats(k *value.Kernel) (*stats, error) {
	s := &stats{k: k}
	for _, a := range []struct {
		name, count string
		to          *value.Value
	}{
		{"vm_node_stat", "NR_VM_NODE_STAT_ITEMS", &s.node},
		{"vm_zone_stat", "NR_VM_ZONE_STAT_ITEMS", &s.zone},
	} {
		sym, ok := k.LookupSymbol(a.name)
		if !ok {
			return nil, fmt.Errorf("%w: %s", value.ErrNoSymbol, a.name)
		}
		types, err := k.Types()
		if err != nil {
			return nil, err
		}
		t, err := types.ParseType("atomic_long_t")
		if err != nil {
			return nil, err
		}
		n, err := k.Enumerator(a.count)
		if err != nil {
			return nil, err
		}
		if n > 4096 {
			return nil, fmt.Errorf("the kernel's types are damaged: %s is %d", a.count, n)
		}
		if *a.to, err = k.Ref(btf.NewArray(t, uint32(n)), sym.Addr).Load(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// item is a counter; ok is false where this kernel has no such item. One that is
// negative for a moment counts as zero.
func (s *stats) item(name string) (pages uint64, ok bool, err error) {
	types, err := s.k.Types()
	if err != nil {
		return 0, false, err
	}
	e, in, ok := types.Enumerator(name)
	if !ok {
		return 0, false, nil
	}
	array := s.node
	switch in.Name {
	case "node_stat_item":
	case "zone_stat_item":
		array = s.zone
	default:
		return 0, false, fmt.Errorf("%s is of %s, and no item of the memory's statistics", name, in)
	}
	if e.Value > 4096 {
		return 0, false, fmt.Errorf("the kernel's types are damaged: %s is %d", name, e.Value)
	}
	v, err := array.Index(int64(e.Value))
	if err != nil {
		return 0, false, err
	}
	n, err := v.UintPath("counter")
	return notNegative(n), true, err
}

// notNegative is a number of the kernel's that is signed, or zero where it is below.
func notNegative(n uint64) uint64 {
	if int64(n) < 0 {
		return 0
	}
	return n
}

// counter is a variable of the kernel: a long, or an atomic_long_t.
func counter(k *value.Kernel, name string) (uint64, error) {
	sym, ok := k.LookupSymbol(name)
	if !ok {
		return 0, fmt.Errorf("%w: %s", value.ErrNoSymbol, name)
	}
	return kmem.ReadUint64(k, sym.Addr)
}

// memRows are the figures that are counters of vm_node_stat and vm_zone_stat, in the
// order of /proc/meminfo (fs/proc/meminfo.c); kb says that it counts kB, not pages.
var memRows = []struct {
	name  string
	items []string
	kb    bool
}{
	{name: "Active", items: []string{"NR_ACTIVE_ANON", "NR_ACTIVE_FILE"}},
	{name: "Inactive", items: []string{"NR_INACTIVE_ANON", "NR_INACTIVE_FILE"}},
	{name: "Active(anon)", items: []string{"NR_ACTIVE_ANON"}},
	{name: "Inactive(anon)", items: []string{"NR_INACTIVE_ANON"}},
	{name: "Active(file)", items: []string{"NR_ACTIVE_FILE"}},
	{name: "Inactive(file)", items: []string{"NR_INACTIVE_FILE"}},
	{name: "Unevictable", items: []string{"NR_UNEVICTABLE"}},
	{name: "Mlocked", items: []string{"NR_MLOCK"}},
	{name: "SwapTotal"},
	{name: "Dirty", items: []string{"NR_FILE_DIRTY"}},
	{name: "Writeback", items: []string{"NR_WRITEBACK"}},
	{name: "AnonPages", items: []string{"NR_ANON_MAPPED"}},
	{name: "Mapped", items: []string{"NR_FILE_MAPPED"}},
	{name: "Shmem", items: []string{"NR_SHMEM"}},
	{name: "KReclaimable", items: []string{"NR_SLAB_RECLAIMABLE_B", "NR_KERNEL_MISC_RECLAIMABLE"}},
	{name: "Slab", items: []string{"NR_SLAB_RECLAIMABLE_B", "NR_SLAB_UNRECLAIMABLE_B"}},
	{name: "SReclaimable", items: []string{"NR_SLAB_RECLAIMABLE_B"}},
	{name: "SUnreclaim", items: []string{"NR_SLAB_UNRECLAIMABLE_B"}},
	{name: "KernelStack", items: []string{"NR_KERNEL_STACK_KB"}, kb: true},
	{name: "PageTables", items: []string{"NR_PAGETABLE"}},
	{name: "SecPageTables", items: []string{"NR_SECONDARY_PAGETABLE"}},
	{name: "Bounce", items: []string{"NR_BOUNCE"}},
	{name: "AnonHugePages", items: []string{"NR_ANON_THPS"}},
}

// MemInfo are the main figures of /proc/meminfo, in its order, of this kernel: those that
// are counters, and MemAvailable.
func MemInfo(k *value.Kernel) ([]Figure, error) {
	s, err := openStats(k)
	if err != nil {
		return nil, err
	}
	total, err := counter(k, "_totalram_pages")
	if err != nil {
		return nil, err
	}
	free, _, err := s.item("NR_FREE_PAGES")
	if err != nil {
		return nil, err
	}
	buffers, err := blockPages(k)
	if err != nil {
		return nil, fmt.Errorf("counting the pages of block devices: %w", err)
	}
	files, _, err := s.item("NR_FILE_PAGES")
	if err != nil {
		return nil, err
	}
	swapCache, counted, err := s.item("NR_SWAPCACHE") // since 5.12
	if err != nil {
		return nil, err
	}
	swap, err := counter(k, "total_swap_pages")
	if err != nil {
		return nil, err
	}
	cached := notNegative(files - swapCache - buffers)
	available, err := s.available(free)
	if err != nil {
		return nil, err
	}
	out := []Figure{
		{"MemTotal", total * kbPerPage},
		{"MemFree", free * kbPerPage},
		{"MemAvailable", available * kbPerPage},
		{"Buffers", buffers * kbPerPage},
	}
	// Before 5.12 the swap cache is counted with each swap area: without swap there is none.
	if counted || swap == 0 {
		out = append(out, Figure{"Cached", cached * kbPerPage}, Figure{"SwapCached", swapCache * kbPerPage})
	}
	for _, row := range memRows {
		if row.name == "SwapTotal" {
			out = append(out, Figure{row.name, swap * kbPerPage})
			continue
		}
		var sum uint64
		has := false
		for _, item := range row.items {
			n, ok, err := s.item(item)
			if err != nil {
				return nil, err
			}
			sum, has = sum+n, has || ok
		}
		if !row.kb {
			sum *= kbPerPage
		}
		if has {
			out = append(out, Figure{row.name, sum})
		}
	}
	return out, nil
}

// available is how many pages could be had without swapping: what is free and no reserve, and
// the larger part of what could be freed (mm/show_mem.c, si_mem_available).
func (s *stats) available(free uint64) (uint64, error) {
	reserve, err := counter(s.k, "totalreserve_pages")
	if err != nil {
		return 0, err
	}
	low, err := lowWatermark(s.k)
	if err != nil {
		return 0, fmt.Errorf("reading the watermarks of the zones: %w", err)
	}
	out := int64(free - reserve)
	for _, items := range [][2]string{
		{"NR_ACTIVE_FILE", "NR_INACTIVE_FILE"},
		{"NR_SLAB_RECLAIMABLE_B", "NR_KERNEL_MISC_RECLAIMABLE"},
	} {
		var sum uint64
		for _, item := range items {
			n, _, err := s.item(item)
			if err != nil {
				return 0, err
			}
			sum += n
		}
		out += int64(sum - min(sum/2, low))
	}
	return notNegative(uint64(out)), nil
}

// lowWatermark adds up the low watermarks of all zones: node_data[].node_zones[].
func lowWatermark(k *value.Kernel) (uint64, error) {
	table, numa := k.LookupSymbol("node_data")
	one, ok := k.LookupSymbol("contig_page_data") // built without CONFIG_NUMA
	if !numa && !ok {
		return 0, fmt.Errorf("%w: node_data", value.ErrNoSymbol)
	}
	nodes, err := nodeIDs(k)
	if err != nil {
		return 0, err
	}
	st, err := k.Struct("pglist_data")
	if err != nil {
		return 0, err
	}
	which, err := k.Enumerator("WMARK_LOW")
	if err != nil {
		return 0, err
	}
	mark := fmt.Sprintf("_watermark[%d]", which)
	var sum uint64
	for i := range nodes {
		a := one.Addr
		if numa {
			if a, err = kmem.ReadAddr(k, table.Addr.Add(8*int64(i))); err != nil {
				return 0, err
			}
		}
		if a == 0 {
			continue
		}
		zones, err := k.Ref(st, a).Member("node_zones")
		if err != nil {
			return 0, err
		}
		n, _ := zones.Len()
		for j := range min(n, 64) {
			zone, err := zones.Index(int64(j))
			if err != nil {
				return 0, err
			}
			low, err := zone.UintPath(mark)
			if err != nil {
				return 0, err
			}
			boost, err := zone.UintPath("watermark_boost")
			if err != nil {
				return 0, err
			}
			sum += low + boost
		}
	}
	return sum, nil
}

// maxInodes bounds the walk over the inodes of block devices.
const maxInodes = 1 << 20

// blockPages is how many pages block devices have in the page cache: they are the inodes
// of one file system (block/bdev.c, nr_blockdev_pages).
func blockPages(k *value.Kernel) (uint64, error) {
	sym, ok := k.LookupSymbol("blockdev_superblock")
	if !ok {
		return 0, fmt.Errorf("%w: blockdev_superblock", value.ErrNoSymbol)
	}
	a, err := kmem.ReadAddr(k, sym.Addr)
	if err != nil {
		return 0, err
	}
	if a == 0 {
		return 0, errors.New("blockdev_superblock is NULL")
	}
	sb, err := k.Struct("super_block")
	if err != nil {
		return 0, err
	}
	inode, err := k.Struct("inode")
	if err != nil {
		return 0, err
	}
	head, err := k.Ref(sb, a).Member("s_inodes")
	if err != nil {
		return 0, err
	}
	var pages uint64
	err = value.EachEntry(head, inode, "i_sb_list", maxInodes, func(i value.Value) error {
		n, err := i.UintPath("i_mapping.nrpages")
		pages += n
		return err
	})
	return pages, err
}
