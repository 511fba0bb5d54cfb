package ksys

import (
	"errors"
	"fmt"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// The log is a ring of records since 5.10 (kernel/printk/printk_ringbuffer.c). Two rings
// make it: one of descriptors, whose number only grows (a descriptor lies at its number
// modulo their count), and one of text. A descriptor's state_var holds its number, and in
// the two highest bits its state. What it says of its text are positions, which only grow
// too, and its block of text begins with the descriptor's number: where it does not, newer
// text has taken the place. A block is never split: one that does not fit before the end
// of the ring lies at its start.

// Message is a record of the log.
type Message struct {
	Seq      uint64 // its number since boot
	Nsec     uint64 // when, in nanoseconds since boot
	Level    uint64 // 0 emerg to 7 debug
	Facility uint64 // 0 is the kernel
	Caller   string // "T4711" is a task, "C0" a CPU
	Text     string // raw
	Lost     bool   // the text has been overwritten
	Open     bool   // its writer may go on with it
}

const (
	maxDescBits = 24 // descriptors: 2^24 are those of a log of 512 MiB
	maxTextBits = 31
	maxMessage  = 64 << 10 // text_len has 16 bits
)

// The states of a descriptor, by the enumerators of enum desc_state.
type descStates struct {
	committed, finalized uint64
}

type textBlock struct{ begin, next uint64 }

// ring is an open ring buffer.
type ring struct {
	k          *value.Kernel
	states     descStates
	descs      kmem.Addr
	desc       *btf.Struct
	infos      kmem.Addr
	info       *btf.Struct
	count      uint64
	head, tail uint64 // numbers of descriptors
	text       kmem.Addr
	textSize   uint64
}

// stateBits is where the state lies in state_var: the two highest bits of a long.
const (
	stateBits = 62
	idMask    = 1<<stateBits - 1
)

func openLog(k *value.Kernel) (*ring, error) {
	v, err := k.Global("prb")
	if errors.Is(err, value.ErrNoSymbol) {
		return nil, errors.New("this kernel has no log of the kind that came with 5.10 (no symbol prb)")
	}
	if err != nil {
		return nil, err
	}
	if v, err = v.Deref(); err != nil {
		return nil, err
	}
	r := &ring{k: k}
	if r.states.committed, err = k.Enumerator("desc_committed"); err != nil {
		return nil, err
	}
	if r.states.finalized, err = k.Enumerator("desc_finalized"); err != nil {
		return nil, err
	}
	if r.desc, err = k.Struct("prb_desc"); err != nil {
		return nil, err
	}
	if r.info, err = k.Struct("printk_info"); err != nil {
		return nil, err
	}
	var bits, textBits, descs, infos, text uint64
	for _, m := range []struct {
		path string
		to   *uint64
	}{
		{"desc_ring.count_bits", &bits},
		{"desc_ring.descs", &descs},
		{"desc_ring.infos", &infos},
		{"desc_ring.head_id.counter", &r.head},
		{"desc_ring.tail_id.counter", &r.tail},
		{"text_data_ring.size_bits", &textBits},
		{"text_data_ring.data", &text},
	} {
		if *m.to, err = v.UintPath(m.path); err != nil {
			return nil, err
		}
	}
	r.descs, r.infos, r.text = kmem.Addr(descs), kmem.Addr(infos), kmem.Addr(text)
	if bits > maxDescBits || textBits > maxTextBits {
		return nil, value.Faultf("the kernel's log claims 2^%d records and 2^%d bytes: it is damaged", bits, textBits)
	}
	r.count, r.textSize = 1<<bits, 1<<textBits
	if n := (r.head - r.tail) & idMask; n >= r.count {
		return nil, value.Faultf("the kernel's log has records %#x to %#x in a ring of %d: it is damaged, or it changed while it was read", r.tail, r.head, r.count)
	}
	return r, nil
}

// EachMessage calls visit with the records of the log, the oldest first. Where visit
// returns [value.Stop] the walk ends. Records that are being written are left out.
func EachMessage(k *value.Kernel, visit func(Message) error) error {
	r, err := openLog(k)
	if err != nil {
		return fmt.Errorf("the kernel's log cannot be read: %w", err)
	}
	for n := (r.head-r.tail)&idMask + 1; n > 0; n-- {
		id := (r.head - (n - 1)) & idMask
		m, ok, err := r.message(id)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := visit(m); err != nil {
			if errors.Is(err, value.Stop()) {
				return nil
			}
			return err
		}
	}
	return nil
}

// message is the record of a descriptor; ok is false where there is none, since it is
// being written, or not used.
func (r *ring) message(id uint64) (m Message, ok bool, err error) {
	at := int64(id & (r.count - 1))
	desc, err := r.k.Ref(r.desc, r.descs.Add(at*int64(r.desc.Size))).Load()
	if err != nil {
		return m, false, fmt.Errorf("reading the kernel's log: %w", err)
	}
	state, err := desc.UintPath("state_var.counter")
	if err != nil {
		return m, false, err
	}
	s := state >> stateBits
	if state&idMask != id || s != r.states.committed && s != r.states.finalized {
		return m, false, nil
	}
	m.Open = s == r.states.committed
	info, err := r.k.Ref(r.info, r.infos.Add(at*int64(r.info.Size))).Load()
	if err != nil {
		return m, false, fmt.Errorf("reading the kernel's log: %w", err)
	}
	var length, caller uint64
	var b textBlock
	for _, f := range []struct {
		in   value.Value
		path string
		to   *uint64
	}{
		{info, "seq", &m.Seq},
		{info, "ts_nsec", &m.Nsec},
		{info, "level", &m.Level},
		{info, "facility", &m.Facility},
		{info, "text_len", &length},
		{info, "caller_id", &caller},
		{desc, "text_blk_lpos.begin", &b.begin},
		{desc, "text_blk_lpos.next", &b.next},
	} {
		if *f.to, err = f.in.UintPath(f.path); err != nil {
			return m, false, err
		}
	}
	// CONFIG_PRINTK_CALLER decides whether it is printed, not whether it is there.
	if m.Caller = fmt.Sprintf("T%d", caller); caller&(1<<31) != 0 {
		m.Caller = fmt.Sprintf("C%d", caller&^(1<<31))
	}
	text, whole, err := r.block(id, b, length)
	m.Text, m.Lost = string(text), !whole
	return m, true, err
}

// Positions of blocks that there are none of (printk_ringbuffer.h).
const (
	emptyLineLpos = 3 // the text is empty
)

// block is the text of a block; ok is false where newer text has taken its place.
func (r *ring) block(id uint64, b textBlock, length uint64) (text []byte, ok bool, err error) {
	if b.begin&1 != 0 { // no block at all
		return nil, b.begin == emptyLineLpos && b.next == emptyLineLpos, nil
	}
	const head = 8 // unsigned long id, before the text
	at, size := b.begin%r.textSize, b.next-b.begin
	if b.begin/r.textSize != (b.next-1)/r.textSize {
		at, size = 0, b.next%r.textSize
	}
	if size < head || size > r.textSize-at {
		return nil, false, value.Faultf("a record of the kernel's log lies at %#x to %#x of a ring of %d bytes: it is damaged, or it changed while it was read", b.begin, b.next, r.textSize)
	}
	owner, err := kmem.ReadUint64(r.k, r.text.Add(int64(at)))
	if err != nil {
		return nil, false, fmt.Errorf("reading the kernel's log: %w", err)
	}
	if owner != id {
		return nil, false, nil
	}
	text = make([]byte, min(length, size-head, maxMessage))
	if err := r.k.ReadMem(r.text.Add(int64(at)+head), text); err != nil {
		return nil, false, fmt.Errorf("reading the kernel's log: %w", err)
	}
	return text, true, nil
}
