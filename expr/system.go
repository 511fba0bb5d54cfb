package expr

import (
	"fmt"
	"strings"
	"time"

	"kinspect/expr/ksys"
	"kinspect/expr/ktask"
	"kinspect/expr/value"
)

// made is a sequence of records that a walk over a kernel makes.
func made[T any](c *Call, of string, each func(k *value.Kernel, visit func(T) error) error, record func(T) *Record) (any, error) {
	s := c.Session
	if !s.open() {
		return nil, errNoKernel
	}
	return s.sequence(of, func(visit func(any) error) error {
		return each(s.kernel, func(x T) error { return visit(record(x)) })
	}), nil
}

// addressIn is &v, for a member of a record; nil where v has no address.
func addressIn(v value.Value) any {
	p, err := v.AddressOf()
	if err != nil {
		return nil
	}
	return p
}

func callDmesg(c *Call) (any, error) {
	return made(c, "messages", ksys.EachMessage, func(m ksys.Message) *Record {
		text := m.Text
		if m.Lost {
			text = "(overwritten)"
		}
		return newRecord(func() string { return logLines(m.Nsec, text) },
			"seq", m.Seq, "time", float64(m.Nsec)/1e9, "level", int(m.Level), "facility", int(m.Facility),
			"caller", m.Caller, "text", text)
	})
}

// logLines are the lines of dmesg for a message, each with the time, which is cut to
// microseconds, not rounded.
func logLines(nsec uint64, text string) string {
	prefix := fmt.Sprintf("[%5d.%06d] ", nsec/1e9, nsec/1e3%1e6)
	return prefix + strings.ReplaceAll(text, "\n", "\n"+prefix)
}

func (c *Call) clock() (ksys.Clock, error) {
	if !c.Session.open() {
		return ksys.Clock{}, errNoKernel
	}
	return ksys.Now(c.Session.kernel)
}

func callUptime(c *Call) (any, error) {
	t, err := c.clock()
	return float64(t.Uptime) / 1e9, err
}

func callBootTime(c *Call) (any, error) {
	t, err := c.clock()
	if err != nil {
		return nil, err
	}
	at := time.Unix(0, t.Boot).UTC()
	return c.Session.kernel.U64(uint64(at.Unix()), at.Format(time.DateTime)+" UTC"), nil
}

func callCommandLine(c *Call) (any, error) {
	if !c.Session.open() {
		return nil, errNoKernel
	}
	return ksys.CommandLine(c.Session.kernel)
}

func callConfig(c *Call) (any, error) {
	if !c.Session.open() {
		return nil, errNoKernel
	}
	config, err := ksys.Config(c.Session.kernel)
	if err != nil {
		return nil, err
	}
	if c.Arg(0) != nil {
		name, err := c.String(0, "an option")
		if err != nil {
			return nil, err
		}
		if v, ok := config[name]; ok {
			return v, nil
		}
		return nil, nil
	}
	out := make(map[string]any, len(config))
	for name, v := range config {
		out[name] = v
	}
	return out, c.Grow(len(out))
}

func callMemInfo(c *Call) (any, error) {
	if !c.Session.open() {
		return nil, errNoKernel
	}
	figures, err := ksys.MemInfo(c.Session.kernel)
	if err != nil {
		return nil, err
	}
	var pairs []any
	var lines []string
	for _, f := range figures {
		pairs = append(pairs, f.Name, f.KB)
		lines = append(lines, fmt.Sprintf("%-15s %8d kB", f.Name+":", f.KB))
	}
	return newRecord(func() string { return strings.Join(lines, "\n") }, pairs...), nil
}

// perCPUText prints counts by CPU in columns.
func perCPUText(c ksys.Counts) string {
	var b strings.Builder
	for _, n := range c.Count {
		fmt.Fprintf(&b, " %10d", n)
	}
	return b.String()
}

// perCPU is a list of counts, by the order of the possible CPUs.
func perCPUCounts(c ksys.Counts) []any {
	out := make([]any, len(c.Count))
	for i, n := range c.Count {
		out[i] = n
	}
	return out
}

