package frame

import (
	"strings"
	"testing"
	"unicode/utf8"

	"kinspect/expr/knet"
)

func TestLine(t *testing.T) {
	for _, s := range samples {
		t.Run(s.name, func(t *testing.T) {
			if got := Line(s.frame); got != s.line {
				t.Errorf("got  %s\nwant %s", got, s.line)
			}
		})
	}
}

// Every frame is also looked at cut after each of its bytes, and damaged in each of them.
func TestLineCutAndDamaged(t *testing.T) {
	for _, s := range samples {
		for i := range s.frame.Data {
			f := s.frame
			f.Data, f.Length = s.frame.Data[:i:i], s.frame.length()
			if line := whole(t, f); strings.Contains(line, "damaged") && !strings.Contains(s.line, "damaged") {
				t.Fatalf("%s, after %d bytes, is called damaged though it is only cut:\n%s", s.name, i, line)
			}
			f.Length = 0
			whole(t, f)
			f.Data = append([]byte(nil), s.frame.Data...)
			for _, b := range []byte{0x00, 0xff, f.Data[i] ^ 1, f.Data[i] ^ 0x80} {
				f.Data[i] = b
				whole(t, f)
			}
		}
	}
}

// whole is a frame's line, of which everything is asked that holds for all of them.
func whole(t *testing.T, f Frame) string {
	t.Helper()
	line := Line(f)
	if len(line) > MaxLine {
		t.Fatalf("%d bytes: %s", len(line), line)
	}
	if !utf8.ValidString(line) {
		t.Fatalf("broken UTF-8: %q", line)
	}
	for _, r := range line {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e {
			t.Fatalf("%#x is in %q", r, line)
		}
	}
	if again := Line(f); again != line {
		t.Fatalf("once %s\nthen %s", line, again)
	}
	return line
}

// A frame of nothing but tags or tunnels ends somewhere.
func TestLineDeep(t *testing.T) {
	tags := join(eth(0x8100)[:12], []byte(strings.Repeat("\x81\x00\x00\x05", 300)))
	if line := whole(t, wire(tags)); !strings.Contains(line, "more headers inside") {
		t.Error(line)
	}
	p := ip4(59, 0, "10.0.0.1", "10.0.0.2", nil)
	for range 40 {
		p = ip4(4, 0, "10.0.0.1", "10.0.0.2", p)
	}
	if line := whole(t, Frame{Data: p, Start: Network, Ethertype: knet.EthIPv4}); !strings.Contains(line, "more headers inside") {
		t.Error(line)
	}
	name := strings.Repeat("\x07", 255)
	b := eth(0x88cc)
	for _, kind := range []byte{1, 2, 4, 5} {
		b = append(b, kind<<1, byte(len(name)))
		b = append(b, name...)
	}
	if line := whole(t, wire(b)); !strings.Contains(line, "…") || !strings.HasSuffix(line, "1042 bytes") {
		t.Error(line)
	}
}

func TestWords(t *testing.T) {
	for in, want := range map[string]string{
		"EchoRequest":                 "echo request",
		"TimeExceeded(TTLExceeded)":   "time exceeded (TTL exceeded)",
		"DestinationUnreachable(Net)": "destination unreachable (net)",
		"200(3)":                      "200 (3)",
		"Redirect(TOS+Host)":          "redirect (TOS+host)",
		"TimeExceeded(Code: 7)":       "time exceeded (code: 7)",
		"":                            "",
	} {
		if got := words(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range samples {
		v := s.frame.VLAN
		if v == nil {
			v = &VLAN{}
		}
		f.Add(s.frame.Data, s.frame.Length, byte(s.frame.Start), uint16(s.frame.Ethertype), s.frame.VLAN != nil, uint16(v.Type), v.TCI)
	}
	f.Fuzz(func(t *testing.T, data []byte, length int, start byte, kind uint16, tagged bool, tagType, tci uint16) {
		fr := Frame{Data: data, Length: length, Start: Start(start % 4), Ethertype: knet.Ethertype(kind)}
		if tagged {
			fr.VLAN = &VLAN{knet.Ethertype(tagType), tci}
		}
		whole(t, fr)
	})
}
