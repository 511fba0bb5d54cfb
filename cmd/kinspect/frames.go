package main

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"kinspect/expr/probe"
	"kinspect/expr/probe/frame"
)

// Bounds of what is kept of frames.
const (
	maxKept    = 100_000 // rows of the answer, 256 bytes and a line each
	pcapFrames = 1000    // of each row of the table, where --pcap alone is given
	shownLive  = 10      // under the table, while it is drawn anew
)

// frameCount is --frames: how many frames of each row are kept.
func (o *options) frameCount() (int, error) {
	if o.frames == "" {
		if o.pcap != "" {
			return pcapFrames, nil
		}
		return 0, nil
	}
	n, err := strconv.Atoi(o.frames)
	if err != nil || n < 1 || n > probe.MaxFrames {
		return 0, usagef("--frames needs a number of frames of each row, 1 to %d: --frames 3", probe.MaxFrames)
	}
	return n, nil
}

// frameKeeper takes the frames while drops runs.
type frameKeeper struct {
	names  *probe.Namer
	source *probe.Drops
	limit  int // of each row
	path   string
	file   *os.File
	buffer *bufio.Writer
	pcap   *frame.Pcapng

	mu      sync.Mutex
	since   time.Time // frames before do not count
	perRow  map[probe.DropKey]int
	samples []probe.Sample
	cut     uint64 // more than maxKept
	err     error
	stopped chan struct{}
	stop    chan struct{}
}

// newFrameKeeper is what keeps frames where the flags ask for some, else nil.
func (a *app) newFrameKeeper() (*frameKeeper, error) {
	n, err := a.options.frameCount()
	if err != nil || n == 0 {
		return nil, err
	}
	k := &frameKeeper{limit: n, perRow: map[probe.DropKey]int{}, stop: make(chan struct{}), stopped: make(chan struct{})}
	if name := a.options.pcap; name != "" {
		if name == "-" {
			return nil, usagef("--pcap needs a file: standard output has the table")
		}
		k.path = name
	}
	return k, nil
}

// open opens the file, before anything is attached.
func (k *frameKeeper) open() (err error) {
	if k.path == "" {
		return nil
	}
	if k.file, err = os.OpenFile(k.path, os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		return fmt.Errorf("writing the frames: %w", err)
	}
	k.buffer = bufio.NewWriter(k.file)
	return nil
}

// run takes frames until end is called.
func (k *frameKeeper) run() {
	defer close(k.stopped)
	for {
		ending := false
		select {
		case <-k.stop:
			ending = true
		default:
		}
		s, ok, err := k.source.Next(time.Now().Add(probe.RingPoll))
		if err != nil {
			k.mu.Lock()
			k.err = err
			k.mu.Unlock()
			return
		}
		if ok {
			k.take(s)
		} else if ending {
			return
		}
	}
}

func (k *frameKeeper) take(s probe.Sample) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if probe.Wall(s.At).Before(k.since) || k.perRow[s.Key] >= k.limit {
		return
	}
	if len(k.samples) >= maxKept {
		k.cut++
		return
	}
	k.perRow[s.Key]++
	k.samples = append(k.samples, s)
}

// end takes what is left, and writes the file. Names of devices are those of the rows.
func (k *frameKeeper) end(rows []probe.Drop, lost probe.Missed, release string, start time.Time) ([]probe.FrameRow, error) {
	close(k.stop)
	<-k.stopped
	if k.err != nil {
		return nil, k.err
	}
	devices := deviceNames(rows)
	var err error
	if k.file != nil {
		if err := emptied(k.file); err != nil { // not sooner: a run that the kernel refuses leaves an older file alone
			return nil, fmt.Errorf("writing the frames: %w", err)
		}
		k.pcap, err = frame.NewPcapng(k.buffer, frame.PcapngOptions{
			Application: "kinspect", OS: "Linux " + release, Hardware: runtime.GOARCH, SnapLength: probe.SnapLen,
			Comment: "frames that the kernel dropped, the first " + strconv.Itoa(k.limit) + " of each place, reason, device and ethertype",
		})
	}
	out := make([]probe.FrameRow, 0, len(k.samples))
	seen := map[frame.Device]uint64{}
	for _, s := range k.samples {
		row, packet := k.names.Frame(s, devices[s.Key], probe.Wall(s.At))
		out = append(out, row)
		seen[packet.Device]++
		if k.pcap != nil && err == nil {
			err = k.pcap.Packet(packet)
		}
	}
	if k.file == nil {
		return out, nil
	}
	if err == nil {
		var all []frame.Statistics
		for d, n := range seen {
			all = append(all, frame.Statistics{Device: d, Start: start, End: time.Now(), Seen: n})
		}
		if len(all) > 0 && lost.Samples > 0 {
			all[0].Comment = fmt.Sprintf("%d frames of all devices were not kept: they came faster than they were read", lost.Samples)
		}
		err = k.pcap.Finish(all)
	}
	if err = cmp.Or(err, k.buffer.Flush(), k.file.Close()); err != nil { // a buffer says again what was wrong with it first
		err = fmt.Errorf("writing the frames: %w", err)
	}
	return out, err
}

// emptied empties a file; pipes and devices have nothing to be emptied.
func emptied(f *os.File) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	return f.Truncate(0)
}

// deviceNames are the names of the rows' devices.
func deviceNames(rows []probe.Drop) map[probe.DropKey]string {
	out := make(map[probe.DropKey]string, len(rows))
	for _, r := range rows {
		out[r.DropKey] = r.Device
	}
	return out
}

// latest are the last frames, for a screen.
func (k *frameKeeper) latest(rows []probe.Drop) string {
	k.mu.Lock()
	list := k.samples[max(0, len(k.samples)-shownLive):]
	k.mu.Unlock()
	if len(list) == 0 {
		return ""
	}
	devices := deviceNames(rows)
	var b strings.Builder
	b.WriteString("\n")
	for _, s := range list {
		row, _ := k.names.Frame(s, devices[s.Key], time.Now())
		b.WriteString(row.Text() + "\n")
	}
	return b.String()
}

// framesText are the frames behind the table.
func framesText(list []probe.FrameRow) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\nframes:\n")
	for _, f := range list {
		b.WriteString("  " + f.Text() + "\n")
	}
	return b.String()
}