func callInterrupts(c *Call) (any, error) {
	return made(c, "interrupts", ksys.EachInterrupt, func(i ksys.Interrupt) *Record {
		actions := strings.Join(i.Actions, ", ")
		return newRecord(func() string {
			return strings.TrimRight(fmt.Sprintf("%4d:%s  %-20s %s", i.IRQ, perCPUText(i.Counts), i.Chip, actions), " ")
		}, "irq", i.IRQ, "total", i.Counts.Total, "counts", perCPUCounts(i.Counts), "chip", i.Chip,
			"actions", actions, "desc", addressIn(i.Desc))
	})
}

func callSoftirqs(c *Call) (any, error) {
	return made(c, "softirqs", ksys.EachSoftirq, func(s ksys.Softirq) *Record {
		return newRecord(func() string { return fmt.Sprintf("%9s:%s", s.Name, perCPUText(s.Counts)) },
			"name", s.Name, "total", s.Counts.Total, "counts", perCPUCounts(s.Counts))
	})
}

func callModules(c *Call) (any, error) {
	return made(c, "modules", ksys.EachModule, func(m ksys.Module) *Record {
		users := strings.Join(m.UsedBy, ",")
		return newRecord(func() string {
			return strings.TrimRight(fmt.Sprintf("%-20s %8d  %d %s", m.Name, m.Size, m.Refs, users), " ")
		}, "name", m.Name, "size", m.Size, "refs", m.Refs, "used_by", users, "state", m.State, "args", m.Args,
			"module", addressIn(m.Value))
	})
}

func callMounts(c *Call) (any, error) {
	if !c.Session.open() {
		return nil, errNoKernel
	}
	var of value.Value
	var err error
	if c.Arg(0) != nil {
		of, err = c.task(0)
	} else {
		of, err = firstTask(c.Session.kernel)
	}
	if err != nil {
		return nil, err
	}
	ns, ok, err := ktask.Namespace(of, "mnt")
	if err != nil {
		return nil, err
	}
	if !ok {
		return []any{}, nil // it exits
	}
	if ns, err = ns.Deref(); err != nil {
		return nil, err
	}
	each := func(_ *value.Kernel, visit func(ksys.Mount) error) error { return ksys.EachMount(ns, visit) }
	return made(c, "mounts", each, func(m ksys.Mount) *Record {
		return newRecord(func() string { return m.Source + " " + m.Target + " " + m.FSType + " " + m.Flags },
			"source", m.Source, "target", m.Target, "fstype", m.FSType, "flags", m.Flags, "id", m.ID,
			"mount", addressIn(m.Value))
	})
}

// firstTask is task 1, or where there is none yet, the idle task.
func firstTask(k *value.Kernel) (value.Value, error) {
	t, ok, err := ktask.ByPID(k, 1)
	if err == nil && !ok {
		t, _, err = ktask.ByPID(k, 0)
	}
	return t, err
}

func slabRecord(s ksys.Slab) *Record {
	return newRecord(func() string { return slabText(s) }, slabMembers(s)...)
}

func slabText(s ksys.Slab) string {
	return fmt.Sprintf("%-24s %8d objects of %6d bytes, %8d active, %6d slabs, %8d kB", s.Name, s.Objects, s.Object, s.Active, s.Slabs, slabBytes(s)/1024)
}

func slabBytes(s ksys.Slab) uint64 { return s.Slabs * s.Pages * 4096 }

func slabMembers(s ksys.Slab) []any {
	return []any{
		"name", s.Name, "objects", s.Objects, "active", s.Active, "object_size", s.Object, "size", s.Size,
		"slabs", s.Slabs, "bytes", slabBytes(s), "cache", addressIn(s.Value),
	}
}

func callSlabCaches(c *Call) (any, error) {
	return made(c, "caches", ksys.EachSlab, slabRecord)
}

func callSlabCache(c *Call) (any, error) {
	name, err := c.String(0, "the name of a cache")
	if err != nil {
		return nil, err
	}
	if !c.Session.open() {
		return nil, errNoKernel
	}
	s, ok, err := ksys.SlabByName(c.Session.kernel, name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("no slab cache is called %s: it may share one with others of its size, slab_caches() lists them", value.Quote(name))
	}
	allocated, err := s.Allocated()
	if err != nil {
		return nil, err
	}
	text := func() string { return fmt.Sprintf("%s, %d allocated", slabText(s), allocated) }
	return newRecord(text, append(slabMembers(s), "allocated", allocated)...), nil
}
