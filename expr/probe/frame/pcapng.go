package frame

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// A Pcapng writes frames into a pcapng file (draft-ietf-opsawg-pcapng): who wrote it and where, a description of each
// device before its first frame, the frames with what there is to say of each as comments, and at the end what was
// lost.
//
// Nothing in the file looks like captured bytes but is not. What a frame begins with decides on its device's link
// type, so that a device may have more than one description:
//
//   - a frame with an Ethernet header is LINKTYPE_ETHERNET. The VLAN tag that the kernel had taken off it stands in
//     it again, where it was on the wire, as in tcpdump's files: filters such as "vlan 10" need it there. A comment
//     says so;
//   - IPv4 and IPv6 from their header on are LINKTYPE_RAW: the packet and nothing else. No Ethernet header is made
//     up for them, as one with addresses of zeros would be taken for what the driver gave;
//   - what else begins at its network header needs its ethertype to be read. It is LINKTYPE_LINUX_SLL2, whose header
//     is the one of "tcpdump -i any", which everybody knows for made by the capture: ethertype, device, direction;
//   - bytes that nothing says the beginning of are LINKTYPE_USER0, which tools show as they are.
//
// A block is written in one piece, so that a run that is killed leaves whole ones.
type Pcapng struct {
	w          io.Writer
	snapLength int
	interfaces map[interfaceKey]uint32
	delivered  map[Device]uint64
	block      []byte
	err        error
}

// PcapngOptions is what a file says of its making.
type PcapngOptions struct {
	Application string // with its version
	OS          string // of the host that the frames are of, with its release
	Hardware    string
	Comment     string
	SnapLength  int // how many bytes of a frame are kept, 0 for all
}

// A Device is where frames were. Devices that differ in anything have a description each.
type Device struct {
	Name        string // "" for frames without a device
	Description string // such as its namespace
	Comment     string
	Index       int
	Type        uint16 // ARPHRD_…
}

// A Direction is which way a frame went.
type Direction uint8

// Directions as pcapng has them.
const (
	NoDirection Direction = iota
	Inbound
	Outbound
)

// A Packet is a frame with what is known of it.
type Packet struct {
	Frame
	Device    Device
	Time      time.Time
	Direction Direction
	Comments  []string // such as why it was dropped, and where
}

// Statistics are what a run saw of a device.
type Statistics struct {
	Device  Device
	Start   time.Time
	End     time.Time
	Seen    uint64 // frames of the run, with those that were not kept
	Lost    uint64 // those that should have been kept and were not
	Comment string
}

// Kinds of blocks.
const (
	blockInterface  = 1
	blockStatistics = 5
	blockPacket     = 6
	blockSection    = 0x0a0d0d0a
)

// Options: those of every block, of sections, of interfaces, of packets and of statistics.
const (
	optEnd     = 0
	optComment = 1

	optHardware    = 2
	optOS          = 3
	optApplication = 4

	optName        = 2
	optDescription = 3
	optResolution  = 9

	optFlags = 2

	optStartTime = 2
	optEndTime   = 3
	optReceived  = 4
	optDropped   = 5
	optDelivered = 8
)

// Link types.
const (
	linkEthernet = 1
	linkRaw      = 101
	linkUser     = 147
	linkSLL2     = 276
)

const (
	nanoseconds = 9  // as a resolution: 10 to the power of -9 seconds
	sll2Size    = 20 // bytes of LINKTYPE_LINUX_SLL2's header
	tagSize     = 4
	noHardware  = 0xffff // ARPHRD_VOID
	// maxPacket is the longest that Wireshark reads.
	maxPacket = 256 << 10
	// maxComment and maxComments bound what is said of a frame.
	maxComment  = 4096
	maxComments = 16
)

type interfaceKey struct {
	Device
	link uint16
}

// NewPcapng begins a file.
func NewPcapng(w io.Writer, o PcapngOptions) (*Pcapng, error) {
	p := &Pcapng{w: w, snapLength: max(o.SnapLength, 0), interfaces: map[interfaceKey]uint32{}, delivered: map[Device]uint64{}}
	if p.snapLength == 0 || p.snapLength > maxPacket-sll2Size {
		p.snapLength = maxPacket - sll2Size
	}
	p.begin(blockSection)
	p.u32(0x1a2b3c4d)
	p.u16(1) // version 1.0
	p.u16(0)
	p.u64(math.MaxUint64) // a section of unknown length
	p.text(optComment, o.Comment)
	p.text(optHardware, o.Hardware)
	p.text(optOS, o.OS)
	p.text(optApplication, o.Application)
	return p, p.end()
}

