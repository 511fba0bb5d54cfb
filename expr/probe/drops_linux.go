package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"kinspect/expr/value"
)

// maxRows bounds the table: each is 24 and, on each CPU, 32 bytes of kernel memory.
const maxRows = 4096

// Drops counts dropped skbs from [StartDrops] on.
type Drops struct {
	table, recent, lost, ring *ebpf.Map
	prog                      *ebpf.Program
	link                      link.Link
	reader                    *ringbuf.Reader
}

// StartDrops attaches to the tracepoint kfree_skb of a running kernel: it tells each skb that is freed and was not
// consumed. Errors say what the host refuses.
func StartDrops(k *value.Kernel, o DropsOptions) (d *Drops, err error) {
	if err := ready(k); err != nil {
		return nil, err
	}
	fields, err := findDropFields(k)
	if err != nil {
		return nil, err
	}
	d = &Drops{}
	defer func() {
		if err != nil {
			d.Close()
			d, err = nil, refusal("counting drops", err)
		}
	}()
	d.table, err = ebpf.NewMap(&ebpf.MapSpec{Name: "kinspect_drops", Type: ebpf.PerCPUHash, KeySize: keySize, ValueSize: countSize, MaxEntries: maxRows})
	if err != nil {
		return d, err
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return d, err
	}
	cpus = min(cpus, maxRecentCPUs)
	d.recent, err = ebpf.NewMap(&ebpf.MapSpec{Name: "kinspect_recent", Type: ebpf.Array, KeySize: 4, ValueSize: uint32(cpus) << recentShift, MaxEntries: 1})
	if err != nil {
		return d, err
	}
	d.lost, err = ebpf.NewMap(&ebpf.MapSpec{Name: "kinspect_lost", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: lostSize})
	if err != nil {
		return d, err
	}
	p := dropsFor{fields: fields, table: d.table.FD(), lost: d.lost.FD(), recent: d.recent.FD(), cpus: cpus, frames: int32(min(o.Frames, MaxFrames))}
	if o.Device != nil {
		p.device = o.Device.Addr()
	}
	if o.Frames > 0 {
		d.ring, err = ebpf.NewMap(&ebpf.MapSpec{Name: "kinspect_frames", Type: ebpf.RingBuf, MaxEntries: dropsRing})
		if err != nil {
			return d, err
		}
		p.ring, p.pages = d.ring.FD(), findPages(k)
		if d.reader, err = ringbuf.NewReader(d.ring); err != nil {
			return d, err
		}
	}
	d.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "kinspect_drops", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "kfree_skb",
		Instructions: dropsProgram(p), License: license,
	})
	if err != nil {
		return d, err
	}
	d.link, err = link.AttachTracing(link.TracingOptions{Program: d.prog})
	return d, err
}

// Close detaches; nothing is left in the kernel.
func (d *Drops) Close() {
	if d.link != nil {
		_ = d.link.Close()
	}
	if d.reader != nil {
		_ = d.reader.Close()
	}
	if d.prog != nil {
		_ = d.prog.Close()
	}
	for _, m := range []*ebpf.Map{d.table, d.recent, d.lost, d.ring} {
		if m != nil {
			_ = m.Close()
		}
	}
}

// Detach ends the counting; what was counted can still be read.
func (d *Drops) Detach() error {
	if d.link == nil {
		return nil
	}
	err := d.link.Close()
	d.link = nil
	return err
}

// Read is the table as it is, the most frequent rows first.
func (d *Drops) Read() ([]Drop, Missed, error) {
	var out []Drop
	var key []byte
	var counts [][]byte
	recent, err := d.recent.LookupBytes(uint32(0))
	if err != nil {
		return nil, Missed{}, fmt.Errorf("reading the counts of drops: %w", err)
	}
	more := map[DropKey]uint64{}
	addRecent(recent, more)
	for it := d.table.Iterate(); ; {
		if !it.Next(&key, &counts) {
			if err := it.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
				return nil, Missed{}, fmt.Errorf("reading the table of drops: %w", err)
			}
			break
		}
		if len(key) != keySize {
			continue
		}
		row := Drop{DropKey: parseKey(key)}
		row.Count = more[row.DropKey]
		for _, c := range counts {
			if len(c) != countSize {
				continue
			}
			row.Count += binary.NativeEndian.Uint64(c[countFrames:])
			if name := cString(c[countName:]); row.Device == "" && name != "" {
				row.Device = name
			}
		}
		if row.Count > 0 {
			out = append(out, row)
		}
	}
	sortDrops(out)
	lost, err := d.readLost()
	return out, lost, err
}

func (d *Drops) readLost() (lost Missed, err error) {
	for row, to := range map[uint32]*uint64{lostRows: &lost.Rows, lostSamples: &lost.Samples, lostDevices: &lost.Devices} {
		var counts []uint64
		if err := d.lost.Lookup(row, &counts); err != nil {
			return lost, fmt.Errorf("reading what was lost: %w", err)
		}
		for _, n := range counts {
			*to += n
		}
	}
	if stats, err := d.prog.Stats(); err == nil { // since 5.12
		lost.Nested = stats.RecursionMisses
	}
	return lost, nil
}

// Next waits for a sample, until a time; ok is false when there was none.
func (d *Drops) Next(until time.Time) (s Sample, ok bool, err error) {
	if d.reader == nil {
		return s, false, nil
	}
	d.reader.SetDeadline(until)
	record, err := d.reader.Read()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, ringbuf.ErrClosed), errors.Is(err, ringbuf.ErrFlushed):
		return s, false, nil
	case err != nil:
		return s, false, fmt.Errorf("reading samples: %w", err)
	}
	s, ok = parseSample(record.RawSample)
	return s, ok, nil
}

// Wall is the host's clock at a time of CLOCK_MONOTONIC, which samples have.
func Wall(at time.Duration) time.Time {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return time.Now()
	}
	return time.Now().Add(at - time.Duration(now.Nano()))
}
