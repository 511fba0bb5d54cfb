package knet_test

import (
	"errors"
	"strings"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

func TestEthertype(t *testing.T) {
	for in, want := range map[string]knet.Ethertype{
		"0x0004": 4, "4": 4, "802.2": 4, "stp": 4, "STP": 4, "LLDP": 0x88cc, "lacp": 0x8809,
		"arp": 0x806, "IPv6": 0x86dd, "ip": 0x800, "VLAN": 0x8100, "0xffff": 0xffff, "0": 0,
	} {
		if got, err := knet.ParseEthertype(in); err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "0x10000", "-1", "88cc", "8809", "0800", "0600", "01", "00", "0888888", "foo", "\x1b[2J"} {
		if got, err := knet.ParseEthertype(in); err == nil {
			t.Errorf("%q is taken for %v", in, got)
		} else if strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("%q reaches the terminal raw: %q", in, err)
		}
	}
}

// fakeFacts are a host's facts that a test makes up.
type fakeFacts struct {
	host.None
	self  uint64
	named map[string]uint64
	stats host.LinkStats
}

func (f fakeFacts) SelfNetNS() (uint64, error)             { return f.self, nil }
func (f fakeFacts) NamedNetNS() (map[string]uint64, error) { return f.named, nil }
func (f fakeFacts) LinkStats(uint64, int) (host.LinkStats, error) {
	return f.stats, nil
}

func TestNamespaces(t *testing.T) {
	for _, series := range kernels.Series {
		t.Run(series, func(t *testing.T) {
			img := kernels.Open(t, series)
			k := value.New(img, img)
			all, err := knet.New(k, host.None{}).Namespaces()
			if err != nil || len(all) != 2 || !all[0].Init {
				t.Fatalf("namespaces: %v, %v", all, err)
			}
			blue := all[1]
			s := knet.New(k, fakeFacts{self: blue.Inum, named: map[string]uint64{"blue": blue.Inum}})
			if def, err := s.DefaultNS(); err != nil || def.String() != "blue" {
				t.Errorf("the caller's own: %v, %v", def, err)
			}
			for _, spec := range []string{"blue", "", value.Printable(all[1].String())} {
				if got, err := s.ResolveNS(spec); err != nil || len(got) != 1 || got[0].Inum != blue.Inum {
					t.Errorf("%q: %v, %v", spec, got, err)
				}
			}
			if got, err := s.ResolveNS("all"); err != nil || len(got) != 2 {
				t.Errorf("all: %v, %v", got, err)
			}
			if got, err := s.ResolveNS("init_net"); err != nil || len(got) != 1 || !got[0].Init {
				t.Errorf("init_net: %v, %v", got, err)
			}
			if _, err := s.ResolveNS("red"); err == nil || !strings.Contains(err.Error(), "blue") {
				t.Errorf("a namespace that is not there: %v", err)
			}

			// A device that is in another namespace alone, and one in both.
			_, err = s.Device("eth0", all[0])
			var none *knet.NoDeviceError
			if !errors.As(err, &none) || len(none.Elsewhere) != 1 || none.Elsewhere[0].Inum != blue.Inum {
				t.Errorf("eth0 in init_net: %v", err)
			}
			for _, ns := range all {
				if d, err := s.Device("twin", ns); err != nil || d.NS.Inum != ns.Inum {
					t.Errorf("twin in %v: %+v, %v", ns, d, err)
				}
			}
		})
	}
}

// TestKernelTotal: the kernel's own total fills in what memory cannot tell.
func TestKernelTotal(t *testing.T) {
	img := kernels.Open(t, "6.12")
	s := knet.New(value.New(img, img), fakeFacts{stats: host.LinkStats{"rx_dropped": 60}})
	ns, err := s.InitNS()
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Device("bond0", ns)
	if err != nil {
		t.Fatal(err)
	}
	total, err := s.Total(d, "rx_dropped")
	if err != nil {
		t.Fatal(err)
	}
	if total.Sum().N != 53 || total.Kernel.N != 60 {
		t.Errorf("memory says %d and the kernel %d: a difference must stay one", total.Sum().N, total.Kernel.N)
	}
	total.Slaves.Err = errors.New("not known")
	if total.AtLeast() != 53 || total.Sum().Known() {
		t.Errorf("at least %d", total.AtLeast())
	}
}
