package ksys

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"strings"
	"testing"

	"kinspect/expr/value"
	"kinspect/kmem"
	"kinspect/testdata/kernels"
)

// logMemory is a log in made-up memory: a ring of 2^descBits descriptors and of
// 2^textBits bytes.
type logMemory struct {
	t    testing.TB
	k    *value.Kernel
	o    *kernels.Overlay
	ring *ring
	lpos uint64
}

const (
	logDescs = kernels.Base
	logInfos = kernels.Base + 0x4000
	logText  = kernels.Base + 0x8000
)

func newLog(tb testing.TB, series string, count, text uint64) *logMemory {
	tb.Helper()
	img := kernels.Open(tb, series)
	o := kernels.NewOverlay(img, 1<<16)
	k := value.New(img, o)
	m := &logMemory{t: tb, k: k, o: o}
	m.ring = &ring{k: k, states: descStates{1, 2}, descs: logDescs, infos: logInfos, text: logText, count: count, textSize: text}
	var err error
	if m.ring.desc, err = k.Struct("prb_desc"); err != nil {
		tb.Fatal(err)
	}
	if m.ring.info, err = k.Struct("printk_info"); err != nil {
		tb.Fatal(err)
	}
	return m
}

func (m *logMemory) put(at kmem.Addr, path string, v uint64) {
	st := m.ring.info
	if at < logInfos {
		st = m.ring.desc
	}
	f, err := st.FindMember(path)
	if err != nil {
		m.t.Fatal(err)
	}
	m.o.Put(at.Add(int64(f.Offset())), v)
}

// desc writes a descriptor, and what is known of its message.
func (m *logMemory) desc(id, state, begin, next, seq uint64, length int) {
	i := int64(id % m.ring.count)
	d, info := logDescs.Add(i*int64(m.ring.desc.Size)), logInfos.Add(i*int64(m.ring.info.Size))
	m.put(d, "state_var.counter", id|state<<62)
	m.put(d, "text_blk_lpos.begin", begin)
	m.put(d, "text_blk_lpos.next", next)
	m.put(info, "seq", seq)
	m.put(info, "ts_nsec", seq*1_000_000_001)
	// text_len, facility, and flags and level in one byte: level 3, flags 0.
	m.put(info, "text_len", uint64(length)|4<<16|(3<<5)<<24)
	m.put(info, "caller_id", 4711)
}

// write adds a message as the kernel does.
func (m *logMemory) write(id, state uint64, text string) {
	begin := m.lpos
	size := (uint64(len(text)) + 8 + 7) &^ 7
	at, next := begin%m.ring.textSize, begin+size
	if begin/m.ring.textSize != (next-1)/m.ring.textSize {
		at, next = 0, next/m.ring.textSize*m.ring.textSize+size
	}
	m.o.Put(logText.Add(int64(at)), id)
	m.o.PutBytes(logText.Add(int64(at)+8), []byte(text))
	m.lpos = next
	m.desc(id, state, begin, next, id, len(text))
}

// all is the text of all messages.
func (m *logMemory) all(tail, head uint64) string {
	m.t.Helper()
	out := ""
	for id := tail; id <= head; id++ {
		msg, ok, err := m.ring.message(id)
		switch {
		case err != nil:
			out += "error: " + err.Error()
		case !ok:
			out += "-"
		case msg.Lost:
			out += "lost"
		default:
			out += fmt.Sprintf("%d:%s", msg.Seq, msg.Text)
			if msg.Open {
				out += "…"
			}
		}
		out += "|"
	}
	return out
}

func TestLog(t *testing.T) {
	for _, series := range kernels.Series {
		m := newLog(t, series, 8, 128)
		for id := range uint64(30) {
			m.write(id, 2, strings.Repeat("x", int(id%20)))
		}
		// Eight descriptors, and seven texts: the oldest of eight has been overwritten.
		want := ""
		for id := uint64(22); id < 30; id++ {
			text := fmt.Sprintf("%d:%s|", id, strings.Repeat("x", int(id%20)))
			if id < 23 {
				text = "lost|"
			}
			want += text
		}
		if got := m.all(22, 29); got != want {
			t.Errorf("%s:\n got %s\nwant %s", series, got, want)
		}
		if got := m.all(21, 21); got != "-|" {
			t.Errorf("%s: a descriptor that is used again: %s", series, got)
		}
		msg, ok, err := m.ring.message(29)
		if err != nil || !ok || msg.Nsec != 29*1_000_000_001 || msg.Level != 3 || msg.Facility != 4 || msg.Caller != "T4711" {
			t.Errorf("%s: %+v, %v", series, msg, err)
		}

		m = newLog(t, series, 8, 128)
		m.write(0, 2, "whole")
		m.write(1, 1, "may go on")
		m.write(2, 0, "is written")
		m.write(3, 3, "may be used again")
		m.desc(4, 2, 3, 3, 4, 0) // an empty line
		m.desc(5, 2, 1, 1, 5, 7) // a text that did not fit
		if got, want := m.all(0, 6), "0:whole|1:may go on…|-|-|4:|lost|-|"; got != want {
			t.Errorf("%s:\n got %s\nwant %s", series, got, want)
		}
		m.write(6, 2, "cut")
		m.desc(6, 2, m.lpos-16, m.lpos, 6, 5000) // a length that the block does not have
		if got := m.all(6, 6); got != "6:cut\x00\x00\x00\x00\x00|" {
			t.Errorf("%s: %q", series, got)
		}
		m.desc(7, 2, 120, 100, 7, 3) // positions that go back
		if got := m.all(7, 7); !strings.Contains(got, "damaged") {
			t.Errorf("%s: %q", series, got)
		}
		m.desc(7, 2, 0, 1<<40, 7, 3)
		if got := m.all(7, 7); got == "7:abc|" {
			t.Errorf("%s: %q", series, got)
		}
	}
}

