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
		for _, o := range []dropsFor{{}, {device: 0xffff888012345000}, {frames: 10}, {frames: 1, device: 0xffff888012345000, cpus: 4}} {
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
