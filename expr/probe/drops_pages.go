package probe

import (
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// What of a frame lies in pages: an skb's head may have none of its headers.

// pageMap is where pages are whose struct page is known; the zero pageMap is for a kernel where that is not known.
type pageMap struct {
	vmemmap uint64 // the first struct page
	size    int32  // how far each is from the next one, as a power of two
	direct  uint64 // the first page
}

// findFrags finds where an skb's pages stand; fragPage has no size where this kernel tells it in a way that is not known here.
func (f *dropFields) findFrags(l *layout) {
	// skb_frag_t is a bio_vec up to 6.8 (include/linux/skbuff.h).
	for _, frag := range []struct{ name, page, len, offset string }{
		{"bio_vec", "bv_page", "bv_len", "bv_offset"}, {"skb_frag", "netmem", "len", "offset"},
	} {
		if !l.elements("skb_shared_info", "frags", frag.name) {
			continue
		}
		var ok [5]bool
		f.fragCount, ok[0] = l.find("skb_shared_info", "nr_frags")
		f.frags, ok[1] = l.find("skb_shared_info", "frags")
		f.fragLen, ok[2] = l.find(frag.name, frag.len)
		f.fragOffset, ok[3] = l.find(frag.name, frag.offset)
		f.fragPage, ok[4] = l.find(frag.name, frag.page)
		whole := f.fragCount.size == 1 && f.fragPage.size == 8 && f.fragLen.size == 4 && f.fragOffset.size == 4
		if ok != [5]bool{true, true, true, true, true} || !whole || fragSize(f) > maxFragSize {
			f.fragPage = field{}
		}
		return
	}
}

// pageCode keeps the beginning of the frame's first page where the skb's head has ended before there were enough bytes. The
// stack is free below at. R6 is not needed any more.
func pageCode(o dropsFor, at int16) asm.Instructions {
	f := &o.fields
	count, frag := at, at-int16(fragSize(f))
	return asm.Instructions{
		asm.LoadMem(asm.R1, asm.R7, int16(f.paged.offset), asm.Word),
		asm.JEq.Imm(asm.R1, 0, "submit"),
		asm.LoadMem(asm.R1, asm.R9, sampleTail, asm.Word),
		asm.LoadMem(asm.R2, asm.R9, sampleFrom, asm.Word),
		asm.Sub.Reg(asm.R1, asm.R2),
		asm.LoadMem(asm.R2, asm.R9, sampleGot, asm.Word),
		asm.JNE.Reg(asm.R1, asm.R2, "submit"),
		asm.LoadMem(asm.R6, asm.R7, int16(f.head.offset), asm.DWord),
		asm.LoadMem(asm.R1, asm.R7, int16(f.end.offset), asm.Word),
		asm.Add.Reg(asm.R6, asm.R1), // struct skb_shared_info
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, int32(count)),
		asm.Mov.Imm(asm.R2, 1),
		asm.Mov.Reg(asm.R3, asm.R6),
		asm.Add.Imm(asm.R3, f.fragCount.offset),
		asm.FnProbeReadKernel.Call(),
		asm.JNE.Imm(asm.R0, 0, "submit"),
		asm.LoadMem(asm.R1, asm.RFP, count, asm.Byte),
		asm.JEq.Imm(asm.R1, 0, "submit"), // the rest is in other skbs
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, int32(frag)),
		asm.Mov.Imm(asm.R2, fragSize(f)),
		asm.Mov.Reg(asm.R3, asm.R6),
		asm.Add.Imm(asm.R3, f.frags.offset),
		asm.FnProbeReadKernel.Call(),
		asm.JNE.Imm(asm.R0, 0, "submit"),
		asm.LoadMem(asm.R3, asm.RFP, frag+int16(f.fragPage.offset), asm.DWord),
		asm.Mov.Reg(asm.R1, asm.R3),
		asm.And.Imm(asm.R1, 1),
		asm.JNE.Imm(asm.R1, 0, "submit"), // memory of a device's (struct net_iov)
		asm.LoadImm(asm.R1, int64(o.pages.vmemmap), asm.DWord),
		asm.JLT.Reg(asm.R3, asm.R1, "submit"),
		asm.Sub.Reg(asm.R3, asm.R1),
		asm.RSh.Imm(asm.R3, o.pages.size),
		asm.LSh.Imm(asm.R3, pageShift),
		asm.LoadImm(asm.R1, int64(o.pages.direct), asm.DWord),
		asm.Add.Reg(asm.R3, asm.R1),
		asm.LoadMem(asm.R1, asm.RFP, frag+int16(f.fragOffset.offset), asm.Word),
		asm.Add.Reg(asm.R3, asm.R1),
		asm.LoadMem(asm.R2, asm.RFP, frag+int16(f.fragLen.offset), asm.Word),
		asm.JEq.Imm(asm.R2, 0, "submit"),
		asm.JLE.Imm(asm.R2, pageLen, "all"),
		asm.Mov.Imm(asm.R2, pageLen),
		asm.Mov.Reg(asm.R1, asm.R2).WithSymbol("all"),
		asm.StoreMem(asm.RFP, count, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.R9),
		asm.Add.Imm(asm.R1, samplePage),
		asm.FnProbeReadKernel.Call(),
		asm.JNE.Imm(asm.R0, 0, "submit"),
		asm.LoadMem(asm.R1, asm.RFP, count, asm.DWord),
		asm.StoreMem(asm.R9, sampleGotPage, asm.R1, asm.Word),
	}
}

// findPages says where pages are. A kernel that has its struct pages otherwise than side by side, or no direct map whose place its
// symbols tell, is not known: frames are told without what lies in pages then.
func findPages(k *value.Kernel) (m pageMap) {
	page, err := k.Struct("page")
	if err != nil || page.Size == 0 || page.Size&(page.Size-1) != 0 {
		return m
	}
	variable := func(name string) uint64 {
		s, ok := k.LookupSymbol(name)
		if !ok {
			return 0
		}
		v, err := kmem.ReadUint64(k, s.Addr)
		if err != nil {
			return 0
		}
		return v
	}
	m = pageMap{vmemmap: variable("vmemmap_base"), size: int32(bits.TrailingZeros64(uint64(page.Size))), direct: variable("page_offset_base")}
	if m.vmemmap < 1<<63 || m.direct < 1<<63 {
		return pageMap{}
	}
	return m
}

// pageShift is of pages as x86-64 has them.
const pageShift = 12

// maxFragSize is what the program's stack has room for.
const maxFragSize = 64

// fragSize is how many bytes of an element of frags are read: up to the end of what is wanted, in whole words of the stack.
func fragSize(f *dropFields) int32 {
	end := int32(0)
	for _, m := range []field{f.fragPage, f.fragLen, f.fragOffset} {
		end = max(end, m.offset+int32(m.size))
	}
	return (end + 7) &^ 7
}
