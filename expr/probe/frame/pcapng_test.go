package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"kinspect/expr/knet"
)

var at = time.Date(2026, 11, 22, 14, 0, 0, 123456789, time.UTC)

var (
	bond0 = Device{Name: "bond0", Index: 7, Type: 1}
	inNS  = Device{Name: "bond0", Description: "bond0 of namespace blue", Index: 7, Type: 1}
	tun0  = Device{Name: "tun0", Comment: "no link header", Index: 9, Type: 65534}
)

// file is a file of packets.
func file(t *testing.T, o PcapngOptions, packets []Packet, all []Statistics) []byte {
	t.Helper()
	var b bytes.Buffer
	p, err := NewPcapng(&b, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range packets {
		if err := p.Packet(k); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Finish(all); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func reader(t *testing.T, b []byte) *pcapgo.NgReader {
	t.Helper()
	r, err := pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPcapng(t *testing.T) {
	stp, ping := ieee(stpGroup, configBPDU), ip4(1, 0, "10.0.0.1", "10.0.0.2", x("0800 f7ff 0000 0000"))
	b := file(t, PcapngOptions{Application: "kinspect 1.2", OS: "Linux 6.12.0", Hardware: "x86_64", Comment: "kinspect drops bond0", SnapLength: 96}, []Packet{
		{Frame: Frame{Data: stp, Start: Ethernet}, Device: bond0, Time: at, Direction: Inbound, Comments: []string{"UNHANDLED_PROTO", "__netif_receive_skb_core+0x12"}},
		{Frame: Frame{Data: ping, Length: 1500, Start: Network, Ethertype: knet.EthIPv4}, Device: tun0, Time: at.Add(1), Direction: Outbound},
		{Frame: Frame{Data: stp, Length: 2000, Start: Ethernet, VLAN: &VLAN{knet.EthVLAN, 10}}, Device: bond0},
		{Frame: Frame{Data: configBPDU, Start: Network, Ethertype: knet.Eth8022}, Device: bond0, Time: at, Direction: Outbound},
		{Frame: Frame{Data: make([]byte, 200)}, Device: inNS, Time: at},
	}, []Statistics{
		{Device: bond0, Start: at, End: at.Add(time.Second), Seen: 40, Lost: 3},
		{Device: Device{Name: "eth9"}, End: at, Seen: 5, Lost: 5},
	})
	r := reader(t, b)
	type packet struct {
		Data      []byte
		Length    int
		Interface string
		Link      layers.LinkType
		Time      time.Time
		Comments  []string
		Direction pcapgo.NgEpbFlag
	}
	sll2 := func(kind uint16, index uint32, hardware uint16, direction byte) []byte {
		h := binary.BigEndian.AppendUint16(nil, kind)
		h = binary.BigEndian.AppendUint32(append(h, 0, 0), index)
		h = binary.BigEndian.AppendUint16(h, hardware)
		return append(append(h, direction, 0), make([]byte, 8)...)
	}
	want := []packet{
		{stp, 60, "bond0", 1, at, []string{"UNHANDLED_PROTO", "__netif_receive_skb_core+0x12"}, pcapgo.NgEpbFlagDirectionInbound},
		{ping, 1500, "tun0", 101, at.Add(1), nil, pcapgo.NgEpbFlagDirectionOutbound},
		{join(stp[:12], x("8100 000a"), stp[12:]), 2004, "bond0", 1, time.Unix(0, 0).UTC(), []string{"the tag of VLAN 10 was in skb->vlan_tci and is put back here"}, 0},
		{join(sll2(4, 7, 1, 4), configBPDU), 58, "bond0", 276, at, nil, pcapgo.NgEpbFlagDirectionOutbound},
		{make([]byte, 96), 200, "bond0", 147, at, []string{"nothing says what these bytes begin with"}, 0},
	}
	var got []packet
	for {
		data, info, opts, err := r.ReadPacketDataWithOptions()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		i, err := r.Interface(info.InterfaceIndex)
		if err != nil {
			t.Fatal(err)
		}
		p := packet{data, info.Length, i.Name, i.LinkType, info.Timestamp.UTC(), opts.Comments, 0}
		if opts.Flags != nil {
			p.Direction = opts.Flags.Direction
		}
		if info.CaptureLength != len(data) {
			t.Errorf("%d of %d bytes", len(data), info.CaptureLength)
		}
		got = append(got, p)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if s := r.SectionInfo(); s.Application != "kinspect 1.2" || s.OS != "Linux 6.12.0" || s.Hardware != "x86_64" || s.Comment != "kinspect drops bond0" {
		t.Errorf("%+v", s)
	}
	type description struct {
		name, description, comment string
		link                       layers.LinkType
		snapLength                 uint32
	}
	wantDescriptions := []description{
		{"bond0", "", "", 1, 100},
		{"tun0", "frames that begin at their network header", "no link header", 101, 96},
		{"bond0", "frames that begin at their network header, with a header of the capture's own before it", "", 276, 116},
		{"bond0", "bond0 of namespace blue: frames of which nothing says what they begin with", "", 147, 96},
		{"eth9", "", "", 1, 100},
	}
	var descriptions []description
	for n := range r.NInterfaces() {
		i, _ := r.Interface(n)
		descriptions = append(descriptions, description{i.Name, i.Description, i.Comment, i.LinkType, i.SnapLength})
		if i.TimestampResolution != 9 {
			t.Errorf("%s: resolution %d", i.Name, i.TimestampResolution)
		}
	}
	if !reflect.DeepEqual(descriptions, wantDescriptions) {
		t.Errorf("got  %+v\nwant %+v", descriptions, wantDescriptions)
	}
	i, _ := r.Interface(0)
	if s := i.Statistics; s.PacketsReceived != 40 || s.PacketsDropped != 3 || !s.StartTime.Equal(at) || !s.EndTime.Equal(at.Add(time.Second)) || !s.LastUpdate.Equal(at.Add(time.Second)) {
		t.Errorf("%+v", s)
	}
	if i, _ := r.Interface(4); i.Statistics.PacketsDropped != 5 || !i.Statistics.StartTime.Equal(time.Unix(0, 0)) {
		t.Errorf("%+v", i.Statistics)
	}
	// The reader does not tell how many frames of a device were written: bond0 has three, in one option of 8 bytes.
	if !bytes.Contains(b, []byte{optDelivered, 0, 8, 0, 3, 0, 0, 0, 0, 0, 0, 0}) {
		t.Error("bond0's frames are not counted")
	}
}

// Comments with names from a kernel's memory do nothing to a terminal, and fit.
func TestPcapngComments(t *testing.T) {
	b := file(t, PcapngOptions{}, []Packet{{
		Frame: Frame{Start: Ethernet}, Device: Device{Name: "\x1b[2J\xff"},
		Comments: append([]string{"\x1b]0;x\a", "", strings.Repeat("é\x00", 100000)}, make([]string, 50)...),
	}}, nil)
	_, _, opts, err := reader(t, b).ReadPacketDataWithOptions()
	if err != nil || len(opts.Comments) != 2 || opts.Comments[0] != `\x1b]0;x\x07` {
		t.Errorf("%q, %v", opts.Comments, err)
	}
	if c := opts.Comments[1]; len(c) > maxComment || !strings.HasSuffix(c, "…") {
		t.Errorf("%d bytes", len(c))
	}
	if !bytes.Contains(b, []byte(`\x1b[2J\xff`)) || bytes.Contains(b, []byte("\x1b[")) {
		t.Error("the device's name is as it was")
	}
}

// A file that cannot be written says so, at once and for good, and consists of whole blocks.
func TestPcapngFull(t *testing.T) {
	full := errors.New("no space left")
	w := &limited{n: 3, err: full}
	p, err := NewPcapng(w, PcapngOptions{Application: "kinspect"})
	if err != nil {
		t.Fatal(err)
	}
	k := Packet{Frame: wire(ieee(stpGroup, configBPDU)), Device: bond0, Time: at}
	if err := p.Packet(k); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Packet(k); !errors.Is(err, full) {
			t.Errorf("%v", err)
		}
	}
	if err := p.Finish([]Statistics{{Device: bond0}}); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	r := reader(t, w.Bytes())
	if _, _, err := r.ReadPacketData(); err != nil {
		t.Error(err)
	}
	if _, _, err := r.ReadPacketData(); err != io.EOF {
		t.Error(err)
	}
}

// limited takes n writes.
type limited struct {
	bytes.Buffer
	n   int
	err error
}

func (w *limited) Write(b []byte) (int, error) {
	if w.n--; w.n < 0 {
		return 0, w.err
	}
	return w.Buffer.Write(b)
}

// tshark runs a tool of Wireshark's on a file of all samples.
func tshark(t *testing.T, tool string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		t.Skip(tool + " is not installed")
	}
	var packets []Packet
	for _, s := range samples {
		packets = append(packets, Packet{Frame: s.frame, Device: bond0, Time: at, Direction: Inbound, Comments: []string{s.name, "seen"}})
	}
	b := file(t, PcapngOptions{Application: "kinspect", OS: "Linux"}, packets, []Statistics{{Device: bond0, Start: at, End: at.Add(time.Second), Seen: 100, Lost: 17}})
	name := filepath.Join(t.TempDir(), "samples.pcapng")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, append(args, name)...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", tool, err, problems.String())
	}
	return string(out)
}

// What the lines say is what tshark says of the same frames, read from a file of ours.
func TestTshark(t *testing.T) {
	fields := []string{"frame.comment", "frame.len", "frame.packet_flags_direction", "frame.time_epoch", "_ws.malformed", "ip.checksum.status"}
	column := map[string]int{}
	for i, f := range fields {
		column[f] = i
	}
	for _, s := range samples {
		for i := 0; i < len(s.tshark); i += 2 {
			if _, ok := column[s.tshark[i]]; !ok {
				column[s.tshark[i]] = len(fields)
				fields = append(fields, s.tshark[i])
			}
		}
	}
	args := []string{"-n", "-T", "fields", "-E", "separator=|", "-E", "occurrence=f", "-o", "ip.check_checksum:TRUE"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	rows := strings.Split(strings.TrimSuffix(tshark(t, "tshark", append(args, "-r")...), "\n"), "\n")
	if len(rows) != len(samples) {
		t.Fatalf("%d frames of %d: %q", len(rows), len(samples), rows)
	}
	compared := 0
	for i, s := range samples {
		got := strings.Split(rows[i], "|")
		if got[0] != s.name {
			t.Errorf("comment %s, want %s", got[0], s.name)
		}
		if _, _, comment := linkOf(&Packet{Frame: s.frame}, s.frame.Data); comment == "" && s.frame.Start == Ethernet && got[1] != strconv.Itoa(s.frame.length()) {
			t.Errorf("%s: %s bytes, want %d", s.name, got[1], s.frame.length())
		}
		if got[4] != "" && !strings.Contains(s.line, "damaged") && !strings.Contains(s.line, "kept") {
			t.Errorf("%s: tshark calls it malformed", s.name)
		}
		if bad := got[5] == "0" || got[5] == "Bad"; bad != strings.Contains(s.line, "wrong header checksum") {
			t.Errorf("%s: tshark's view of the checksum is %s", s.name, got[5])
		}
		for j := 0; j < len(s.tshark); j += 2 {
			v := got[column[s.tshark[j]]]
			if v == "" {
				t.Errorf("%s: tshark has no %s", s.name, s.tshark[j])
				continue
			}
			if want := strings.ReplaceAll(s.tshark[j+1], "%", v); !strings.Contains(s.line, want) {
				t.Errorf("%s: by tshark's %s the line should have %q\n%s", s.name, s.tshark[j], want, s.line)
			}
			compared++
		}
	}
	t.Logf("%d fields compared", compared)
}

func TestCapinfos(t *testing.T) {
	out := tshark(t, "capinfos", "-M")
	for _, want := range []string{
		"pcapng", "Capture application: kinspect", "Capture oper-sys:    Linux", "Name = bond0",
		"Time precision = nanoseconds", "Number of stat entries = 1",
		"Number of packets:   " + strconv.Itoa(len(samples)),
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// Whatever is written can be read again.
func FuzzPcapng(f *testing.F) {
	for _, s := range samples {
		f.Add(s.frame.Data, s.frame.Length, byte(s.frame.Start), uint16(s.frame.Ethertype), s.frame.VLAN != nil, uint16(5), 64, "bond0", s.name, int64(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, length int, start byte, kind uint16, tagged bool, tci uint16, snap int, name, comment string, ns int64) {
		k := Packet{
			Frame:  Frame{Data: data, Length: length, Start: Start(start % 4), Ethertype: knet.Ethertype(kind)},
			Device: Device{Name: name, Description: comment, Comment: comment, Index: int(kind), Type: kind},
			Time:   time.Unix(0, ns), Direction: Direction(start >> 4), Comments: []string{comment, name},
		}
		if tagged {
			k.VLAN = &VLAN{knet.EthVLAN, tci}
		}
		b := file(t, PcapngOptions{Application: name, Comment: comment, SnapLength: snap}, []Packet{k, k}, []Statistics{{Device: k.Device, End: k.Time, Seen: 2, Comment: comment}})
		r := reader(t, b)
		for range 2 {
			got, info, err := r.ReadPacketData()
			if err != nil {
				t.Fatal(err)
			}
			if data := data[:min(len(data), maxPacket-sll2Size)]; (snap <= 0 || snap >= len(data)) && !tagged && !bytes.HasSuffix(got, data) {
				t.Fatalf("%x of %x", got, data)
			}
			if want := max(ns, 0); info.Timestamp.UnixNano() != want {
				t.Fatalf("%d, want %d", info.Timestamp.UnixNano(), want)
			}
			if info.Length < len(got) {
				t.Fatalf("%d bytes of %d", len(got), info.Length)
			}
		}
		if _, _, err := r.ReadPacketData(); err != io.EOF {
			t.Fatal(err)
		}
		if i, err := r.Interface(0); err != nil || i.Statistics.PacketsReceived != 2 {
			t.Fatalf("%+v, %v", i, err)
		}
	})
}
