package probe

import (
	"time"

	"github.com/cilium/ebpf/asm"
)

// The room for what waits to be read.
const (
	dropsRing = 1 << 20  // 2200 samples
	traceRing = 16 << 20 // 100,000 events with a value or two
)

// RingPoll is how often who reads samples or events looks for them without being woken. To wake a reader for each record
// would cost a flood more than the record does, and be in vain where the reader is the slower one. The kernel wakes it when an
// eighth of the ring is full.
const RingPoll = 50 * time.Millisecond

// wakeStretch is how many bytes that eighth is passed for: records of several CPUs may pass it at once. Should all miss it, the
// reader comes by itself.
const wakeStretch = 32 << 10

// Of include/uapi/linux/bpf.h.
const (
	ringAvailable = 0 // BPF_RB_AVAIL_DATA
	ringNoWakeup  = 1 // BPF_RB_NO_WAKEUP
	ringWakeup    = 2 // BPF_RB_FORCE_WAKEUP
)

// submit gives a record to the ring, of which it is a part; the register keeps its value over calls.
func submit(ring, size int, record asm.Register, label string) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, ring),
		asm.Mov.Imm(asm.R2, ringAvailable),
		asm.FnRingbufQuery.Call(),
		asm.Sub.Imm(asm.R0, int32(size/8)),
		asm.Mov.Imm(asm.R2, ringNoWakeup),
		asm.JGE.Imm(asm.R0, wakeStretch, label), // unsigned: fewer than an eighth is a large number
		asm.Mov.Imm(asm.R2, ringWakeup),
		asm.Mov.Reg(asm.R1, record).WithSymbol(label),
		asm.FnRingbufSubmit.Call(),
	}
}