// Packet writes a frame.
func (p *Pcapng) Packet(k Packet) error {
	if p.err != nil {
		return p.err
	}
	data, more := k.Data, k.length()-len(k.Data)
	if len(data) > p.snapLength {
		more += len(data) - p.snapLength
		data = data[:p.snapLength]
	}
	link, data, comment := linkOf(&k, data)
	number, err := p.number(k.Device, link)
	if err != nil {
		return err
	}
	p.begin(blockPacket)
	p.u32(number)
	p.time(k.Time)
	p.u32(uint32(len(data)))
	p.u32(uint32(min(uint64(len(data))+uint64(more), math.MaxUint32)))
	p.bytes(data)
	comments := k.Comments[:min(len(k.Comments), maxComments)]
	for _, c := range comments {
		p.text(optComment, c)
	}
	p.text(optComment, comment)
	if k.Direction == Inbound || k.Direction == Outbound {
		p.option(optFlags, binary.LittleEndian.AppendUint32(nil, uint32(k.Direction)))
	}
	if err := p.end(); err != nil {
		return err
	}
	p.delivered[k.Device]++
	return nil
}

// linkOf is the link type of a frame, its bytes as that type has them, and what is to be said of that.
func linkOf(k *Packet, data []byte) (link uint16, bytes []byte, comment string) {
	ip := byte(0)
	if len(data) > 0 {
		ip = data[0] >> 4
	}
	switch {
	case k.Start == Ethernet && k.VLAN != nil && len(data) >= 12:
		tagged := make([]byte, 0, len(data)+tagSize)
		tagged = append(tagged, data[:12]...)
		tagged = binary.BigEndian.AppendUint16(tagged, uint16(k.VLAN.Type))
		tagged = binary.BigEndian.AppendUint16(tagged, k.VLAN.TCI)
		return linkEthernet, append(tagged, data[12:]...), fmt.Sprintf("the tag of VLAN %d was in skb->vlan_tci and is put back here", k.VLAN.TCI&0xfff)
	case k.VLAN != nil:
		comment = fmt.Sprintf("tagged with VLAN %d (0x%04x, tci 0x%04x in skb->vlan_tci), which is not in these bytes", k.VLAN.TCI&0xfff, uint16(k.VLAN.Type), k.VLAN.TCI)
	}
	switch {
	case k.Start == Ethernet:
		return linkEthernet, data, comment
	case k.Start != Network:
		return linkUser, data, strings.TrimPrefix(comment+"; nothing says what these bytes begin with", "; ")
	case k.Ethertype == knet.EthIPv4 && ip == 4, k.Ethertype == knet.EthIPv6 && ip == 6:
		return linkRaw, data, comment
	}
	header := make([]byte, 0, sll2Size+len(data))
	header = binary.BigEndian.AppendUint16(header, uint16(k.Ethertype))
	header = binary.BigEndian.AppendUint16(header, 0)
	header = binary.BigEndian.AppendUint32(header, uint32(max(k.Device.Index, 0)))
	hardware := k.Device.Type
	if hardware == 0 {
		hardware = noHardware
	}
	header = binary.BigEndian.AppendUint16(header, hardware)
	kind := byte(0) // PACKET_HOST
	if k.Direction == Outbound {
		kind = 4 // PACKET_OUTGOING
	}
	header = append(header, kind, 0)            // an address of no bytes
	header = append(header, make([]byte, 8)...) // and the room for one
	return linkSLL2, append(header, data...), comment
}

