package kmem

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// nameBuffer holds the codes of a name that crosses a page.
type nameBuffer [maxKallsymsName]byte

func badName(i int) error {
	return fmt.Errorf("%w: the name of symbol %d leaves its bucket or is too long", ErrBadKallsyms, i)
}

// names reads lengths and codes in one bucket, from its marker on.
type nameCursor struct {
	m        *lazyMemory
	off, end uint64 // in names: the next length byte; the end of the bucket
	part     []byte // what is at off in its page, may be empty
}

// bucket starts a cursor at symbol b*bucketSize.
func (k *Kallsyms) bucket(b int) nameCursor {
	return nameCursor{m: k.names, off: uint64(k.markers[b]), end: uint64(k.markers[b+1])}
}

// length reads the length of the next name and moves to its codes; ok is false
// where the name leaves the bucket.
func (c *nameCursor) length() (n uint64, ok bool, err error) {
	b, err := c.next()
	if err != nil {
		return 0, false, err
	}
	n = uint64(b)
	if b&0x80 != 0 {
		if b, err = c.next(); err != nil {
			return 0, false, err
		}
		n = n&0x7f | uint64(b)<<7
	}
	return n, n > 0 && n <= maxKallsymsName && n <= c.end-min(c.end, c.off), nil
}

// next takes one byte.
func (c *nameCursor) next() (byte, error) {
	if len(c.part) == 0 {
		var err error
		if c.part, err = c.m.from(c.off); err != nil {
			return 0, fmt.Errorf("kallsyms_names: %w", err)
		}
	}
	b := c.part[0]
	c.part, c.off = c.part[1:], c.off+1
	return b, nil
}

// skip moves over n bytes.
func (c *nameCursor) skip(n uint64) {
	c.off += n
	c.part = c.part[min(n, uint64(len(c.part))):]
}

// take returns the n codes of a name and moves behind them: a slice of the page,
// or of buf where they cross its end.
func (c *nameCursor) take(n uint64, buf *nameBuffer) ([]byte, error) {
	codes := buf[:n]
	if uint64(len(c.part)) >= n {
		codes = c.part[:n]
	} else if err := c.m.copy(c.off, codes); err != nil {
		return nil, fmt.Errorf("kallsyms_names: %w", err)
	}
	c.skip(n)
	return codes, nil
}

// codes finds the codes of symbol i, by walking at most one bucket.
func (k *Kallsyms) codes(i int, buf *nameBuffer) ([]byte, error) {
	c := k.bucket(i / bucketSize)
	for j := i &^ (bucketSize - 1); ; j++ {
		n, ok, err := c.length()
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, badName(j)
		}
		if j == i {
			return c.take(n, buf)
		}
		c.skip(n)
	}
}

// walk calls yield for each symbol from number i on until it returns false. It
// leaves out the rest of a bucket that cannot be read, and returns the first
// such error.
func (k *Kallsyms) walk(yield func(i int, codes []byte) bool) error {
	var first error
	var buf nameBuffer
	for b := 0; b*bucketSize < k.n; b++ {
		c := k.bucket(b)
		for i := b * bucketSize; i < min((b+1)*bucketSize, k.n); i++ {
			n, ok, err := c.length()
			if err == nil && !ok {
				err = badName(i)
			}
			var codes []byte
			if err == nil {
				codes, err = c.take(n, &buf)
			}
			if err != nil {
				if first == nil {
					first = err
				}
				break
			}
			if !yield(i, codes) {
				return first
			}
		}
	}
	return first
}

// expand appends the name that codes stand for to text, whose capacity is the
// longest name it takes, and returns it without the type letter before it.
func (k *Kallsyms) expand(codes, text []byte) (typ byte, name []byte, ok bool) {
	for _, c := range codes {
		t := k.tokens[c]
		if len(t) > cap(text)-len(text) {
			return 0, nil, false
		}
		text = append(text, t...)
	}
	if len(text) < 2 {
		return 0, nil, false
	}
	return text[0], text[1:], true
}

// compare orders the name that codes stand for and name, as strings.Compare
// does, without making it.
func (k *Kallsyms) compare(codes []byte, name string) int {
	skip := true // the type letter
	for _, c := range codes {
		t := k.tokens[c]
		if skip && t != "" {
			t, skip = t[1:], false
		}
		n := min(len(t), len(name))
		if d := strings.Compare(t[:n], name[:n]); d != 0 {
			return d
		}
		if n < len(t) {
			return 1
		}
		name = name[n:]
	}
	if name != "" {
		return -1
	}
	return 0
}

// hasPrefix reports whether the name that codes stand for begins with prefix.
func (k *Kallsyms) hasPrefix(codes []byte, prefix string) bool {
	skip := true
	for _, c := range codes {
		t := k.tokens[c]
		if skip && t != "" {
			t, skip = t[1:], false
		}
		n := min(len(t), len(prefix))
		if t[:n] != prefix[:n] {
			return false
		}
		if prefix = prefix[n:]; prefix == "" {
			return true
		}
	}
	return prefix == ""
}

// parseTokens reads the token table. Tokens that no code needs may be empty.
func parseTokens(table, index []byte) (tokens [256]string, err error) {
	text := string(table) // the tokens share it
	for i := range tokens {
		at := int(binary.LittleEndian.Uint16(index[2*i:]))
		if at >= len(text) {
			return tokens, fmt.Errorf("%w: token %d begins %d bytes into a table of %d", ErrBadKallsyms, i, at, len(text))
		}
		n := strings.IndexByte(text[at:], 0)
		if n < 0 || n > maxKallsymsName {
			return tokens, fmt.Errorf("%w: token %d has no end", ErrBadKallsyms, i)
		}
		tokens[i] = text[at : at+n]
		for j := range n {
			if c := text[at+j]; c <= ' ' || c > '~' {
				return tokens, fmt.Errorf("%w: token %d holds the byte %#02x", ErrBadKallsyms, i, c)
			}
		}
	}
	return tokens, nil
}
