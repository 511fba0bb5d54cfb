package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// Bounds of what is read of the kernel's list of places that can be probed.
const (
	maxSitePages = 1 << 16
	maxSites     = 1 << 22
)

// siteRoom is how far behind a function's first byte its call of the tracer can be: an instruction that marks the
// target of an indirect branch may stand before it.
const siteRoom = 16

// errNoSites is of a kernel that keeps no list.
var errNoSites = errors.New("the kernel has no list of functions that can be traced (CONFIG_DYNAMIC_FTRACE)")

// sites are the places at which functions call the tracer, in order: those are what kprobe.multi and kprobe
// events take (kernel/trace/ftrace.c: ftrace_pages_start).
func sites(k *value.Kernel) ([]kmem.Addr, error) {
	sym, ok := k.LookupSymbol("ftrace_pages_start")
	if !ok {
		return nil, errNoSites
	}
	l := layout{k: k}
	next, records, index := l.at("ftrace_page", "next"), l.at("ftrace_page", "records"), l.at("ftrace_page", "index")
	ip := l.at("dyn_ftrace", "ip")
	if l.err != nil {
		return nil, l.err
	}
	st, err := k.Struct("dyn_ftrace")
	if err != nil {
		return nil, err
	}
	size := int(st.Size)
	if size < 8 || size > 1<<10 || ip.size != 8 || int(ip.offset)+8 > size || next.size != 8 || records.size != 8 || index.size != 4 {
		return nil, fmt.Errorf("struct dyn_ftrace and ftrace_page of this kernel are not as expected")
	}
	word := func(at kmem.Addr, bytes int) (uint64, error) {
		buf := make([]byte, 8)
		if err := k.ReadMem(at, buf[:bytes]); err != nil {
			return 0, err
		}
		return binary.LittleEndian.Uint64(buf), nil
	}
	var out []kmem.Addr
	page, err := word(sym.Addr, 8)
	for n := 0; err == nil && page != 0; n++ {
		var at, count uint64
		if at, err = word(kmem.Addr(page)+kmem.Addr(records.offset), 8); err != nil {
			break
		}
		if count, err = word(kmem.Addr(page)+kmem.Addr(index.offset), 4); err != nil {
			break
		}
		if count > maxSites || len(out)+int(count) > maxSites || n > maxSitePages {
			return nil, fmt.Errorf("the kernel's list of functions that can be traced does not end")
		}
		buf := make([]byte, int(count)*size)
		if err = k.ReadMem(kmem.Addr(at), buf); err != nil {
			break
		}
		for i := range int(count) {
			out = append(out, kmem.Addr(binary.LittleEndian.Uint64(buf[i*size+int(ip.offset):])))
		}
		page, err = word(kmem.Addr(page)+kmem.Addr(next.offset), 8)
	}
	if err != nil {
		return nil, fmt.Errorf("the kernel's list of functions that can be traced: %w", err)
	}
	slices.Sort(out)
	return out, nil
}

// hasSite reports whether a function at an address calls the tracer.
func hasSite(list []kmem.Addr, at kmem.Addr) bool {
	i, _ := slices.BinarySearch(list, at)
	return i < len(list) && list[i]-at < siteRoom
}
