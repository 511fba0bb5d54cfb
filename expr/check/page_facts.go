package check

import (
	"fmt"
	"strconv"
	"time"

	"kinspect/expr/knet"
	"kinspect/expr/ksys"
	"kinspect/expr/value"
)

// pageFacts are the lines of the page's head: which kernel, whose, when. Those that memory does not tell are left out:
// the answer does not need them.
func pageFacts(s *knet.Stack, info PageInfo) []pageFact {
	var out []pageFact
	add := func(label, text string) { out = append(out, pageFact{Label: label, Text: text}) }
	at := func(label string, t time.Time, text string) {
		t = t.UTC()
		out = append(out, pageFact{label, t.Format("2006-01-02 15:04:05 UTC") + text, t.Format(time.RFC3339)})
	}
	if name, err := hostName(s.K); err == nil && name != "" {
		add("Host", name)
	}
	add("Kernel", s.K.Release())
	img := s.K.Image
	live := img.Live()
	if live {
		add("Read from", "the running kernel")
	} else {
		add("Read from", value.Printable(img.Source()))
	}
	if c, err := ksys.Now(s.K); err == nil && c.Boot > 0 {
		up := (time.Duration(c.Uptime) / time.Second * time.Second).String()
		if live {
			add("Up for", up)
		} else {
			at("Its clock then", time.Unix(0, c.Boot).Add(time.Duration(c.Uptime)), ", up for "+up)
		}
	}
	if info := img.VMCoreInfo(); info != nil {
		if text, ok := info.Value("CRASHTIME"); ok {
			if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 && n < maxTime {
				at("Crashed", time.Unix(n, 0), "")
			}
		}
	}
	if snap := img.Snapshot(); snap != nil && !snap.Taken.IsZero() {
		at("Snapshot taken", snap.Taken, "")
	}
	at("Answered", info.Now, "")
	add("By", "kinspect "+info.Version)
	return out
}

// maxTime bounds a time in seconds: the year 9999.
const maxTime = 253402300799

// hostName is the name of the host, that of the first UTS namespace.
func hostName(k *value.Kernel) (string, error) {
	uts, err := k.Global("init_uts_ns")
	if err != nil {
		return "", err
	}
	name, err := uts.Path("name.nodename")
	if err != nil {
		return "", err
	}
	text, err := name.CString()
	return value.Printable(text), err
}

// complete looks up what the page shows beyond the text, as far as it can be read.
func (v *deviceView) complete(s *knet.Stack) {
	d := v.report.drawing
	if d == nil {
		return
	}
	v.received = map[string]*uint64{}
	if v.report.Kind != "bond" { // whose number is its slaves', also of those whose frames do not get there
		v.received[""] = received(s, d.dev)
	}
	for _, l := range v.lanes() {
		if l.input {
			continue
		}
		v.received[l.name] = received(s, l.dev)
	}
	v.origin = originOf(s, d.dev, v.report.Kind)
	if vlans, err := s.VLANs(d.dev); err == nil {
		for i, l := range vlans {
			if i == maxDrawn {
				v.vlans = append(v.vlans, fmt.Sprintf("%d more", len(vlans)-i))
				break
			}
			v.vlans = append(v.vlans, vlanLabel(l))
		}
	}
}

// received is how many frames a device received, nil where it is not known.
func received(s *knet.Stack, d knet.Device) *uint64 {
	fields, err := s.LinkStats(d)
	if err != nil {
		return nil
	}
	for _, f := range fields {
		if f.Name != "rx_packets" {
			continue
		}
		if sum := f.Sum(); sum.Known() {
			return num(sum.N)
		}
		return known(f.Kernel)
	}
	return nil
}

// originOf says where the frames of a device come from that has none below, or is empty.
func originOf(s *knet.Stack, d knet.Device, kind string) string {
	switch {
	case kind == "veth":
		peer, ok, err := s.VethPeer(d)
		if err != nil || !ok {
			return "its peer"
		}
		where := ""
		if peer.NS.Inum != d.NS.Inum {
			where = " in " + peer.NS.String()
		}
		return "its peer " + value.Printable(peer.Name) + where
	case kind == "tun":
		return "the program that writes into it"
	case groCells[kind]:
		return "the tunnel's packets"
	}
	if wire, err := s.FromWire(d); err == nil && wire {
		return "the wire"
	}
	if lo, err := d.Loopback(); err == nil && lo {
		return "this host itself"
	}
	return ""
}
