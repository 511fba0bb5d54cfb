package probe

import (
	"encoding/binary"
	"testing"
)

// FuzzSample: a record of the ring that is not as it should be makes no sample, or one within its bounds.
func FuzzSample(f *testing.F) {
	whole := make([]byte, sampleSize)
	binary.NativeEndian.PutUint32(whole[sampleGot:], 60)
	f.Add(whole)
	f.Add(whole[:sampleData])
	huge := append([]byte(nil), whole...)
	binary.NativeEndian.PutUint32(huge[sampleGot:], 1<<31)
	f.Add(huge)
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, ok := parseSample(raw)
		if ok != (len(raw) >= sampleSize) || len(s.Data) > SnapLen {
			t.Fatalf("%d bytes: %v, %d bytes of a frame", len(raw), ok, len(s.Data))
		}
		frame := s.Frame()
		if frame.Length < len(frame.Data) {
			t.Fatalf("%d of %d bytes", len(frame.Data), frame.Length)
		}
	})
}
