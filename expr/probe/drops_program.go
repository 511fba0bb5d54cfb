package probe

import (
	"fmt"

	"github.com/cilium/ebpf/asm"

	"kinspect/btf"
	"kinspect/expr/value"
)

// What the programs of drops and their readers share. Numbers are in the machine's byte order.
const (
	// A row of the table: what a drop is counted by.
	keyLocation  = 0  // u64
	keyReason    = 8  // u32, 0 where the kernel gives none
	keyIfindex   = 12 // u32, 0 without a device
	keyNetNS     = 16 // u32: the inode number
	keyEthertype = 20 // u16, in network order; then two bytes of 0
	keySize      = 24

	// What is counted, on each CPU.
	countFrames = 0  // u64
	countTaken  = 8  // u64: samples that were asked for
	countName   = 16 // the device's name when the row was made
	countSize   = 32

	// A sample.
	sampleTime    = 0  // u64: ns of CLOCK_MONOTONIC
	sampleKey     = 8  // a row's key
	sampleLen     = 32 // u32: skb->len
	sampleHead    = 36 // u32: how far skb->data is from skb->head
	sampleTail    = 40 // u32
	sampleMAC     = 44 // u16: skb->mac_header
	sampleNetwork = 46 // u16
	sampleVLAN    = 48 // u16: skb->vlan_tci
	sampleVProto  = 50 // u16, in network order
	sampleDevType = 52 // u16: ARPHRD_…
	sampleTagged  = 54 // u8: the VLAN tag is one
	sampleGot     = 56 // u32: bytes of data, 0 where they could not be read
	sampleFrom    = 60 // u32: how far the first of them is from skb->head
	sampleIn      = 64 // u32: skb->skb_iif
	sampleType    = 68 // u8: skb->pkt_type
	sampleOwned   = 69 // u8: skb->sk is set
	sampleRouted  = 70 // u8: skb->_skb_refdst is
	samplePaged   = 72 // u32: skb->data_len, the bytes that are not in the skb's head
	sampleGotPage = 76 // u32: how many of these follow behind the head's, in samplePage
	sampleData    = 80
	// SnapLen is how many bytes of a frame a sample keeps at most, and pageLen how many of these from its first page.
	SnapLen    = 256
	pageLen    = 128
	samplePage = sampleData + SnapLen
	sampleSize = samplePage + pageLen

	nameLen = 16 // IFNAMSIZ

	// Counters of what was lost.
	lostRows    = 0 // the table was full
	lostSamples = 1 // the ring was full
	lostDevices = 2 // skb->dev was no device
	lostSize    = 3
)

// dropFields are where the programs find what they read.
type dropFields struct {
	dev, protocol, length, head, data, tail, mac, network field
	vlan, vlanProto                                       field
	tagged                                                int32 // the offset of the byte with the bit vlan_present; up to 6.1
	taggedMask                                            int32 // 0 where there is none: a tag is what is not all 0
	in, owner, dst                                        field
	typeByte, typeShift, typeMask                         int32 // skb->pkt_type: its byte, and where it is in that
	ifindex, name, net, inum, devType                     field
	queues, queueDev                                      field // net_device._tx, and the device in the queue that it leads to
	paged, end                                            field
	fragCount, frags                                      field // in struct skb_shared_info
	fragPage, fragLen, fragOffset                         field // in its elements
	location, reason                                      int   // the arguments, -1 where there is none
}

