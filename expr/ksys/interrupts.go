package ksys

import (
	"fmt"
	"strings"

	"kinspect/expr/value"
)

// Counts are how often something happened on each possible CPU.
type Counts struct {
	CPU   []int
	Count []uint64
	Total uint64
}

func (c *Counts) add(cpu int, n uint64) {
	c.CPU, c.Count, c.Total = append(c.CPU, cpu), append(c.Count, n), c.Total+n
}

// Interrupt is a line of /proc/interrupts that a device has: a struct irq_desc.
type Interrupt struct {
	IRQ     uint64
	Desc    value.Value
	Counts  Counts
	Chip    string
	Actions []string // the names of those who asked for it
}

const (
	maxIRQs    = 1 << 20
	maxActions = 1024
)

// EachInterrupt calls visit with the interrupts that somebody asked for, or that have happened,
// by number. Their descriptors are in a maple tree (sparse_irqs) since 6.5, in a radix tree
// (irq_desc_tree) before (kernel/irq/irqdesc.c). Where one cannot be read, it goes on with the
// next.
func EachInterrupt(k *value.Kernel, visit func(Interrupt) error) error {
	st, err := k.Struct("irq_desc")
	if err != nil {
		return err
	}
	var faults value.Faults
	entry := func(e value.XEntry) error {
		i, ok, err := readInterrupt(k.Ref(st, e.Entry), e.First)
		if err != nil {
			return faults.Keep(fmt.Errorf("interrupt %d: %w", e.First, err))
		}
		if !ok {
			return nil
		}
		return visit(i)
	}
	for _, tree := range []struct {
		symbol, in string
		each       func(value.Value, int, func(value.XEntry) error) error
	}{
		{"sparse_irqs", "maple_tree", k.EachRange},
		{"irq_desc_tree", "xarray", k.EachIndex},
	} {
		sym, ok := k.LookupSymbol(tree.symbol)
		if !ok {
			continue
		}
		t, err := k.Struct(tree.in)
		if err != nil {
			return err
		}
		if err := tree.each(k.Ref(t, sym.Addr), maxIRQs, entry); err != nil {
			return fmt.Errorf("walking the descriptors of interrupts: %w", err)
		}
		return faults.Err()
	}
	return fmt.Errorf("this kernel has neither of the symbols sparse_irqs and irq_desc_tree, which lead to its interrupts")
}

// readInterrupt reads a descriptor; ok is false for one that /proc/interrupts leaves out.
func readInterrupt(desc value.Value, irq uint64) (i Interrupt, ok bool, err error) {
	i.IRQ, i.Desc = irq, desc
	stat, err := desc.Member("kstat_irqs")
	if err != nil {
		return i, false, err
	}
	if p, err := stat.Pointer(); err != nil || p == 0 {
		return i, false, err
	}
	err = desc.Kernel().EachCPU(stat, func(cpu int, v value.Value) error {
		if v.Has("cnt") { // struct irqstat, since 6.10
			var err error
			if v, err = v.Member("cnt"); err != nil {
				return err
			}
		}
		n, err := v.Uint()
		i.Counts.add(cpu, n)
		return err
	})
	if err != nil {
		return i, false, err
	}
	if chip, err := desc.PointerPath("irq_data.chip"); err != nil {
		return i, false, err
	} else if chip != 0 {
		name, err := desc.PointerPath("irq_data.chip.name")
		if err != nil {
			return i, false, err
		}
		if name != 0 {
			if i.Chip, err = desc.StringPath("irq_data.chip.name"); err != nil {
				return i, false, err
			}
		}
	}
	action, err := desc.Member("action")
	for ; err == nil; action, err = action.Member("next") {
		p, perr := action.Pointer()
		if perr != nil || p == 0 {
			return i, len(i.Actions) > 0 || i.Counts.Total > 0, perr
		}
		if len(i.Actions) == maxActions {
			return i, false, value.Faultf("interrupt %d has more than %d actions: it is damaged, or it changed while it was read", irq, maxActions)
		}
		if action, perr = action.Deref(); perr != nil {
			return i, false, perr
		}
		name, perr := action.PointerPath("name")
		if perr != nil {
			return i, false, perr
		}
		text := ""
		if name != 0 {
			if text, perr = action.StringPath("name"); perr != nil {
				return i, false, perr
			}
		}
		i.Actions = append(i.Actions, text)
	}
	return i, false, err
}

// Softirq is a line of /proc/softirqs.
type Softirq struct {
	Name   string
	Counts Counts
}

// EachSoftirq tells how often each softirq has run: kstat.softirqs (include/linux/kernel_stat.h),
// by the enumerators of include/linux/interrupt.h.
func EachSoftirq(k *value.Kernel, visit func(Softirq) error) error {
	types, err := k.Types()
	if err != nil {
		return err
	}
	_, in, ok := types.Enumerator("NET_RX_SOFTIRQ")
	if !ok {
		return fmt.Errorf("the kernel's types have no NET_RX_SOFTIRQ")
	}
	kstat, err := k.Global("kstat")
	if err != nil {
		return err
	}
	counts, err := kstat.Member("softirqs")
	if err != nil {
		return err
	}
	n, _ := counts.Len()
	for _, e := range in.Values() {
		name, ok := strings.CutSuffix(e.Name, "_SOFTIRQ")
		if !ok || e.Value >= uint64(n) {
			continue // NR_SOFTIRQS
		}
		one, err := counts.Index(int64(e.Value))
		if err != nil {
			return err
		}
		s := Softirq{Name: name}
		err = k.EachCPU(one, func(cpu int, v value.Value) error {
			n, err := v.Uint()
			s.Counts.add(cpu, n)
			return err
		})
		if err != nil {
			return err
		}
		if err := visit(s); err != nil {
			return err
		}
	}
	return nil
}
