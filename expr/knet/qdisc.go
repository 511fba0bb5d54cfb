package knet

import (
	"fmt"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// maxQdiscs bounds the queueing disciplines of one device.
const maxQdiscs = 1 << 20

// Qdisc is a struct Qdisc that a device sends, or receives, through.
type Qdisc struct {
	Value  value.Value
	Device Device
	Kind   string // "fq_codel"
	Handle uint32
	Parent uint32
	Root   bool
	QdiscStats
}

// QdiscStats are what `tc -s qdisc` shows.
type QdiscStats struct {
	Bytes, Packets                             uint64
	Qlen, Backlog, Drops, Requeues, Overlimits uint64
}

// Flags of Qdisc.flags (include/net/sch_generic.h), the same in all kernels.
const (
	tcqBuiltin   = 1 << 0
	tcqMqroot    = 1 << 3
	tcqCPUStats  = 1 << 5
	tcqInvisible = 1 << 7
)

// tcRoot is the parent of a device's root qdisc (TC_H_ROOT).
const tcRoot = 0xffffffff

// HandleName is a handle as tc prints it, "8001:" or "8001:1", in hexadecimal.
func HandleName(h uint32) string {
	if h&0xffff == 0 {
		return fmt.Sprintf("%x:", h>>16)
	}
	if h>>16 == 0 {
		return fmt.Sprintf(":%x", h)
	}
	return fmt.Sprintf("%x:%x", h>>16, h&0xffff)
}

// EachQdisc calls visit with the qdiscs of a device, in tc's order: the root, those below it
// (net_device.qdisc_hash), and that of ingress or clsact (net/sched/sch_api.c: tc_dump_qdisc). Left out
// are built-in ones, such as noop of a device that is down, those that the kernel hides, and the noqueue
// that each further send queue of a device without a queue has.
func (s *Stack) EachQdisc(d Device, visit func(Qdisc) error) error {
	st, err := s.K.Struct("Qdisc")
	if err != nil {
		return err
	}
	seen := map[kmem.Addr]bool{0: true}
	one := func(a kmem.Addr) error {
		if seen[a] {
			return nil
		}
		seen[a] = true
		q, ok, err := s.qdisc(s.K.Ref(st, a), d)
		if err != nil || !ok {
			return err
		}
		return visit(q)
	}
	err = s.eachQdisc(d, one)
	if err != nil && !isStop(err) {
		return fmt.Errorf("the qdiscs of %s: %w", d.Label(), err)
	}
	return err
}

func (s *Stack) eachQdisc(d Device, visit func(kmem.Addr) error) error {
	root, err := d.Value.PointerPath("qdisc")
	if err != nil {
		return err
	}
	if err := visit(root); err != nil {
		return err
	}
	link, err := s.offset("Qdisc", "hash")
	if err != nil {
		return err
	}
	if d.Value.Has("qdisc_hash") {
		heads, err := d.Value.Path("qdisc_hash")
		if err != nil {
			return err
		}
		a, _ := heads.Addr()
		n, _ := heads.Len()
		err = s.nodes(table{a, uint64(n), 8, 0}, maxQdiscs, func(a kmem.Addr) error { return visit(a - link) })
		if err != nil {
			return err
		}
	}
	in, err := d.Value.PointerPath("ingress_queue")
	if err != nil || in == 0 {
		return err
	}
	a, err := d.Value.PointerPath("ingress_queue.qdisc_sleeping")
	if err != nil {
		return err
	}
	return visit(a)
}

// eachTxQueue calls visit with each struct netdev_queue of the device's send queues.
func (s *Stack) eachTxQueue(d Device, visit func(value.Value) error) error {
	n, err := d.Value.UintPath("num_tx_queues")
	if err != nil {
		return err
	}
	if n > maxQueues {
		return fmt.Errorf("%s claims %d send queues", value.Printable(d.Name), n)
	}
	tx, err := d.Value.Path("_tx")
	if err != nil {
		return err
	}
	for i := range int64(n) {
		q, err := tx.Index(i)
		if err != nil {
			return err
		}
		if err := visit(q); err != nil {
			return err
		}
	}
	return nil
}

// SendQueues counts a device's send queues, and those without a queueing discipline: its Qdisc has no enqueue
// function, as noqueue has none (net/core/dev.c: __dev_queue_xmit). While a device is down or has no carrier, noop
// stands in for the discipline, which qdisc_sleeping keeps (net/sched/sch_generic.c: dev_deactivate_queue).
func (s *Stack) SendQueues(d Device) (queues, without int, err error) {
	err = s.eachTxQueue(d, func(q value.Value) error {
		f, err := q.PointerPath("qdisc_sleeping.enqueue")
		queues++
		if f == 0 {
			without++
		}
		return err
	})
	return queues, without, err
}

// qdisc reads one; ok is false where tc would not show it.
func (s *Stack) qdisc(v value.Value, d Device) (q Qdisc, ok bool, err error) {
	flags, err := v.UintPath("flags")
	if err != nil || flags&(tcqBuiltin|tcqInvisible) != 0 {
		return q, false, err
	}
	q = Qdisc{Value: v, Device: d}
	if q.Kind, err = v.StringPath("ops.id"); err != nil {
		return q, false, err
	}
	handle, err := v.UintPath("handle")
	if err != nil {
		return q, false, err
	}
	parent, err := v.UintPath("parent")
	if err != nil {
		return q, false, err
	}
	q.Handle, q.Parent = uint32(handle), uint32(parent)
	q.Root = q.Parent == tcRoot
	if flags&tcqMqroot != 0 {
		err = s.multiqueueStats(&q)
	} else {
		err = q.add(s, v)
	}
	return q, err == nil, err
}

// multiqueueStats: mq and mqprio add up those of the send queues when somebody asks, and not before
// (net/sched/sch_mq.c: mq_dump).
func (s *Stack) multiqueueStats(q *Qdisc) error {
	return s.eachTxQueue(q.Device, func(tx value.Value) error {
		p, err := tx.Path("qdisc_sleeping")
		if err != nil {
			return err
		}
		if a, err := p.Pointer(); err != nil || a == 0 {
			return err
		}
		child, err := p.Deref()
		if err != nil {
			return err
		}
		return q.add(s, child)
	})
}

// add adds one qdisc's numbers: its own, or where its flags say so the sum over CPUs
// (net/core/gen_stats.c).
func (t *QdiscStats) add(s *Stack, v value.Value) error {
	flags, err := v.UintPath("flags")
	if err != nil {
		return err
	}
	if flags&tcqCPUStats == 0 {
		basic, err := v.Path("bstats")
		if err != nil {
			return err
		}
		if err := t.addBasic(s, basic); err != nil {
			return err
		}
		queue, err := v.Path("qstats")
		if err != nil {
			return err
		}
		if err := t.addQueue(queue); err != nil {
			return err
		}
		n, err := v.UintPath("q.qlen")
		t.Qlen += n
		return err
	}
	// What is queued may be in either place (qdisc_qlen_sum).
	n, err := v.UintPath("qstats.qlen")
	if err != nil {
		return err
	}
	t.Qlen += n
	for member, add := range map[string]func(value.Value) error{
		"cpu_bstats": func(v value.Value) error { return t.addBasic(s, v) },
		"cpu_qstats": t.addQueue,
	} {
		p, err := v.Path(member)
		if err != nil {
			return err
		}
		if a, err := p.Pointer(); err != nil {
			return err
		} else if a == 0 {
			continue
		}
		if err := s.K.EachCPU(p, func(_ int, v value.Value) error { return add(v) }); err != nil {
			return err
		}
	}
	return nil
}

// addBasic adds a struct gnet_stats_basic_sync, before 5.16 gnet_stats_basic_packed, per CPU within
// gnet_stats_basic_cpu. Each of its members is a u64 on 64-bit machines, whatever it is wrapped into.
func (t *QdiscStats) addBasic(s *Stack, v value.Value) error {
	if v.Has("bstats") {
		var err error
		if v, err = v.Path("bstats"); err != nil {
			return err
		}
	}
	for member, to := range map[string]*uint64{"bytes": &t.Bytes, "packets": &t.Packets} {
		m, err := v.Path(member)
		if err != nil {
			return err
		}
		size, err := btf.Sizeof(m.Type())
		if err != nil {
			return err
		}
		if size != 8 {
			return fmt.Errorf("%s of %s is %d bytes long, not 8", member, v.Type(), size)
		}
		a, _ := m.Addr()
		n, err := kmem.ReadUint64(s.K, a)
		if err != nil {
			return err
		}
		*to += n
	}
	return nil
}

// addQueue adds a struct gnet_stats_queue.
func (t *QdiscStats) addQueue(v value.Value) error {
	for member, to := range map[string]*uint64{
		"qlen": &t.Qlen, "backlog": &t.Backlog, "drops": &t.Drops, "requeues": &t.Requeues, "overlimits": &t.Overlimits,
	} {
		n, err := v.UintPath(member)
		if err != nil {
			return err
		}
		// One CPU's may be below zero: what another one queued is taken out here.
		*to = uint64(uint32(*to) + uint32(n))
	}
	return nil
}
