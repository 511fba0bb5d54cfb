package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"kinspect/expr"
	"kinspect/expr/probe/compile"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// maxCountRows bounds the rows of --by: each is its key and, on each CPU, eight bytes of kernel memory.
const maxCountRows = 4096

// Count counts calls from [StartCount] on.
type Count struct {
	Plan     *CountPlan
	Warnings []string
	// By says how the functions are attached to: fentry, kprobe.multi or kprobe.
	By string

	k      *value.Kernel
	expr   *compile.Expr
	target *Target

	counts, table, room *ebpf.Map
	progs               []*ebpf.Program
	links               []link.Link
	events              []int // file descriptors
	start               CountResult
}

// StartCount attaches to functions of a running kernel. An error of the expression is an [*expr.Error]; nothing is
// attached then.
func StartCount(s *expr.Session, plan *CountPlan, by string) (c *Count, err error) {
	k := s.Kernel()
	if err := ready(k); err != nil {
		return nil, err
	}
	if len(plan.Funcs) == 0 {
		return nil, errors.New("there is no function to count")
	}
	c = &Count{Plan: plan, k: k}
	if by != "" {
		if c.target, err = samePrototype(k, plan.Funcs); err != nil {
			return nil, err
		}
	} else {
		c.target = plan.Funcs[0].target(k)
	}
	defer func() {
		if err != nil {
			c.Close()
			c = nil
		}
	}()
	if err = c.attach(s, by); err != nil {
		return c, err
	}
	c.start, err = c.read()
	return c, err
}

// attach tries the ways one after the other: by types, where it is one function, as that costs least; all by one
// attachment; one kprobe each.
func (c *Count) attach(s *expr.Session, by string) error {
	if f := c.Plan.Funcs; len(f) == 1 && c.target.traced && unique(c.k, f[0]) {
		if err := c.prepare(s, by, false); err != nil {
			return err
		}
		if c.room == nil { // what is made there needs a program that no other interrupts
			a, err := c.target.attach("kinspect_count", []programAt{{Site{}, c.program().instructions()}})
			if err == nil {
				c.By, c.progs, c.links = "fentry", a.progs, a.links
				return nil
			}
			if !mayBeKprobe(c.target, err) {
				return c.target.refused(err)
			}
		}
		c.release()
	}
	if err := c.prepare(s, by, true); err != nil {
		return c.target.explained(err)
	}
	what := "counting " + plural(uint64(len(c.Plan.Funcs)), "function")
	multi := error(nil)
	if len(c.Plan.Funcs) > 1 {
		if multi = c.attachAll(); multi == nil {
			c.By = "kprobe.multi"
			return nil
		}
		if errors.Is(multi, unix.EPERM) {
			return refusal(what, multi)
		}
		c.detach()
	}
	if n := len(c.Plan.Funcs); n > MaxKprobes {
		return fmt.Errorf("%s: the kernel does not attach to all at once (%s), and one by one %d is the limit: a longer pattern matches fewer", what, shortest(multi), MaxKprobes)
	}
	c.By = "kprobe"
	return c.attachEach(what)
}

// prepare compiles the expression and makes the maps.
func (c *Count) prepare(s *expr.Session, by string, registers bool) (err error) {
	c.expr, c.Warnings = nil, nil
	if by != "" {
		scope := c.target.Scope(s, Site{Registers: registers})
		for i := range scope.Args {
			if a := &scope.Args[i]; a.Name == "ret" || a.Name == "retval" {
				a.Missing = fmt.Sprintf("calls are told by what they are called with: kinspect trace %s --ret --hist ret counts what they return", c.target.Name)
			}
		}
		e, err := compile.Compile(scope, by)
		if err != nil {
			return err
		}
		if ok, why := e.Keyed(maxKeyValue); !ok {
			return &expr.Error{Src: by, Column: -1, Msg: "calls cannot be told by this: " + why}
		}
		c.expr, c.Warnings = e, e.Warnings
	}
	make := func(spec *ebpf.MapSpec) (m *ebpf.Map) {
		if err == nil {
			if m, err = ebpf.NewMap(spec); err != nil {
				err = refusal("making the counters", err)
			}
		}
		return m
	}
	c.counts = make(&ebpf.MapSpec{Name: "kinspect_counts", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: uint32(len(c.Plan.Funcs) + 1)})
	if c.expr != nil {
		size := uint32(keyBytes(c.expr.Size()))
		c.table = make(&ebpf.MapSpec{Name: "kinspect_by", Type: ebpf.PerCPUHash, KeySize: size, ValueSize: 8, MaxEntries: maxCountRows})
		if size > maxKeyStack {
			c.room = make(&ebpf.MapSpec{Name: "kinspect_key", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: size, MaxEntries: 1})
		}
	}
	return err
}

