package probe

import (
	"bytes"
	"encoding/binary"
	"sort"
	"time"

	"kinspect/expr/knet"
	"kinspect/kmem"
)

// DropsOptions are what is asked of [StartDrops].
type DropsOptions struct {
	Device *knet.Device // nil is every device of every namespace
	Frames int          // samples of each row, up to MaxFrames
}

// MaxFrames bounds the samples of a row.
const MaxFrames = 10000

// A DropKey is what drops are counted by.
type DropKey struct {
	Location  kmem.Addr // where the skb was freed: what the call returns to, or the function itself
	Reason    uint32    // enum skb_drop_reason, 0 where the kernel has none
	Ifindex   int       // 0 without a device
	NetNS     uint32    // inode number
	Ethertype knet.Ethertype
}

// A Drop is a row of the table.
type Drop struct {
	DropKey
	Device string // its name when the first of these was dropped
	Count  uint64
	Least  uint64 // of these between two moments, see Span
}

// Missed is what could not be counted or kept, or not told of what was.
type Missed struct {
	Rows    uint64 // drops that fit no row: the table was full
	Nested  uint64 // drops while the program ran on the same CPU already
	Samples uint64 // frames that the ring had no room for
	Devices uint64 // drops, counted in rows without a device, whose skb->dev was something else by then
}

// A Sample is a dropped frame.
type Sample struct {
	Key      DropKey
	At       time.Duration // CLOCK_MONOTONIC
	Len      int           // of the frame, from skb->data on
	DevType  uint16        // ARPHRD_…
	Data     []byte        // its beginning
	Paged    int           // skb->data_len: how many of its bytes are not in the skb's head, but in pages or in other skbs
	NoPages  bool          // Data ends where the skb's head does: what is behind it was not read
	From     int           // how far that is from skb->head
	Head     int           // the same of skb->data
	In       int           // skb->skb_iif: the device that the stack took it from, 0 for none
	Type     uint8         // skb->pkt_type: PACKET_…
	Owned    bool          // a socket has it
	Routed   bool          // a route was found for it, or a tunnel left its own there
	MAC      int           // of the link-layer header, -1 where none is set
	Network  int           // and of the network header
	VLAN     uint16        // the tag that the kernel took off the frame
	VLANType knet.Ethertype
	Tagged   bool // there is one
}

// sortDrops puts the most frequent rows first.
func sortDrops(list []Drop) {
	sort.Slice(list, func(i, j int) bool {
		a, b := &list[i], &list[j]
		switch {
		case a.Count != b.Count:
			return a.Count > b.Count
		case a.Location != b.Location:
			return a.Location < b.Location
		case a.Reason != b.Reason:
			return a.Reason < b.Reason
		case a.NetNS != b.NetNS:
			return a.NetNS < b.NetNS
		case a.Ifindex != b.Ifindex:
			return a.Ifindex < b.Ifindex
		}
		return a.Ethertype < b.Ethertype
	})
}

// SinceDrops is what a table has more than another one.
func SinceDrops(now, then []Drop) []Drop {
	return Span{Before: then, Since: then, Until: now, Now: now}.Rows()
}

// A Span is what was dropped between two moments at which something else was looked at, which takes time: the table
// was read before and behind each.
type Span struct {
	Before, Since []Drop // around the first moment
	Until, Now    []Drop // around the second one
}

// Rows are what was dropped in all, with at least how many of these between the moments.
func (s Span) Rows() []Drop {
	counts := func(list []Drop) map[DropKey]uint64 {
		m := make(map[DropKey]uint64, len(list))
		for _, d := range list {
			m[d.DropKey] = d.Count
		}
		return m
	}
	before, since, until := counts(s.Before), counts(s.Since), counts(s.Until)
	var out []Drop
	for _, d := range s.Now {
		key := d.DropKey
		d.Least = until[key] - min(since[key], until[key])
		if d.Count -= min(d.Count, before[key]); d.Count > 0 {
			out = append(out, d)
		}
	}
	sortDrops(out)
	return out
}

func parseKey(raw []byte) DropKey {
	ne := binary.NativeEndian
	return DropKey{
		Location: kmem.Addr(ne.Uint64(raw[keyLocation:])), Reason: ne.Uint32(raw[keyReason:]),
		Ifindex: int(int32(ne.Uint32(raw[keyIfindex:]))), NetNS: ne.Uint32(raw[keyNetNS:]),
		Ethertype: knet.Ethertype(binary.BigEndian.Uint16(raw[keyEthertype:])),
	}
}

func cString(raw []byte) string {
	if i := bytes.IndexByte(raw, 0); i >= 0 {
		raw = raw[:i]
	}
	return string(raw)
}

// parseSample is a record of the ring; ok is false where it is none.
func parseSample(raw []byte) (s Sample, ok bool) {
	if len(raw) < sampleSize {
		return s, false
	}
	ne := binary.NativeEndian
	got := min(ne.Uint32(raw[sampleGot:]), SnapLen)
	s = Sample{
		Key: parseKey(raw[sampleKey:]), At: time.Duration(ne.Uint64(raw[sampleTime:])), Len: int(ne.Uint32(raw[sampleLen:])),
		DevType: ne.Uint16(raw[sampleDevType:]), Data: append([]byte(nil), raw[sampleData:sampleData+got]...),
		From: int(ne.Uint32(raw[sampleFrom:])), Head: int(ne.Uint32(raw[sampleHead:])),
		MAC: int(ne.Uint16(raw[sampleMAC:])), Network: int(ne.Uint16(raw[sampleNetwork:])),
		VLAN: ne.Uint16(raw[sampleVLAN:]), VLANType: knet.Ethertype(binary.BigEndian.Uint16(raw[sampleVProto:])),
	}
	s.Paged = int(ne.Uint32(raw[samplePaged:]))
	paged := raw[samplePage : samplePage+min(ne.Uint32(raw[sampleGotPage:]), pageLen)]
	s.NoPages = s.Paged > 0 && len(paged) == 0 && int(ne.Uint32(raw[sampleTail:]))-s.From == len(s.Data)
	s.Data = append(s.Data, paged[:min(len(paged), SnapLen-len(s.Data))]...)
	s.Tagged = raw[sampleTagged] != 0
	s.In, s.Type = int(int32(ne.Uint32(raw[sampleIn:]))), raw[sampleType]
	s.Owned, s.Routed = raw[sampleOwned] != 0, raw[sampleRouted] != 0
	if s.MAC == 0xffff {
		s.MAC = -1
	}
	return s, true
}
