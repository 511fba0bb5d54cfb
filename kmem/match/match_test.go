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
				if short := bytes.Clone(dst); Short(short, out, length, back) {
					if !bytes.Equal(short[:out+length], want[:out+length]) {
						t.Fatalf("%d bytes from %d back, room for %d more, as a short one: %x, want %x", length, back, room, short, want)
					}
				} else if back >= 8 && length <= 16 && length+room >= margin {
					t.Fatalf("%d bytes from %d back, room for %d more, are not short", length, back, room)
				}
				Copy(dst, out, length, back)
				if !bytes.Equal(dst[:out+length], want[:out+length]) {
					t.Fatalf("%d bytes from %d back, room for %d more: %x, want %x", length, back, room, dst, want)
				}
			}
		}
	}
}
