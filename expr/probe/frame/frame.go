package frame

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// A Start is the header that a frame's bytes begin with.
type Start uint8

const (
	// Unknown is for bytes of which nothing says what they are: they are shown, not decoded.
	Unknown Start = iota
	// Ethernet is an Ethernet header. The mac header of an skb is one if its device is of type ARPHRD_ETHER or
	// ARPHRD_LOOPBACK.
	Ethernet
	// Network is what stands behind the link header, of the kind that skb->protocol names.
	Network
)

// A Frame is what was kept of an skb.
type Frame struct {
	Data      []byte         // the first of the bytes that were there
	Length    int            // how many were there; as many as Data has, if less
	Start     Start          // what Data begins with
	Ethertype knet.Ethertype // skb->protocol, for a frame that begins at the network header
	Paged     bool           // what is behind Data lies in pages or other skbs, and was not read
	VLAN      *VLAN          // the tag that the kernel took off the frame, nil without one
}

// A VLAN is the tag in skb->vlan_proto and skb->vlan_tci.
type VLAN struct {
	Type knet.Ethertype // 0x8100 or 0x88a8
	TCI  uint16         // priority, drop eligible, id
}

const (
	// MaxLine is how long a line gets, in bytes.
	MaxLine = 600
	// maxText is how much is shown of a text from the wire.
	maxText = 64
	// maxDepth is how many headers, tags and tunnels are followed into each other.
	maxDepth = 16
	// maxBytes is how much is shown of bytes that nothing decodes.
	maxBytes = 16
)

// length is the frame's length on the wire.
func (f *Frame) length() int { return max(f.Length, len(f.Data)) }

// Line is the frame in one line.
func Line(f Frame) string {
	var l line
	p := part{b: f.Data, beyond: f.length() - len(f.Data)}
	switch {
	case len(f.Data) == 0 && f.Length == 0:
		l.add("an skb without bytes")
	case len(f.Data) == 0 && f.Paged:
		l.add("none of its bytes are in the skb's head, and those in its pages were not read")
	case len(f.Data) == 0:
		l.add("none of its bytes were kept")
	case f.Start == Ethernet:
		l.ethernet(p, f.VLAN)
	case f.Start == Network:
		l.add("no link header")
		if f.VLAN != nil {
			l.tag(f.VLAN.Type, f.VLAN.TCI, " (in skb->vlan_tci)")
		}
		l.protocol(f.Ethertype, p)
	default:
		l.add("no header known")
		l.raw(p)
	}
	end := fmt.Sprintf(", %d bytes", f.length())
	switch {
	case p.beyond == 0 || len(f.Data) == 0:
	case f.Paged:
		end += fmt.Sprintf(" (%d kept, all that are in the skb's head)", len(f.Data))
	default:
		end += fmt.Sprintf(" (%d kept)", len(f.Data))
	}
	return cut(l.text.String(), MaxLine-len(end)) + end
}

// cut is s, or as much of it as fits into n bytes with an ellipsis.
func cut(s string, n int) string {
	const dots = "…"
	if len(s) <= n {
		return s
	}
	n -= len(dots)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + dots
}

// A line grows by clauses.
type line struct {
	text   strings.Builder
	joint  string // what goes before the next clause
	depth  int    // headers followed so far
	quoted bool   // inside what an ICMP error quotes, which ends early
}

// add puts a clause behind the others.
func (l *line) add(format string, args ...any) {
	if l.text.Len() > 0 {
		l.text.WriteString(l.joint)
	}
	l.joint = ", "
	fmt.Fprintf(&l.text, format, args...)
}

// open is add of what the next clause belongs to.
func (l *line) open(format string, args ...any) {
	l.add(format, args...)
	l.joint = ": "
}

// deeper says whether another header may be followed.
func (l *line) deeper() bool {
	if l.depth++; l.depth <= maxDepth {
		return true
	}
	if l.depth == maxDepth+1 {
		l.add("more headers inside")
	}
	return false
}

// lack says that p has not the n bytes of a header, "" if it has.
func (l *line) lack(p part, n int) string {
	switch {
	case len(p.b) >= n:
		return ""
	case l.quoted || p.beyond > 0:
		return fmt.Sprintf(" (cut: %d of its header's %d bytes are here)", len(p.b), n)
	}
	return fmt.Sprintf(" (damaged: the frame ends after %d of its header's %d bytes)", len(p.b), n)
}

// short is whether p has not the n bytes of a header, and shows that.
func (l *line) short(p part, what string, n int) bool {
	lack := l.lack(p, n)
	if lack != "" {
		l.add("%s%s", what, lack)
	}
	return lack != ""
}

// raw shows bytes that nothing decodes.
func (l *line) raw(p part) {
	if len(p.b) == 0 {
		return
	}
	more := ""
	if p.wire() > maxBytes {
		more = " …"
	}
	l.add("% x%s", p.b[:min(len(p.b), maxBytes)], more)
}

// A part of a frame, from some header on.
type part struct {
	b      []byte // what was kept of it
	beyond int    // bytes behind those that were not
}

// wire is its length on the wire.
func (p part) wire() int { return len(p.b) + p.beyond }

// from is what stands behind the first n bytes, which are there.
func (p part) from(n int) part { return part{p.b[n:], p.beyond} }

// upTo is p without what stands behind n bytes, and how many bytes p has too few for that.
func (p part) upTo(n int) (part, int) {
	switch {
	case n > p.wire():
		return p, n - p.wire()
	case n > len(p.b):
		return part{p.b, n - len(p.b)}, 0
	}
	return part{p.b[:n], 0}, 0
}

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// text is a text from the wire, quoted.
func text(b []byte) string {
	more := ""
	if len(b) > maxText {
		n := maxText
		for n > maxText-utf8.UTFMax && !utf8.RuneStart(b[n]) {
			n--
		}
		b, more = b[:n], "…"
	}
	return value.Quote(string(b)) + more
}
