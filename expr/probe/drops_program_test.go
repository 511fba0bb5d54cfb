package probe

import (
	"bytes"
	"encoding/binary"
	"testing"

	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

// TestDropsProgram makes the program for each kernel, and for every option: each instruction is one, and jumps lead
// somewhere. That the kernel takes it is the lab's to show.
func TestDropsProgram(t *testing.T) {
	for _, series := range kernels.Series {
		img := kernels.Open(t, series)
		f, err := findDropFields(value.New(img, img))
		if err != nil {
			t.Fatalf("%s: %v", series, err)
		}
		if (f.reason >= 0) != (series != "5.10") {
			t.Errorf("%s: the reason is argument %d", series, f.reason)
		}
		if size := fragSize(&f); size != 16 || f.fragPage.size != 8 || f.fragLen == f.fragOffset {
			t.Errorf("%s: an element of frags has %d bytes, %v, %v, %v", series, size, f.fragPage, f.fragLen, f.fragOffset)
		}
		for _, o := range []dropsFor{{}, {device: 0xffff888012345000}, {frames: 10}, {frames: 1, device: 0xffff888012345000, cpus: 4, pages: pageMap{0xffffea0000000000, 6, 0xffff888000000000}}} {
			o.fields = f
			code := dropsProgram(o)
			symbols := map[string]bool{}
			for _, ins := range code {
				if name := ins.Symbol(); name != "" {
					if symbols[name] {
						t.Errorf("%s: %s twice", series, name)
					}
					symbols[name] = true
				}
			}
			for i, ins := range code {
				if to := ins.Reference(); to != "" && !symbols[to] {
					t.Errorf("%s: instruction %d jumps to %s", series, i, to)
				}
			}
			// cilium resolves jumps when it encodes.
			var out bytes.Buffer
			if err := code.Marshal(&out, binary.LittleEndian); err != nil {
				t.Errorf("%s: %v", series, err)
			}
		}
	}
}

// TestRecent: a place counts once its key is there.
func TestRecent(t *testing.T) {
	raw := make([]byte, 3*recentSize)
	for i, ready := range []uint32{1, 0, 1} {
		at := raw[i*recentSize:]
		binary.NativeEndian.PutUint32(at[recentReady:], ready)
		binary.NativeEndian.PutUint64(at[recentCount:], uint64(i+1))
		binary.NativeEndian.PutUint64(at[recentKey+keyLocation:], 7)
	}
	counts := map[DropKey]uint64{}
	addRecent(raw, counts)
	if got := counts[DropKey{Location: 7}]; len(counts) != 1 || got != 4 {
		t.Errorf("%v", counts)
	}
	if recentSlots*recentSize != 1<<recentShift {
		t.Error("the places of a CPU are not where the program looks for them")
	}
}

// TestParsePages: bytes of a page follow those of the skb's head, and it is told where they are missing.
func TestParsePages(t *testing.T) {
	for _, c := range []struct {
		name              string
		head, paged, got  uint32
		keptHead          uint32
		length            int
		missing           bool
		first, behindHead byte
	}{
		{"headers in the head", 54, 20000, pageLen, 54, 54 + pageLen, false, 1, 2},
		{"nothing in the head", 0, 6000, pageLen, 0, pageLen, false, 2, 2},
		{"nothing in the head, and no page read", 0, 6000, 0, 0, 0, true, 0, 0},
		{"headers in the head, and no page read", 54, 6000, 0, 54, 54, true, 1, 0},
		{"a long head", 600, 6000, 0, SnapLen, SnapLen, false, 1, 1},
		{"a head that nearly fills the sample", SnapLen - 10, 6000, pageLen, SnapLen - 10, SnapLen, false, 1, 2},
		{"no pages", 54, 0, 0, 54, 54, false, 1, 0},
		{"a head that could not be read", 54, 20000, 0, 0, 0, false, 0, 0},
	} {
		raw := make([]byte, sampleSize)
		ne := binary.NativeEndian
		ne.PutUint32(raw[sampleLen:], c.head+c.paged)
		ne.PutUint32(raw[sampleFrom:], 64)
		ne.PutUint32(raw[sampleHead:], 64)
		ne.PutUint32(raw[sampleTail:], 64+c.head)
		ne.PutUint32(raw[samplePaged:], c.paged)
		ne.PutUint32(raw[sampleGot:], c.keptHead)
		ne.PutUint32(raw[sampleGotPage:], c.got)
		ne.PutUint16(raw[sampleMAC:], 0xffff)
		copy(raw[sampleData:], bytes.Repeat([]byte{1}, SnapLen))
		copy(raw[samplePage:], bytes.Repeat([]byte{2}, pageLen))
		s, ok := parseSample(raw)
		if !ok || len(s.Data) != c.length || s.NoPages != c.missing {
			t.Errorf("%s: %d bytes, %t", c.name, len(s.Data), s.NoPages)
			continue
		}
		if c.length > 0 && s.Data[0] != c.first || c.behindHead != 0 && int(c.head) < c.length && s.Data[c.head] != c.behindHead {
			t.Errorf("%s: % x", c.name, s.Data)
		}
		if f := s.Frame(); f.Length != int(c.head+c.paged) || f.Paged != c.missing {
			t.Errorf("%s: %d bytes, %t", c.name, f.Length, f.Paged)
		}
	}
}