func findDropFields(k *value.Kernel) (f dropFields, err error) {
	args, ok, err := traceArgs(k, "kfree_skb")
	if err != nil {
		return f, err
	}
	if !ok {
		return f, fmt.Errorf("the BTF of this kernel has no tracepoint kfree_skb (btf_trace_kfree_skb)")
	}
	// TP_PROTO(skb, location), and a reason since 5.17; since 6.11 the socket stands behind it (include/trace/events/skb.h).
	f.location, f.reason = 1, -1
	for i, a := range args {
		if e, ok := btf.Underlying(a.Type).(*btf.Enum); ok && e.Name == "skb_drop_reason" {
			f.reason = i
		}
	}
	if len(args) < 2 {
		return f, fmt.Errorf("the tracepoint kfree_skb of this kernel has %d arguments: an skb and a location are wanted", len(args))
	}
	l := &layout{k: k}
	f.dev, f.protocol, f.length = l.at("sk_buff", "dev"), l.at("sk_buff", "protocol"), l.at("sk_buff", "len")
	f.head, f.data, f.tail = l.at("sk_buff", "head"), l.at("sk_buff", "data"), l.at("sk_buff", "tail")
	f.mac, f.network = l.at("sk_buff", "mac_header"), l.at("sk_buff", "network_header")
	f.vlan, f.vlanProto = l.at("sk_buff", "vlan_tci"), l.at("sk_buff", "vlan_proto")
	f.tagged, f.taggedMask = l.bit("sk_buff", "vlan_present")
	f.in, f.owner, f.dst = l.at("sk_buff", "skb_iif"), l.at("sk_buff", "sk"), l.at("sk_buff", "_skb_refdst")
	f.typeByte, f.typeShift, f.typeMask = l.bits("sk_buff", "pkt_type")
	f.ifindex, f.name, f.net = l.at("net_device", "ifindex"), l.at("net_device", "name"), l.at("net_device", "nd_net.net")
	f.devType = l.at("net_device", "type")
	f.inum = l.at("net", "ns.inum")
	f.queues, f.queueDev = l.at("net_device", "_tx"), l.at("netdev_queue", "dev")
	f.paged, f.end = l.at("sk_buff", "data_len"), l.at("sk_buff", "end")
	f.findFrags(l)
	return f, l.err
}

// loadSize is what an instruction loads.
func loadSize(n uint32) asm.Size {
	switch n {
	case 1:
		return asm.Byte
	case 2:
		return asm.Half
	case 4:
		return asm.Word
	}
	return asm.DWord
}

// dropsFor is what the program is made for.
type dropsFor struct {
	fields dropFields
	device uint64 // where its struct net_device is; 0 is every device
	frames int32  // samples of a row on each CPU
	table  int    // file descriptors
	lost   int
	ring   int
	recent int // and for how many CPUs it is
	cpus   int
	pages  pageMap
}

