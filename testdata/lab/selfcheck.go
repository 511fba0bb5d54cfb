package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A link is one device of `ip -j -s -s link`.
type link struct {
	Name string `json:"ifname"`
	Info struct {
		Kind string `json:"info_kind"` // veth, bond, ...
	} `json:"linkinfo"`
	Stats struct {
		RX struct {
			Packets   uint64  `json:"packets"`
			Dropped   uint64  `json:"dropped"`
			Missed    uint64  `json:"missed_errors"`
			Nohandler uint64  `json:"nohandler"`
			Otherhost *uint64 `json:"otherhost"`
		} `json:"rx"`
		TX struct {
			Dropped uint64 `json:"dropped"`
		} `json:"tx"`
	} `json:"stats64"`
}

// readLinks reads the links of one namespace from the facts; "" is the first.
func readLinks(facts, netns string) (map[string]link, error) {
	if netns == "" {
		netns = "init"
	}
	content, err := os.ReadFile(filepath.Join(facts, "net", netns, "link-stats.json"))
	if err != nil {
		return nil, err
	}
	var list []link
	if err := json.Unmarshal(content, &list); err != nil {
		return nil, err
	}
	links := map[string]link{}
	for _, l := range list {
		links[l.Name] = l
	}
	return links, nil
}

// check compares what the scenarios must have done with the kernel's own
// words. It is the lab's test of itself: without it a scenario that did not
// happen would make kinspect's zeroes look right.
func (t *truth) check(facts string) error {
	var errs []error
	for _, s := range t.Scenarios {
		for _, e := range s.Expect {
			links, err := readLinks(facts, e.NetNS)
			if err != nil {
				return err
			}
			l, ok := links[e.Device]
			if !ok {
				errs = append(errs, fmt.Errorf("%s: no device %s", s.Name, e.Device))
				continue
			}
			rx := l.Stats.RX
			for _, c := range []struct {
				what string
				want *uint64
				have uint64
			}{
				{"rx_dropped", e.ShownDropped, rx.Dropped},
				{"rx_nohandler", e.RxNohandler, rx.Nohandler},
			} {
				if c.want != nil && *c.want != c.have {
					errs = append(errs, fmt.Errorf("%s: the kernel's %s of %s is %d, injected were %d", s.Name, c.what, e.Device, c.have, *c.want))
				}
			}
			if e.Otherhost != nil && rx.Otherhost != nil && *e.Otherhost != *rx.Otherhost {
				errs = append(errs, fmt.Errorf("%s: the kernel's otherhost of %s is %d, injected were %d", s.Name, e.Device, *rx.Otherhost, *e.Otherhost))
			}
			if causes := e.causesOf("tx_dropped"); len(causes) > 0 {
				sum, exact := uint64(0), true
				for _, c := range causes {
					sum, exact = sum+c.Frames, exact && !c.AtLeast
				}
				if have := l.Stats.TX.Dropped; have < sum || exact && have != sum {
					errs = append(errs, fmt.Errorf("%s: the kernel's tx_dropped of %s is %d, injected were %d", s.Name, e.Device, have, sum))
				}
			}
			if e.AtLeast != nil && rx.Dropped < *e.AtLeast {
				errs = append(errs, fmt.Errorf("%s: the kernel's rx_dropped of %s is %d, fewer than %d", s.Name, e.Device, rx.Dropped, *e.AtLeast))
			}
		}
	}
	return errors.Join(errs...)
}