// number is the number of a device's description for frames of a link type, which is written before the first.
func (p *Pcapng) number(d Device, link uint16) (uint32, error) {
	k := interfaceKey{d, link}
	if n, ok := p.interfaces[k]; ok {
		return n, nil
	}
	snapLength, what := p.snapLength, ""
	switch link {
	case linkEthernet:
		snapLength += tagSize
	case linkRaw:
		what = "frames that begin at their network header"
	case linkSLL2:
		snapLength += sll2Size
		what = "frames that begin at their network header, with a header of the capture's own before it"
	case linkUser:
		what = "frames of which nothing says what they begin with"
	}
	if d.Description != "" && what != "" {
		what = d.Description + ": " + what
	} else {
		what += d.Description
	}
	p.begin(blockInterface)
	p.u16(link)
	p.u16(0)
	p.u32(uint32(snapLength))
	p.text(optName, d.Name)
	p.text(optDescription, what)
	p.text(optComment, d.Comment)
	p.option(optResolution, []byte{nanoseconds})
	if err := p.end(); err != nil {
		return 0, err
	}
	n := uint32(len(p.interfaces))
	p.interfaces[k] = n
	return n, nil
}

// Finish writes what a run saw of its devices. One that no frame was kept of is described here, so that what was
// lost is told of each.
func (p *Pcapng) Finish(all []Statistics) error {
	for _, s := range all {
		n, err := p.statisticsOf(s.Device)
		if err != nil {
			return err
		}
		p.begin(blockStatistics)
		p.u32(n)
		p.time(s.End)
		p.text(optComment, s.Comment)
		p.option(optStartTime, halves(s.Start))
		p.option(optEndTime, halves(s.End))
		p.option(optReceived, binary.LittleEndian.AppendUint64(nil, s.Seen))
		p.option(optDropped, binary.LittleEndian.AppendUint64(nil, s.Lost))
		p.option(optDelivered, binary.LittleEndian.AppendUint64(nil, p.delivered[s.Device]))
		if err := p.end(); err != nil {
			return err
		}
	}
	return p.err
}

// statisticsOf is the number of a device's first description.
func (p *Pcapng) statisticsOf(d Device) (uint32, error) {
	first := uint32(math.MaxUint32)
	for k, n := range p.interfaces {
		if k.Device == d {
			first = min(first, n)
		}
	}
	if first != math.MaxUint32 {
		return first, nil
	}
	return p.number(d, linkEthernet)
}

// begin starts a block.
func (p *Pcapng) begin(kind uint32) {
	p.block = p.block[:0]
	p.u32(kind)
	p.u32(0) // the length, in end
}

// end writes the block.
func (p *Pcapng) end() error {
	if p.err != nil {
		return p.err
	}
	p.u32(optEnd)
	p.u32(uint32(len(p.block) + 4))
	binary.LittleEndian.PutUint32(p.block[4:], uint32(len(p.block)))
	n, err := p.w.Write(p.block)
	if err == nil && n < len(p.block) {
		err = io.ErrShortWrite
	}
	if err != nil {
		p.err = fmt.Errorf("writing the packet file: %w", err)
	}
	return p.err
}

func (p *Pcapng) u16(v uint16) { p.block = binary.LittleEndian.AppendUint16(p.block, v) }
func (p *Pcapng) u32(v uint32) { p.block = binary.LittleEndian.AppendUint32(p.block, v) }
func (p *Pcapng) u64(v uint64) { p.block = binary.LittleEndian.AppendUint64(p.block, v) }

// bytes adds b, filled up to 32 bits.
func (p *Pcapng) bytes(b []byte) {
	p.block = append(p.block, b...)
	for len(p.block)%4 != 0 {
		p.block = append(p.block, 0)
	}
}

func (p *Pcapng) option(code uint16, v []byte) {
	p.u16(code)
	p.u16(uint16(len(v)))
	p.bytes(v)
}

// text adds an option of text, which has names of the kernel's in it, if there is one.
func (p *Pcapng) text(code uint16, s string) {
	if s == "" {
		return
	}
	// What it becomes may be longer, so it is cut before and after.
	p.option(code, []byte(cut(value.Scrub(cut(s, maxComment)), maxComment)))
}

// stamp is a time in nanoseconds, 0 for none.
func stamp(t time.Time) uint64 {
	if t.IsZero() || t.Unix() < 0 {
		return 0
	}
	return uint64(t.UnixNano())
}

func (p *Pcapng) time(t time.Time) { p.block = append(p.block, halves(t)...) }

// halves is a time as pcapng has it: the upper 32 bits first.
func halves(t time.Time) []byte {
	v := stamp(t)
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(v>>32)), uint32(v))
}