// dropsProgram is what runs at the tracepoint: R6 its arguments, R7 the skb, R8 the device. Loads through
// pointers that BTF knows the type of need no helper, and give 0 where there is nothing.
//
// skb->dev is a device only while the skb belongs to one. It shares its place with a link of the tree that TCP and netem hold
// skbs in, and IP fragments (rbnode), and with what UDP notes of one that waits to be read (dev_scratch), and kfree_skb is told of
// such skbs as they are. So what skb->dev points to has to be a device by its own word: every net_device has a first queue
// for sending from when it is made until it is freed, and that points back.
func dropsProgram(o dropsFor) asm.Instructions {
	f := &o.fields
	const (
		key   = -keySize
		count = key - countSize
	)
	load := func(dst, src asm.Register, f field) asm.Instruction {
		return asm.LoadMem(dst, src, int16(f.offset), loadSize(f.size))
	}
	p := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R7, asm.R6, 0, asm.DWord),
		load(asm.R8, asm.R7, f.dev),
	}
	if o.device != 0 { // whatever it is called, and wherever it is by now
		p = append(p,
			asm.LoadImm(asm.R1, int64(o.device), asm.DWord),
			asm.JNE.Reg(asm.R8, asm.R1, "end"))
	}
	p = append(p,
		asm.JEq.Imm(asm.R8, 0, "device"),
		load(asm.R1, asm.R8, f.queues),
		asm.JEq.Imm(asm.R1, 0, "other"),
		load(asm.R1, asm.R1, f.queueDev),
		asm.JEq.Reg(asm.R1, asm.R8, "device"),
		asm.Mov.Imm(asm.R8, 0).WithSymbol("other"))
	if o.device != 0 { // it is there no more, and something else is in its place
		p = append(p, asm.Ja.Label("end"))
	} else {
		p = append(p, countLost(o.lost, lostDevices)...)
	}
	p = append(p,
		asm.Mov.Imm(asm.R0, 0).WithSymbol("device"),
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.RFP, key+keyIfindex, asm.R1, asm.Word),
		asm.StoreMem(asm.RFP, key+keyNetNS, asm.R1, asm.Word),
		asm.StoreMem(asm.RFP, key+keyEthertype, asm.R1, asm.Word),
		asm.StoreMem(asm.RFP, key+keyReason, asm.R1, asm.Word),
		load(asm.R1, asm.R7, f.protocol),
		asm.StoreMem(asm.RFP, key+keyEthertype, asm.R1, asm.Half),
		asm.LoadMem(asm.R1, asm.R6, int16(8*f.location), asm.DWord),
		asm.StoreMem(asm.RFP, key+keyLocation, asm.R1, asm.DWord))
	if f.reason >= 0 {
		p = append(p,
			asm.LoadMem(asm.R1, asm.R6, int16(8*f.reason), asm.DWord),
			asm.StoreMem(asm.RFP, key+keyReason, asm.R1, asm.Word))
	}
	p = append(p,
		asm.JEq.Imm(asm.R8, 0, "lookup"),
		load(asm.R1, asm.R8, f.ifindex),
		asm.StoreMem(asm.RFP, key+keyIfindex, asm.R1, asm.Word),
		load(asm.R1, asm.R8, f.net),
		asm.JEq.Imm(asm.R1, 0, "lookup"),
		load(asm.R1, asm.R1, f.inum),
		asm.StoreMem(asm.RFP, key+keyNetNS, asm.R1, asm.Word),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("lookup"),
	)
	lookup := func() asm.Instructions {
		return asm.Instructions{
			asm.LoadMapPtr(asm.R1, o.table),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, key),
			asm.FnMapLookupElem.Call(),
		}
	}
	p = append(p, recentLookup(o.recent, o.cpus, key, "count")...)
	p = append(p, lookup()...)
	p = append(p, asm.JNE.Imm(asm.R0, 0, "row"))
	// A row of its own, with the device's name, which may be gone when somebody asks.
	p = append(p, asm.Mov.Imm(asm.R1, 0))
	for at := int16(count); at < key; at += 8 {
		p = append(p, asm.StoreMem(asm.RFP, at, asm.R1, asm.DWord))
	}
	p = append(p,
		asm.JEq.Imm(asm.R8, 0, "insert"),
		asm.Mov.Reg(asm.R3, asm.R8),
		asm.Add.Imm(asm.R3, f.name.offset),
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, count+countName),
		asm.Mov.Imm(asm.R2, nameLen),
		asm.FnProbeReadKernel.Call(),
		asm.LoadMapPtr(asm.R1, o.table).WithSymbol("insert"),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, key),
		asm.Mov.Reg(asm.R3, asm.RFP),
		asm.Add.Imm(asm.R3, count),
		asm.Mov.Imm(asm.R4, 1), // BPF_NOEXIST: another CPU's row stays
		asm.FnMapUpdateElem.Call(),
	)
	p = append(p, lookup()...)
	p = append(p, asm.JNE.Imm(asm.R0, 0, "row"))
	p = append(p, countLost(o.lost, lostRows)...)
	claim := recentClaim(key, "count")
	claim[0] = claim[0].WithSymbol("row")
	p = append(append(p, asm.Ja.Label("end")), claim...)
	p = append(p,
		// In one piece: an interrupt may drop a frame of the same row here.
		asm.Mov.Imm(asm.R1, 1).WithSymbol("count"),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
	)
	if o.frames > 0 {
		p = append(p, sampleCode(o, key)...)
	}
	return append(p,
		asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
		asm.Return())
}

// countLost counts one in a row of the map of what was lost.
func countLost(fd int, row int32) asm.Instructions {
	const at = -8 - keySize - countSize
	done := fmt.Sprintf("counted%d", row)
	return asm.Instructions{
		asm.StoreImm(asm.RFP, at, int64(row), asm.Word),
		asm.LoadMapPtr(asm.R1, fd),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, at),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, done),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol(done),
	}
}

