package check_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kinspect/expr/check"
	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// movingMemory is a snapshot's memory in which numbers move.
type movingMemory struct {
	kmem.Reader
	bytes map[kmem.Addr]byte
}

// ReadMem implements [kmem.Reader].
func (m *movingMemory) ReadMem(addr kmem.Addr, buf []byte) error {
	if err := m.Reader.ReadMem(addr, buf); err != nil {
		return err
	}
	for i := range buf {
		if b, ok := m.bytes[addr+kmem.Addr(i)]; ok {
			buf[i] = b
		}
	}
	return nil
}

// movingKernel is a kernel whose counters a test moves.
type movingKernel struct {
	t      *testing.T
	memory *movingMemory
	s      *knet.Stack
	at     time.Time
}

func newMoving(t *testing.T, img *kmem.Image) *movingKernel {
	m := &movingMemory{img, map[kmem.Addr]byte{}}
	return &movingKernel{t, m, knet.New(value.New(img, m), host.None{}), time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
}

// put writes a number.
func (k *movingKernel) put(v value.Value, n uint64) {
	k.t.Helper()
	a, ok := v.Addr()
	size, err := v.Size()
	if !ok || err != nil {
		k.t.Fatalf("no place to put a number: %v", err)
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	for i := range size {
		k.memory.bytes[a+kmem.Addr(i)] = b[i]
	}
}

// add adds to a number of a struct.
func (k *movingKernel) add(v value.Value, path string, n int64) {
	k.t.Helper()
	m, err := v.Path(path)
	if err == nil {
		m, err = m.Only()
	}
	if err != nil {
		k.t.Fatal(err)
	}
	old, err := m.Uint()
	if err != nil {
		k.t.Fatal(err)
	}
	k.put(m, old+uint64(n))
}

// flip inverts a bit-field of one bit.
func (k *movingKernel) flip(v value.Value, member string) {
	k.t.Helper()
	st, ok := v.StructType()
	if !ok {
		k.t.Fatalf("%s is no struct", v.Type())
	}
	f, err := st.FindMember(member)
	if err != nil || f.BitSize != 1 {
		k.t.Fatalf("%s: %+v, %v", member, f, err)
	}
	a, _ := v.Addr()
	var b [1]byte
	if err := k.memory.ReadMem(a+kmem.Addr(f.Offset()), b[:]); err != nil {
		k.t.Fatal(err)
	}
	k.memory.bytes[a+kmem.Addr(f.Offset())] = b[0] ^ 1<<(f.BitOffset%8)
}

// drop makes the core count frames on a device, on CPU 1.
func (k *movingKernel) drop(dev, counter string, n int64) {
	k.t.Helper()
	stats, err := device(k.t, k.s, dev).Value.Path("core_stats")
	if err != nil {
		k.t.Fatal(err)
	}
	err = k.s.K.EachCPU(stats, func(cpu int, v value.Value) error {
		if cpu == 1 {
			k.add(v, counter, n)
		}
		return nil
	})
	if err != nil {
		k.t.Fatal(err)
	}
}

// refuse makes an end of a veth pair count frames that the other did not take.
func (k *movingKernel) refuse(dev string, n int64) {
	k.t.Helper()
	priv, err := k.s.Priv(device(k.t, k.s, dev), "veth_priv", "veth")
	if err != nil {
		k.t.Fatal(err)
	}
	k.add(priv, "dropped", n)
}

// softnet makes CPU 1's backlog drop.
func (k *movingKernel) softnet(n int64) {
	k.t.Helper()
	sd, err := k.s.K.Global("softnet_data")
	if err != nil {
		k.t.Fatal(err)
	}
	err = k.s.K.EachCPU(sd, func(cpu int, v value.Value) error {
		if cpu == 1 {
			k.add(v, "dropped", n)
		}
		return nil
	})
	if err != nil {
		k.t.Fatal(err)
	}
}

// watch starts a watch of a device, "" for all, and takes the first sample.
func (k *movingKernel) watch(dev string) *check.Watch {
	k.t.Helper()
	var d *knet.Device
	if dev != "" {
		found := device(k.t, k.s, dev)
		d = &found
	}
	w := check.NewWatch(k.s, d, func(s *knet.Stack) ([]knet.NetNS, error) { return s.ResolveNS("init_net") })
	w.Settle = func() {}
	r := k.sample(w, 0)
	if r.Moved || r.Sample != 0 || r.Elapsed != 0 {
		k.t.Fatalf("the start: %+v", r)
	}
	return w
}

// sample takes a sample some seconds later.
func (k *movingKernel) sample(w *check.Watch, later time.Duration) *check.WatchReport {
	k.t.Helper()
	k.at = k.at.Add(later)
	r, err := w.Sample(k.at)
	if err != nil {
		k.t.Fatal(err)
	}
	return r
}

// counterOf is a counter of a device in a sample.
func counterOf(t *testing.T, r *check.WatchReport, dev, counter string) check.WatchedCounter {
	t.Helper()
	for _, d := range r.Devices {
		for _, c := range d.Counters {
			if d.Device == dev && c.Counter == counter {
				return c
			}
		}
	}
	t.Fatalf("no %s of %s in %+v", counter, dev, r)
	return check.WatchedCounter{}
}

// verdictOn is the verdict on a path of what a counter moved by.
func verdictOn(t *testing.T, c check.WatchedCounter, id string) check.PathResult {
	t.Helper()
	if c.Verdict == nil {
		t.Fatalf("%s: no verdict: %+v", c.Counter, c)
	}
	for _, p := range c.Verdict.Paths {
		if p.ID == id {
			return p
		}
	}
	t.Fatalf("no path %s", id)
	return check.PathResult{}
}

// TestWatchOldWound: flood0 has thousands of backlog drops, so that explain cannot tell what any of its drops were.
// What comes on top can be told.
func TestWatchOldWound(t *testing.T) {
	k := newMoving(t, kernels.OpenScenarios(t))
	plain, err := check.Explain(k.s, device(t, k.s, "flood0"))
	if err != nil {
		t.Fatal(err)
	}
	old := *plain.Counters[0].Total
	w := k.watch("flood0")

	r := k.sample(w, 10*time.Second)
	c := counterOf(t, r, "flood0", "rx_dropped")
	if c.State != check.OldWound || *c.Value != old || *c.Moved != 0 || c.Verdict != nil || r.Moved || len(r.Missing) > 0 {
		t.Errorf("nothing moved: %+v, missing %q", c, r.Missing)
	}
	if !strings.Contains(r.Text(), "old wound\n    it did not move in 10.0 s") {
		t.Errorf("the text:\n%s", r.Text())
	}

	k.drop("flood0", "rx_dropped", 12)
	r = k.sample(w, 2*time.Second)
	c = counterOf(t, r, "flood0", "rx_dropped")
	if c.State != check.Bleeding || *c.Moved != 12 || *c.Value != old+12 || *c.Rate != 6 || *c.LastMoved != 12 || !r.Moved {
		t.Errorf("12 frames: %+v", c)
	}
	p := verdictOn(t, c, "unhandled-protocol")
	if p.Verdict != check.Fired || p.Level != check.OnlyPathLeft || p.Count == nil || *p.Count != 12 {
		t.Errorf("12 frames: %+v", p)
	}
	if !slices.ContainsFunc(p.Evidence, func(e string) bool { return strings.Contains(e, "each time that the watch looked (3)") }) {
		t.Errorf("the evidence does not tell how often the set-up was looked at: %q", p.Evidence)
	}
	for _, id := range []string{"backlog", "flow-limit", "forward", "device-down"} {
		if p := verdictOn(t, c, id); p.Verdict != check.RuledOut || !strings.Contains(strings.Join(p.Evidence, " "), "during the watch") {
			t.Errorf("%s: %+v", id, p)
		}
	}
	plain, err = check.Explain(k.s, device(t, k.s, "flood0"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plain.Counters[0].Paths {
		if p.Count != nil && *p.Count > 0 {
			t.Errorf("explain tells what it cannot: %+v", p)
		}
	}

	// The backlog drops, too: 7 frames here, and 5 on other devices.
	k.drop("flood0", "rx_dropped", 7)
	k.refuse("flood0p", 7)
	k.softnet(12)
	r = k.sample(w, 2*time.Second)
	c = counterOf(t, r, "flood0", "rx_dropped")
	if p := verdictOn(t, c, "unhandled-protocol"); *c.Moved != 19 || *c.Rate != 3.5 || p.Verdict != check.Fired || p.Min != 12 || p.Count != nil {
		t.Errorf("12 and 7 frames: %+v, %+v", c, p)
	}
	if p := verdictOn(t, c, "backlog"); p.Verdict != check.Possible || *p.Max != 7 {
		t.Errorf("backlog: %+v", p)
	}

	// It stops.
	r = k.sample(w, 4*time.Second)
	c = counterOf(t, r, "flood0", "rx_dropped")
	if c.State != check.Bleeding || *c.Rate != 0 || *c.LastMoved != 14 || !strings.Contains(r.Text(), "bleeding\n    not in the last 4.0 s") {
		t.Errorf("it stopped: %+v\n%s", c, r.Text())
	}
	for _, want := range []check.WatchState{check.Bleeding, check.Stopped, check.Stopped} {
		r = k.sample(w, 2*time.Second)
		if c = counterOf(t, r, "flood0", "rx_dropped"); c.State != want || !r.Moved || c.Verdict == nil {
			t.Errorf("%.0f s: %q, want %q, moved %v", r.Elapsed, c.State, want, r.Moved)
		}
	}
	if !strings.Contains(r.Text(), "stopped\n    it last moved 14.0 s into the watch, 10.0 s ago") {
		t.Errorf("it stopped:\n%s", r.Text())
	}
	k.drop("flood0", "rx_dropped", 1)
	if c = counterOf(t, k.sample(w, 2*time.Second), "flood0", "rx_dropped"); c.State != check.Bleeding {
		t.Errorf("it moves again: %+v", c)
	}
	var line map[string]any
	b, err := json.Marshal(r)
	if err == nil {
		err = json.Unmarshal(b, &line)
	}
	if err != nil || line["watch"] != "explain" || line["sample"] != 7.0 || line["elapsed"] != 24.0 {
		t.Errorf("%v: %s", err, b)
	}
}

// TestWatchBacklogOnly: the other way round, an old wound of unhandled frames does not make backlog drops theirs.
func TestWatchBacklogOnly(t *testing.T) {
	k := newMoving(t, kernels.OpenScenarios(t))
	w := k.watch("mixed0")
	k.drop("mixed0", "rx_dropped", 30)
	k.refuse("mixed0p", 30)
	k.softnet(30)
	c := counterOf(t, k.sample(w, time.Second), "mixed0", "rx_dropped")
	for _, p := range c.Verdict.Paths {
		if p.Verdict == check.Fired {
			t.Errorf("%s is stated as the cause of what may be the backlog's: %+v", p.ID, p)
		}
	}
}

// TestWatchWraps: the backlog's counter is 32 bits wide on some kernels.
func TestWatchWraps(t *testing.T) {
	k := newMoving(t, kernels.OpenScenarios(t))
	softnets, err := k.s.Softnets()
	if err != nil {
		t.Fatal(err)
	}
	k.softnet(int64(0xffff_fffe - softnets[1].Dropped))
	w := k.watch("flood0")
	k.softnet(5)
	k.drop("flood0", "rx_dropped", 8)
	k.refuse("flood0p", 5)
	c := counterOf(t, k.sample(w, time.Second), "flood0", "rx_dropped")
	if p := verdictOn(t, c, "backlog"); p.Max == nil || *p.Max != 5 {
		t.Errorf("backlog: %+v", p)
	}
	if p := verdictOn(t, c, "unhandled-protocol"); p.Min != 3 {
		t.Errorf("unhandled: %+v", p)
	}
}

// TestWatchBond: a bond's own counter, and what a slave brings.
func TestWatchBond(t *testing.T) {
	for _, series := range kernels.Series {
		k := newMoving(t, kernels.Open(t, series))
		w := k.watch("bond0")
		k.drop("bond0", "rx_dropped", 3)
		k.drop("veth1", "rx_dropped", 4)
		r := k.sample(w, 2*time.Second)
		c := counterOf(t, r, "bond0", "rx_dropped")
		if *c.Value != 60 || *c.Moved != 7 || *c.Verdict.Own != 3 || *c.Verdict.Slaves != 4 {
			t.Errorf("%s: %+v, %+v", series, c, c.Verdict)
		}
		if p := verdictOn(t, c, "slaves"); p.Count == nil || *p.Count != 4 || !strings.Contains(p.Evidence[0], "theirs by: veth0 0, veth1 4") {
			t.Errorf("%s: slaves %+v", series, p)
		}
		if p := verdictOn(t, c, "unhandled-protocol"); p.Count == nil || *p.Count != 3 {
			t.Errorf("%s: %+v", series, p)
		}
		// The slave becomes the active one.
		b, err := k.s.Bond(device(t, k.s, "bond0"))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range b.Slaves {
			k.flip(s.Value, "inactive")
		}
		r = k.sample(w, 2*time.Second)
		if text := r.Text(); !strings.Contains(text, "4.0 s: bond0: slave veth1 became active") || !strings.Contains(text, "slave veth0 became inactive") {
			t.Errorf("%s: changes %+v", series, r.Changes)
		}
	}
}

// TestWatchAll lists the devices that bleed before those with old wounds.
func TestWatchAll(t *testing.T) {
	k := newMoving(t, kernels.OpenScenarios(t))
	w := k.watch("")
	k.drop("plain0", "rx_dropped", 9)
	r := k.sample(w, time.Second)
	if !r.Moved || len(r.Devices) < 5 || r.Devices[0].Device != "plain0" || r.Seen <= len(r.Devices) {
		t.Fatalf("%d of %d devices, %+v", len(r.Devices), r.Seen, r.Devices[0])
	}
	if p := verdictOn(t, counterOf(t, r, "plain0", "rx_dropped"), "unhandled-protocol"); p.Count == nil || *p.Count != 9 {
		t.Errorf("plain0: %+v", p)
	}
	for _, d := range r.Devices[1:] {
		for _, c := range d.Counters {
			if c.State == check.Bleeding {
				t.Errorf("%s bleeds: %+v", d.Device, c)
			}
		}
	}
	text := r.Text()
	if b, o := strings.Index(text, "bleeding:"), strings.Index(text, "old wounds:"); b < 0 || o < b {
		t.Errorf("the table:\n%s", text)
	}
}

// TestWatchDevices: a device that is called otherwise is followed, and another one of its name is another one.
func TestWatchDevices(t *testing.T) {
	k := newMoving(t, kernels.OpenScenarios(t))
	d := device(t, k.s, "plain0")
	name, err := d.Value.Path("name")
	if err != nil {
		t.Fatal(err)
	}
	letter, err := name.Index(0)
	if err != nil {
		t.Fatal(err)
	}
	w := k.watch("plain0")
	k.drop("plain0", "rx_dropped", 2)
	k.put(letter, 'P')
	r := k.sample(w, time.Second)
	if c := counterOf(t, r, "Plain0", "rx_dropped"); *c.Moved != 2 || len(r.Changes) != 1 || r.Changes[0].What != "it is called Plain0 now" {
		t.Errorf("renamed: %+v, %+v", c, r.Changes)
	}
	k.put(letter, 'p')
	k.sample(w, time.Second)
	index, err := d.Value.Path("ifindex")
	if err != nil {
		t.Fatal(err)
	}
	k.put(index, 7777)
	r = k.sample(w, time.Second)
	c := counterOf(t, r, "plain0", "rx_dropped")
	if c.State != check.OldWound || !r.Moved || r.Devices[0].Since != 3 || !strings.Contains(r.Text(), "it is another device of that name") {
		t.Errorf("made anew: %+v\n%s", c, r.Text())
	}
	k.put(letter, 'X')
	k.put(index, 7778)
	r = k.sample(w, time.Second)
	if !r.Devices[0].Gone || !r.Partial() || !strings.Contains(r.Text(), "it has gone") {
		t.Errorf("gone:\n%s", r.Text())
	}
	k.put(letter, 'p')
	if r = k.sample(w, time.Second); r.Partial() || r.Devices[0].Gone || r.Devices[0].Since != 5 {
		t.Errorf("back again: %+v", r)
	}
}

// TestWatchReset: a counter that goes back was reset, and says nothing of what it counted before.
func TestWatchReset(t *testing.T) {
	k := newMoving(t, kernels.OpenScenarios(t))
	w := k.watch("long0p")
	k.refuse("long0p", 5)
	r := k.sample(w, time.Second)
	if c := counterOf(t, r, "long0p", "tx_dropped"); *c.Moved != 5 || verdictOn(t, c, "peer-refused").Min != 5 {
		t.Errorf("5 frames: %+v", c)
	}
	k.refuse("long0p", -6)
	r = k.sample(w, time.Second)
	c := counterOf(t, r, "long0p", "tx_dropped")
	if c.State != check.OldWound || !r.Moved || !strings.Contains(r.Text(), "it was reset: differences begin anew") {
		t.Errorf("reset: %+v\n%s", c, r.Text())
	}
}

// reclaim has memory be short once.
func (k *movingKernel) reclaim() {
	k.t.Helper()
	item, err := k.s.K.Enumerator("PAGEOUTRUN")
	if err != nil {
		k.t.Fatal(err)
	}
	events, err := k.s.K.Global("vm_event_states")
	if err != nil {
		k.t.Fatal(err)
	}
	own, err := k.s.K.PerCPU(events, 0)
	if err != nil {
		k.t.Fatal(err)
	}
	k.add(own, fmt.Sprintf("event[%d]", item), 1)
}

// TestWatchSetUp: what only the set-up rules out is not ruled out where it was otherwise at one look.
func TestWatchSetUp(t *testing.T) {
	k := newMoving(t, kernels.OpenScenarios(t))
	w := k.watch("plain0")
	key, err := k.s.K.Global("memalloc_socks_key")
	if err != nil {
		t.Fatal(err)
	}
	k.sample(w, time.Second)
	k.reclaim()
	k.add(key, "key.enabled.counter", 1)
	k.sample(w, time.Second)
	k.add(key, "key.enabled.counter", -1)
	k.sample(w, time.Second)
	k.drop("plain0", "rx_dropped", 4)
	c := counterOf(t, k.sample(w, time.Second), "plain0", "rx_dropped")
	p := verdictOn(t, c, "pfmemalloc")
	if p.Verdict != check.Possible || !strings.Contains(strings.Join(p.Evidence, " "), "but 2.0 s into the watch: sockets may use the emergency reserve") {
		t.Errorf("pfmemalloc: %+v", p)
	}
	if p := verdictOn(t, c, "unhandled-protocol"); p.Verdict != check.Possible {
		t.Errorf("unhandled: %+v", p)
	}
}