// program is what all programs have in common.
func (c *Count) program() countProgram {
	p := countProgram{counts: c.counts.FD(), unsplit: len(c.Plan.Funcs), by: c.expr}
	if c.table != nil {
		p.table = c.table.FD()
	}
	if c.room != nil {
		p.room = c.room.FD()
	}
	return p
}

// load loads a program for a kprobe.
func (c *Count) load(ins asm.Instructions, as ebpf.AttachType) (*ebpf.Program, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "kinspect_count", Type: ebpf.Kprobe, AttachType: as, Instructions: ins, License: license})
	if err == nil {
		c.progs = append(c.progs, p)
	}
	return p, err
}

// attachAll attaches one program to all functions, which it tells by cookies.
func (c *Count) attachAll() error {
	p := c.program()
	p.cookie = true
	prog, err := c.load(p.instructions(), ebpf.AttachTraceKprobeMulti)
	if err != nil {
		return err
	}
	var o link.KprobeMultiOptions
	for i, f := range c.Plan.Funcs {
		o.Addresses = append(o.Addresses, uintptr(f.Addr))
		o.Cookies = append(o.Cookies, uint64(i))
	}
	l, err := link.KprobeMulti(prog, o)
	if err == nil {
		c.links = append(c.links, l)
	}
	return err
}

// attachEach attaches a program to each function; it leaves out what a pattern matches and the kernel refuses.
func (c *Count) attachEach(what string) error {
	kind, err := kprobeEvents()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	var kept []CountFunc
	var refused []kmem.Symbol
	for _, f := range c.Plan.Funcs {
		p := c.program()
		p.index = len(kept)
		prog, err := c.load(p.instructions(), ebpf.AttachNone)
		if err != nil {
			return refusal(what, err)
		}
		event, err := openKprobe(kind, f.Addr, prog)
		switch {
		case err == nil:
			c.events = append(c.events, event)
			kept = append(kept, f)
		case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
			return refusal(what, err)
		case f.Pattern, f.Role != "":
			refused = append(refused, kmem.Symbol{Name: f.Name})
		default:
			t := f.target(c.k)
			return t.refused(err)
		}
	}
	if len(refused) > 0 {
		c.Plan.Notes = append(c.Plan.Notes, fmt.Sprintf("the kernel refuses probes of %s", names(refused)))
	}
	if c.Plan.Funcs = kept; len(kept) == 0 {
		return fmt.Errorf("%s: the kernel refuses probes of all of them", what)
	}
	return nil
}

// kprobeEvents is the type of perf events that are kprobes, of which nothing is left when their file descriptor is
// closed.
func kprobeEvents() (uint32, error) {
	text, err := os.ReadFile("/sys/bus/event_source/devices/kprobe/type")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("the kernel has no kprobe events (CONFIG_KPROBE_EVENTS), or /sys is not mounted: %w", err)
	}
	var kind uint32
	if err == nil {
		_, err = fmt.Sscan(string(bytes.TrimSpace(text)), &kind)
	}
	return kind, err
}

// openKprobe attaches a program to the function at an address.
func openKprobe(kind uint32, at kmem.Addr, prog *ebpf.Program) (fd int, err error) {
	attr := unix.PerfEventAttr{Type: kind, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})), Sample: 1, Wakeup: 1, Ext2: uint64(at)}
	fd, err = unix.PerfEventOpen(&attr, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("perf_event_open: %w", err)
	}
	if err = unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_SET_BPF, prog.FD()); err == nil {
		err = unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("attaching to a perf event: %w", err)
	}
	return fd, nil
}