// sampleCode keeps the frame while its row, R0, has fewer than are wanted.
func sampleCode(o dropsFor, key int16) asm.Instructions {
	f := &o.fields
	u16 := func(to int16, f field) asm.Instructions {
		return asm.Instructions{
			asm.LoadMem(asm.R1, asm.R7, int16(f.offset), loadSize(f.size)),
			asm.StoreMem(asm.R9, to, asm.R1, asm.Half),
		}
	}
	p := asm.Instructions{
		asm.LoadMem(asm.R1, asm.R0, countTaken, asm.DWord),
		asm.JGE.Imm(asm.R1, o.frames, "end"),
		asm.Mov.Imm(asm.R1, 1),
		asm.Add.Imm(asm.R0, countTaken),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.LoadMapPtr(asm.R1, o.ring),
		asm.Mov.Imm(asm.R2, sampleSize),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnRingbufReserve.Call(),
		asm.JNE.Imm(asm.R0, 0, "sample"),
	}
	p = append(p, countLost(o.lost, lostSamples)...)
	p = append(p,
		asm.Ja.Label("end"),
		asm.Mov.Reg(asm.R9, asm.R0).WithSymbol("sample"),
		asm.FnKtimeGetNs.Call(),
		asm.StoreMem(asm.R9, sampleTime, asm.R0, asm.DWord),
	)
	for i := int16(0); i < keySize; i += 8 {
		p = append(p, asm.LoadMem(asm.R1, asm.RFP, key+i, asm.DWord), asm.StoreMem(asm.R9, sampleKey+i, asm.R1, asm.DWord))
	}
	p = append(p, u16(sampleMAC, f.mac)...)
	p = append(p, u16(sampleNetwork, f.network)...)
	p = append(p, u16(sampleVLAN, f.vlan)...)
	p = append(p, u16(sampleVProto, f.vlanProto)...)
	p = append(p,
		asm.StoreImm(asm.R9, sampleDevType, 0, asm.Word), // and what stands behind it
		asm.StoreImm(asm.R9, sampleGot, 0, asm.Word),
		asm.StoreImm(asm.R9, sampleFrom, 0, asm.Word),
		asm.LoadMem(asm.R1, asm.R7, int16(f.length.offset), asm.Word),
		asm.StoreMem(asm.R9, sampleLen, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.R7, int16(f.paged.offset), asm.Word),
		asm.StoreMem(asm.R9, samplePaged, asm.R1, asm.Word),
		asm.StoreImm(asm.R9, sampleGotPage, 0, asm.Word),
		asm.LoadMem(asm.R1, asm.R7, int16(f.tail.offset), asm.Word),
		asm.StoreMem(asm.R9, sampleTail, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.R7, int16(f.data.offset), asm.DWord),
		asm.LoadMem(asm.R2, asm.R7, int16(f.head.offset), asm.DWord),
		asm.Sub.Reg(asm.R1, asm.R2),
		asm.StoreMem(asm.R9, sampleHead, asm.R1, asm.Word),
		asm.JEq.Imm(asm.R8, 0, "typed"),
		asm.LoadMem(asm.R1, asm.R8, int16(f.devType.offset), asm.Half),
		asm.StoreMem(asm.R9, sampleDevType, asm.R1, asm.Half),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("typed"),
	)
	if f.taggedMask != 0 {
		p = append(p,
			asm.LoadMem(asm.R1, asm.R7, int16(f.tagged), asm.Byte),
			asm.And.Imm(asm.R1, f.taggedMask),
			asm.StoreMem(asm.R9, sampleTagged, asm.R1, asm.Byte))
	} else {
		p = append(p,
			asm.LoadMem(asm.R1, asm.R7, int16(f.vlan.offset), asm.Half),
			asm.LoadMem(asm.R2, asm.R7, int16(f.vlanProto.offset), asm.Half),
			asm.Or.Reg(asm.R1, asm.R2),
			asm.JEq.Imm(asm.R1, 0, "untagged"),
			asm.Mov.Imm(asm.R1, 1),
			asm.StoreMem(asm.R9, sampleTagged, asm.R1, asm.Byte),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("untagged"))
	}
	// Which way it went, see Sample.Direction.
	p = append(p,
		asm.LoadMem(asm.R1, asm.R7, int16(f.in.offset), asm.Word),
		asm.StoreMem(asm.R9, sampleIn, asm.R1, asm.Word),
		asm.StoreImm(asm.R9, sampleType, 0, asm.Word), // and what stands behind it
		asm.LoadMem(asm.R1, asm.R7, int16(f.typeByte), asm.Byte),
		asm.RSh.Imm(asm.R1, f.typeShift),
		asm.And.Imm(asm.R1, f.typeMask),
		asm.StoreMem(asm.R9, sampleType, asm.R1, asm.Byte),
		asm.Mov.Imm(asm.R2, 1),
		asm.LoadMem(asm.R1, asm.R7, int16(f.owner.offset), asm.DWord),
		asm.JEq.Imm(asm.R1, 0, "unowned"),
		asm.StoreMem(asm.R9, sampleOwned, asm.R2, asm.Byte),
		asm.LoadMem(asm.R1, asm.R7, int16(f.dst.offset), asm.DWord).WithSymbol("unowned"),
		asm.JEq.Imm(asm.R1, 0, "unrouted"),
		asm.StoreMem(asm.R9, sampleRouted, asm.R2, asm.Byte),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("unrouted"),
	)
	// From the link header where there is one, else from the network header, else from skb->data: R3 the distance from
	// skb->head, R4 that of the end, R5 that of skb->data. A header behind skb->data is of another time: of the frame
	// inside, where a tunnel has put its own before it.
	p = append(p,
		asm.LoadMem(asm.R4, asm.R9, sampleTail, asm.Word),
		asm.LoadMem(asm.R5, asm.R9, sampleHead, asm.Word),
		asm.LoadMem(asm.R3, asm.R9, sampleMAC, asm.Half),
		asm.JEq.Imm(asm.R3, 0xffff, "unlinked"),
		asm.JGT.Reg(asm.R3, asm.R5, "unlinked"),
		asm.JLT.Reg(asm.R3, asm.R4, "from"),
		asm.LoadMem(asm.R3, asm.R9, sampleNetwork, asm.Half).WithSymbol("unlinked"),
		asm.JEq.Imm(asm.R3, headerNotSet, "data"),
		asm.JGT.Reg(asm.R3, asm.R5, "data"),
		asm.JLT.Reg(asm.R3, asm.R4, "from"),
		asm.Mov.Reg(asm.R3, asm.R5).WithSymbol("data"),
		asm.StoreMem(asm.R9, sampleFrom, asm.R3, asm.Word),
		asm.JGE.Reg(asm.R3, asm.R4, "pages"),
		asm.StoreMem(asm.R9, sampleFrom, asm.R3, asm.Word).WithSymbol("from"),
		asm.Mov.Reg(asm.R2, asm.R4),
		asm.Sub.Reg(asm.R2, asm.R3),
		asm.JLE.Imm(asm.R2, SnapLen, "short"),
		asm.Mov.Imm(asm.R2, SnapLen),
		asm.Mov.Reg(asm.R1, asm.R2).WithSymbol("short"),
		asm.StoreMem(asm.RFP, key-countSize-16, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, asm.R7, int16(f.head.offset), asm.DWord),
		asm.Add.Reg(asm.R3, asm.R1),
		asm.Mov.Reg(asm.R1, asm.R9),
		asm.Add.Imm(asm.R1, sampleData),
		asm.FnProbeReadKernel.Call(),
		asm.JNE.Imm(asm.R0, 0, "submit"),
		asm.LoadMem(asm.R1, asm.RFP, key-countSize-16, asm.DWord),
		asm.StoreMem(asm.R9, sampleGot, asm.R1, asm.Word),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("pages"),
	)
	if o.pages.vmemmap != 0 && f.fragPage.size != 0 {
		p = append(p, pageCode(o, key-countSize-16)...)
	}
	p = append(p, asm.Mov.Imm(asm.R0, 0).WithSymbol("submit"))
	return append(p, submit(o.ring, dropsRing, asm.R9, "wake")...)
}
