package match

import (
	"bytes"
	"testing"
)

// TestCopy compares with a copy byte by byte, near the end of the room and far from it.
func TestCopy(t *testing.T) {
	for back := 1; back <= 20; back++ {
		for length := range 60 {
			for room := range 40 {
				const out = 25
				dst := make([]byte, out+length+room)
				for i := range out {
					dst[i] = byte(i*7 + 3)
				}
				want := bytes.Clone(dst)
				for i := range length {
					want[out+i] = want[out+i-back]
				}
				Copy(dst, out, length, back)
				if !bytes.Equal(dst[:out+length], want[:out+length]) {
					t.Fatalf("%d bytes from %d back, room for %d more: %x, want %x", length, back, room, dst, want)
				}
			}
		}
	}
}
