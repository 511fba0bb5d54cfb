package lzo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	oracle "github.com/anchore/go-lzo"

	"kinspect/kmem/dump"
	"kinspect/kmem/dumptest"
)

// check compares with another implementation, which may panic.
func check(t *testing.T, dst, src []byte) {
	t.Helper()
	n, err := Decompress(dst, src)
	want := make([]byte, len(dst))
	wantN, oerr := func() (n int, err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("%v", r)
			}
		}()
		return oracle.Decompress(src, want)
	}()
	if (err == nil) != (oerr == nil) || (err == nil && !bytes.Equal(dst[:n], want[:wantN])) {
		t.Fatalf("%x: %d bytes, %v; the other says %d bytes, %v", src, n, err, wantN, oerr)
	}
}

// end is how all data ends.
const end = "\x11\x00\x00"

var handmade = []struct {
	src, want string
	err       error
}{
	{end, "", nil},
	{"\x12a" + end, "a", nil},
	{"\x14abc" + end, "abc", nil},
	{"\x15abcd" + end, "abcd", nil},
	{"\x01abcd" + end, "abcd", nil},
	{"\x00\x01" + "0123456789abcdefghi" + end, "0123456789abcdefghi", nil},
	{"\x14abc" + "\x44\x00" + end, "abcbcb", nil},                                             // of 3, 2 back
	{"\x14abc" + "\xe8\x00" + end, "abcabcabcab", nil},                                        // of 8, 3 back
	{"\x14abc" + "\xe9\x00X" + end, "abcabcabcabX", nil},                                      // and a literal
	{"\x14abc" + "\x21\x00\x00" + end, "abcccc", nil},                                         // of 3, 1 back
	{"\x14abc" + "\x20\x01\x08\x00" + end, "abc" + "abcabcabcabcabcabcabcabcabcabcabca", nil}, // of 34, 3 back
	{"\x12a" + "\x00\x00" + end, "aaa", nil},                                                  // of 2, behind a literal
	{"\x12a" + "\x04\x00" + end, "", ErrCorrupt},                                              // 2 back
	{"\x15abcd" + "\x00\x00" + end, "", ErrCorrupt},                                           // 2049 back
	{"\x14abc" + "\x19\x04\x00" + end, "", ErrCorrupt},                                        // 32769 back
	{"\x12\x00\x00" + end, "\x00", ErrCorrupt},
	{"\x12a" + "\x12\x00\x00", "", ErrCorrupt}, // an end of 4 bytes
	{"\x12a" + end + "\x00", "", ErrCorrupt},   // something behind the end
	{"", "", io.ErrUnexpectedEOF},
	{"\x12a", "", io.ErrUnexpectedEOF},
	{"\x12a\x11\x00", "", io.ErrUnexpectedEOF},
	{"\xffabc" + end, "", io.ErrUnexpectedEOF},
	{"\x00\x00\x00\x00\x00", "", io.ErrUnexpectedEOF},
	{"\x20\x00\x00\x00\x00", "", io.ErrUnexpectedEOF},
	{"\x14abc" + "\x20\x00\xff\x00\x00" + end, "", ErrTooLong}, // of 541 bytes
}

func TestHandmade(t *testing.T) {
	for _, tt := range handmade {
		for _, room := range []int{64, max(len(tt.want), 1)} {
			if tt.err != nil {
				room = 64
			}
			dst := make([]byte, room)
			n, err := Decompress(dst, []byte(tt.src))
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) || (err == nil && string(dst[:n]) != tt.want) {
				t.Errorf("%x into %d bytes: %q, %v; want %q, %v", tt.src, room, dst[:n], err, tt.want, tt.err)
			}
			check(t, dst, []byte(tt.src))
		}
		if n := len(tt.want); n > 0 && tt.err == nil {
			if _, err := Decompress(make([]byte, n-1), []byte(tt.src)); !errors.Is(err, ErrTooLong) {
				t.Errorf("%x into %d bytes: %v", tt.src, n-1, err)
			}
		}
	}
}

func TestPages(t *testing.T) {
	ram := dumptest.Pages(40)
	dst := make([]byte, dump.PageSize)
	for ; len(ram) > 0; ram = ram[dump.PageSize:] {
		src := dumptest.PackPage(t, ram[:dump.PageSize], dumptest.FlagLZO)
		if n, err := Decompress(dst, src); err != nil || n != len(dst) || !bytes.Equal(dst, ram[:dump.PageSize]) {
			t.Fatalf("%d bytes, %v", n, err)
		}
		for n := range src {
			if _, err := Decompress(dst, src[:n]); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%d of %d bytes: %v", n, len(src), err)
			}
		}
	}
}

func FuzzLZO(f *testing.F) {
	for _, tt := range handmade {
		f.Add([]byte(tt.src))
	}
	ram := dumptest.Pages(4)
	for ; len(ram) > 0; ram = ram[dump.PageSize:] {
		f.Add(dumptest.PackPage(f, ram[:dump.PageSize], dumptest.FlagLZO))
	}
	dst := make([]byte, dump.PageSize)
	f.Fuzz(func(t *testing.T, src []byte) {
		check(t, dst, src)
		check(t, dst[:64:64], src)
	})
}