// TestLogEnd writes texts that end with the ring, which older kernels put to its start and
// newer ones do not.
func TestLogEnd(t *testing.T) {
	m := newLog(t, "7.3", 8, 128)
	m.o.Put(logText.Add(96), 0)
	m.o.PutBytes(logText.Add(104), []byte("new"))
	m.desc(0, 2, 96, 128, 0, 3)
	if got := m.all(0, 0); got != "0:new|" {
		t.Errorf("at the end: %s", got)
	}
	m.o.Put(logText, 1)
	m.o.PutBytes(logText.Add(8), []byte("old"))
	m.desc(1, 2, 96, 128+32, 1, 3)
	if got := m.all(1, 1); got != "1:old|" {
		t.Errorf("at the start: %s", got)
	}
}

func FuzzLog(f *testing.F) {
	m := newLog(f, "6.12", 8, 128)
	for id := range uint64(8) {
		m.write(id, 2, "some text")
	}
	raw := make([]byte, 0x8100)
	if err := m.o.ReadMem(kernels.Base, raw); err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, data []byte) {
		m.o.Fill(make([]byte, 1<<16))
		m.o.Fill(data[:min(len(data), 1<<16)])
		for id := range uint64(16) {
			msg, ok, err := m.ring.message(id)
			if ok && err == nil && uint64(len(msg.Text)) > m.ring.textSize {
				t.Errorf("a text of %d bytes in a ring of %d", len(msg.Text), m.ring.textSize)
			}
		}
	})
}

func packed(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestConfig(t *testing.T) {
	data := packed(t, "#\n# Linux\n#\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D=\"a=b\"\nCONFIG_HZ=250\n")
	got, err := parseConfig(append(bytes.Clone(data), "IKCFG_ED"...))
	if want := map[string]string{"CONFIG_A": "y", "CONFIG_B": "m", "CONFIG_D": "a=b", "CONFIG_HZ": "250"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "no gzip": []byte("CONFIG_A=y"), "cut off": data[:len(data)-12],
		"too long": packed(t, strings.Repeat("CONFIG_A=y\n", maxConfig/10)),
	} {
		if _, err := parseConfig(bad); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(packed(f, "CONFIG_A=y\n"))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = parseConfig(data) })
}

func TestNotNegative(t *testing.T) {
	for n, want := range map[uint64]uint64{0: 0, 5: 5, ^uint64(0): 0, 1 << 63: 0} {
		if got := notNegative(n); got != want {
			t.Errorf("%d: %d", n, got)
		}
	}
}

// TestOutside asks a snapshot, which holds none of it, for everything: each answer is an
// error, or is right.
func TestOutside(t *testing.T) {
	for _, series := range kernels.Series {
		img := kernels.Open(t, series)
		k := value.New(img, img)
		_, err1 := MemInfo(k)
		err2 := EachInterrupt(k, func(Interrupt) error { return nil })
		_, err3 := Now(k)
		_, err4 := CommandLine(k)
		err5 := EachMessage(k, func(Message) error { return nil })
		err6 := EachSlab(k, func(Slab) error { return nil })
		for i, err := range []error{err1, err2, err3, err4, err5, err6} {
			if err != nil && kmem.AsFault(err) == nil {
				t.Errorf("%s: %d: %v", series, i, err)
			}
		}
		var mods []Module
		err := EachModule(k, func(m Module) error { mods = append(mods, m); return nil })
		if err != nil && kmem.AsFault(err) == nil {
			t.Errorf("%s: %v", series, err)
		}
		for _, m := range mods {
			if m.Name == "" || m.Size == 0 {
				t.Errorf("%s: %+v", series, m)
			}
		}
	}
}
