package repl

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// lines are what the line editor gets, each part of what it is given ended as it is.
func (k *typeahead) lines() (out []string) {
	for {
		b, ended := k.take(false)
		if len(b) > 0 || ended {
			out = append(out, string(b))
		}
		if !ended {
			return out
		}
	}
}

func TestTypeahead(t *testing.T) {
	for _, c := range []struct {
		sent string // in one piece, and byte by byte but for tabs
		want string
		left string
	}{
		{"1 + 1\r", "1 + 1\n", ""},
		{"a\n| b\n", "a\n| b\n", ""},
		{"\x1b[200~a\r| b\x1b[201~\r", "a\n| b\n", ""},
		{"\x1b[200~a\r\n\r\nb\x1b[201~", "a\n\nb", ""},
		{"\x1b[200~a\tb\n\tc\x1b[201~", "a b\n c", ""},
		// Nothing within a paste is a key.
		{"\x1b[200~a\x03\x04\x1b[A\x7f\x12b\x1b[201~\x04", "a[Ab\x04", ""},
		{"x\x1b[A\x1b[2~\x1b\x1b[3~", "x\x1b[A\x1b[2~\x1b\x1b[3~", ""},
		{"a\x03b\r", "a\x03b\n", ""},
		{"a\x04b", "a\x04b", ""},
		{"\x1b[201~a\x1b[201~", "a", ""},
		{"é\x1b[200~ü\n\x1b[201~", "éü\n", ""},
		// What may become a mark is held back.
		{"a\x1b[20", "a", "\x1b[20"},
		{"\x1b[200~a\x1b[201", "a", "\x1b[201"},
	} {
		var whole, bytewise typeahead
		whole.buf = []byte(c.sent)
		if got := strings.Join(whole.lines(), ""); got != c.want || string(whole.buf) != c.left {
			t.Errorf("%q: %q, left %q, want %q, %q", c.sent, got, whole.buf, c.want, c.left)
		}
		if strings.Contains(c.sent, "\t") && !strings.HasPrefix(c.sent, pasteBegin) {
			continue
		}
		got := ""
		for _, b := range []byte(c.sent) {
			bytewise.buf = append(bytewise.buf, b)
			got += strings.Join(bytewise.lines(), "")
		}
		if got != c.want || string(bytewise.buf) != c.left {
			t.Errorf("%q byte by byte: %q, left %q, want %q, %q", c.sent, got, bytewise.buf, c.want, c.left)
		}
	}
	// A tab alone is a key, one that others follow at once is a blank.
	k := typeahead{buf: []byte("\tx\t")}
	if got := strings.Join(k.lines(), ""); got != " x\t" {
		t.Errorf("%q", got)
	}
}

func TestWaiting(t *testing.T) {
	for _, c := range []struct {
		buf   string
		paste bool
		want  string
		open  bool
	}{
		{"| map(.x)\r", false, "| map(.x)\n", false},
		{"| a\r\n\tb\n", false, "| a\n b\n", false},
		{"| a\x1b[A", false, "| a", false},
		{"| a\x1b[201~b", true, "| a", false},
		{"| a\x03b", true, "| ab", true},
		{"\x1b[200~| a", false, "| a", true},
		{"\x1b[201~", true, "", false},
		{"\x1b[201~\x1b[200~a\x1b[201~", true, "a", false},
	} {
		k := typeahead{buf: []byte(c.buf), paste: c.paste}
		if got, open := k.waiting(); got != c.want || open != c.open {
			t.Errorf("%q: %q %v, want %q %v", c.buf, got, open, c.want, c.open)
		}
		if string(k.buf) != c.buf {
			t.Errorf("%q was taken", c.buf)
		}
	}
}

// FuzzTypeahead: all that is sent leaves, however it is cut, and the same as in one piece.
func FuzzTypeahead(f *testing.F) {
	f.Add([]byte("a\r\n\x1b[200~b\r\n\tc\x1b[201~\x03\x1b[2"), uint8(3))
	f.Fuzz(func(t *testing.T, sent []byte, n uint8) {
		var k typeahead
		for size := int(n)%8 + 1; len(sent) > 0; sent = sent[min(size, len(sent)):] {
			k.buf = append(k.buf, sent[:min(size, len(sent))]...)
			k.waiting()
			k.lines()
			if len(k.buf) >= len(pasteBegin) {
				t.Fatalf("%q is held back", k.buf)
			}
		}
		if _, ended := k.take(true); !ended && len(k.buf) > 0 {
			t.Fatalf("%q stays", k.buf)
		}
	})
}

// TestKeyboard sends to a pipe in the place of the terminal.
func TestKeyboard(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	k, err := newKeyboard(int(in.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	send := func(s string) {
		t.Helper()
		if _, err := io.WriteString(out, s); err != nil {
			t.Fatal(err)
		}
	}
	prompt := func() (string, error) { // reads a line, as liner does
		var line []byte
		for {
			var b [1]byte
			if _, err := k.in.Read(b[:]); err != nil {
				return string(line), err
			}
			if line = append(line, b[0]); b[0] == '\n' || b[0] == keyCtrlC {
				return string(line), nil
			}
		}
	}
	want := func(line, ahead string) {
		t.Helper()
		got, err := k.during(prompt)
		if err != nil || got != line {
			t.Errorf("%q %v, want %q", got, err, line)
		}
		if got := k.ahead(false); got != ahead {
			t.Errorf("behind %q: %q, want %q", line, got, ahead)
		}
	}
	send("a\r| b\rc")
	want("a\n", "| b\nc")
	want("| b\n", "c")
	send("\x03")
	want("c\x03", "")
	send("\x1b[200~d\r")
	go func() {
		time.Sleep(50 * time.Millisecond) // a paste may come slowly
		_, _ = io.WriteString(out, "| e\x1b[201~")
	}()
	want("d\n", "| e")
	send("\r")
	want("| e\n", "")
	// A prompt that ends without a line leaves the keys to the next.
	send("xy\r")
	_, err = k.during(func() (string, error) { return "", io.ErrUnexpectedEOF })
	if err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
	want("xy\n", "")
	long := strings.Repeat("long ", 100_000)
	go func() { _, _ = io.WriteString(out, long+"\r") }()
	want(long+"\n", "")
}
