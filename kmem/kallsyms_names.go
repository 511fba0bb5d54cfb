package kmem

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// nameBuffer holds the codes of a name that crosses a page, or an expanded name.
type nameBuffer [maxKallsymsName]byte

var errNameBounds = fmt.Errorf("%w: a name is empty, too long, or leaves its bucket", ErrBadKallsyms)

// nameCursor walks the names of one bucket, from its marker on.
type nameCursor struct {
	m    *lazyMemory
	part []byte // not walked yet, all in one page and in the bucket
	next uint64 // offset in names of what follows part
	end  uint64 // of the bucket
}

// bucket starts a cursor at symbol b*bucketSize.
func (k *Kallsyms) bucket(b int) nameCursor {
	return nameCursor{m: k.names, next: uint64(k.markers[b]), end: uint64(k.markers[b+1])}
}

// off is the offset in names that the cursor has reached.
func (c *nameCursor) off() uint64 { return c.next - uint64(len(c.part)) }

// fill moves to the next page where part is used up.
func (c *nameCursor) fill() error {
	if len(c.part) > 0 {
		return nil
	}
	if c.next >= c.end {
		return errNameBounds
	}
	part, err := c.m.from(c.next)
	if err != nil {
		return fmt.Errorf("kallsyms_names: %w", err)
	}
	c.part = part[:min(uint64(len(part)), c.end-c.next)]
	c.next += uint64(len(c.part))
	return nil
}

// length takes the length of the next name, whose codes are then in the bucket.
func (c *nameCursor) length() (int, error) {
	n := 0
	for shift := 0; shift < 14; shift += 7 {
		if err := c.fill(); err != nil {
			return 0, err
		}
		b := c.part[0]
		c.part = c.part[1:]
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	if n == 0 || n > maxKallsymsName || uint64(n) > c.end-c.off() {
		return 0, errNameBounds
	}
	return n, nil
}

// pass walks over count names.
func (c *nameCursor) pass(count int) error {
	for {
		// Nearly all names are short and end before their page does.
		part, at := c.part, 0
		for count > 0 && at < len(part) {
			n := int(part[at])
			if n == 0 || n >= 0x80 || n >= len(part)-at {
				break
			}
			at += n + 1
			count--
		}
		c.part = part[at:]
		if count == 0 {
			return nil
		}
		n, err := c.length()
		if err != nil {
			return err
		}
		c.skip(n)
		count--
	}
}

func (c *nameCursor) skip(n int) {
	if n <= len(c.part) {
		c.part = c.part[n:]
		return
	}
	c.next += uint64(n - len(c.part))
	c.part = nil
}

// take returns the codes of the next name: a slice of its page, or of buf where it
// crosses the page's end.
func (c *nameCursor) take(buf *nameBuffer) ([]byte, error) {
	n, err := c.length()
	if err != nil {
		return nil, err
	}
	codes := buf[:n]
	if n <= len(c.part) {
		codes = c.part[:n]
	} else if err := c.m.copy(c.off(), codes); err != nil {
		return nil, fmt.Errorf("kallsyms_names: %w", err)
	}
	c.skip(n)
	return codes, nil
}

// errBucket tells of a length that was changed: the names behind it would be taken for those
// of other symbols.
var errBucket = fmt.Errorf("%w: the lengths of names do not add up", ErrBadKallsyms)

// checkBucket walks a bucket once, and fails where it does not end where the next begins.
func (k *Kallsyms) checkBucket(b int) error {
	if b < len(k.whole) && k.whole[b].Load() {
		return nil
	}
	end, err := k.bucketEnd(b)
	if err != nil {
		return err
	}
	if end != uint64(k.markers[b+1]) {
		return errBucket
	}
	if b < len(k.whole) {
		k.whole[b].Store(true)
	}
	return nil
}

// codes finds the codes of symbol i, by walking one bucket.
func (k *Kallsyms) codes(i int, buf *nameBuffer) ([]byte, error) {
	if err := k.checkBucket(i / bucketSize); err != nil {
		return nil, err
	}
	c := k.bucket(i / bucketSize)
	if err := c.pass(i % bucketSize); err != nil {
		return nil, err
	}
	return c.take(buf)
}

// walk calls yield for each symbol until it returns false; codes are valid until
// then. It leaves out the rest of a bucket that cannot be read, and returns the
// first such error.
func (k *Kallsyms) walk(yield func(i int, codes []byte) bool) error {
	k.names.preload()
	var first error
	var buf nameBuffer
	for i := 0; i < k.n; i += bucketSize {
		c := k.bucket(i / bucketSize)
		for j := i; j < min(i+bucketSize, k.n); j++ {
			codes, err := c.take(&buf)
			if err != nil {
				if first == nil {
					first = err
				}
				break
			}
			if !yield(j, codes) {
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