// Read is what was counted since the start.
func (c *Count) Read() (CountResult, error) {
	r, err := c.read()
	if err != nil {
		return r, err
	}
	return r.Since(c.start), nil
}

// read is what the maps hold.
func (c *Count) read() (r CountResult, err error) {
	var cpus []uint64
	for i, f := range c.Plan.Funcs {
		if err := c.counts.Lookup(uint32(i), &cpus); err != nil {
			return r, fmt.Errorf("reading the counts: %w", err)
		}
		row := CountRow{CountFunc: f, CPUs: slices.Clone(cpus)}
		for _, n := range cpus {
			row.Count += n
		}
		r.Rows = append(r.Rows, row)
	}
	if c.table != nil {
		if err := c.readTable(&r); err != nil {
			return r, err
		}
	}
	r.Nested, r.Known = c.nested()
	return r, nil
}

func (c *Count) readTable(r *CountResult) error {
	var cpus []uint64
	if err := c.counts.Lookup(c.unsplit(), &cpus); err != nil {
		return fmt.Errorf("reading the counts: %w", err)
	}
	for _, n := range cpus {
		r.Unsplit += n
	}
	var key []byte
	it := c.table.Iterate()
	for it.Next(&key, &cpus) {
		if len(key) != keyBytes(c.expr.Size()) {
			continue
		}
		v := CountValue{Func: int(binary.NativeEndian.Uint64(key)), Value: TraceValue{Src: c.expr.Src}, key: string(key)}
		for _, n := range cpus {
			v.Count += n
		}
		if state := int64(binary.NativeEndian.Uint64(key[keyState:])); state < 0 {
			v.Value.Err = errUnreadable
		} else if state != 0 {
			v.Value.Err = traceFault(state, 0)
		} else {
			v.Value.Value, v.Value.memory, v.Value.Err = c.expr.KeyValue(c.k, []byte(v.key[keyValue:keyValue+c.expr.Size()]))
		}
		if v.Func < len(r.Rows) {
			r.Values = append(r.Values, v)
		}
	}
	if err := it.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		return fmt.Errorf("reading the counts by value: %w", err)
	}
	slices.SortFunc(r.Values, func(a, b CountValue) int { return strings.Compare(a.key, b.key) })
	return nil
}

// unsplit is the counter of what the table had no room for.
func (c *Count) unsplit() uint32 { return c.counts.MaxEntries() - 1 }

// nested is how many calls were not seen; known is whether the kernel tells.
func (c *Count) nested() (n uint64, known bool) {
	for _, p := range c.progs {
		if stats, err := p.Stats(); err == nil {
			n += stats.RecursionMisses
		}
	}
	// Programs of one function keep apart from all others, and see each call, or (since 5.12) count which not. Of
	// kprobes the kernel counts it since 6.7, when the info of their links came to have it.
	if c.By == "fentry" {
		return n, true
	}
	if !c.k.HasMember("bpf_link_info", "kprobe_multi.missed") {
		return n, false
	}
	for _, l := range c.links {
		if info, err := l.Info(); err == nil && info.KprobeMulti() != nil {
			n += info.KprobeMulti().Missed
		}
	}
	return n, true
}

// Detach ends the counting; what was counted can still be read.
func (c *Count) Detach() error {
	var errs []error
	for _, l := range c.links {
		errs = append(errs, l.Close())
	}
	for _, fd := range c.events {
		errs = append(errs, unix.Close(fd))
	}
	c.links, c.events = nil, nil
	return errors.Join(errs...)
}

// detach takes the programs away, too.
func (c *Count) detach() {
	_ = c.Detach()
	for _, p := range c.progs {
		_ = p.Close()
	}
	c.progs = nil
}

// release takes all away.
func (c *Count) release() {
	c.detach()
	for _, m := range []**ebpf.Map{&c.counts, &c.table, &c.room} {
		if *m != nil {
			_ = (*m).Close()
		}
		*m = nil
	}
}

// Close ends all; nothing is left in the kernel.
func (c *Count) Close() { c.release() }
