package knet

import (
	"fmt"

	"kinspect/expr/value"
)

// SAP is an open service access point of LLC, behind the handler of 0x0004.
type SAP struct {
	Number byte
	Func   string // the function that takes its frames, "" where sockets alone do
	Module string
}

// sapNames are the SAPs that are worth a name, IEEE 802.2.
var sapNames = map[byte]string{0x42: "STP", 0xaa: "SNAP", 0xe0: "IPX", 0xf0: "NetBIOS", 0xfe: "OSI (IS-IS)"}

// Label prints the SAP with the protocol's name, "0x42 (STP): stp_pdu_rcv [stp]".
func (p SAP) Label() string {
	s := fmt.Sprintf("0x%02x", p.Number)
	if n := sapNames[p.Number]; n != "" {
		s += " (" + n + ")"
	}
	if p.Func != "" {
		s += ": " + value.Printable(p.Func)
		if p.Module != "" {
			s += " [" + value.Printable(p.Module) + "]"
		}
	}
	return s
}

// maxSAPs: a SAP is one byte.
const maxSAPs = 256

// SAPs lists the open SAPs of LLC (net/llc/llc_core.c: llc_sap_list). loaded is
// false where LLC is not in this kernel.
func (s *Stack) SAPs() (saps []SAP, loaded bool, err error) {
	if _, ok := s.K.LookupSymbol("llc_sap_list"); !ok {
		return nil, false, nil
	}
	head, err := s.K.Global("llc_sap_list")
	if err != nil {
		return nil, true, fmt.Errorf("which LLC SAPs are open cannot be told: %w", err)
	}
	st, err := s.K.Struct("llc_sap", "llc")
	if err != nil {
		return nil, true, fmt.Errorf("which LLC SAPs are open cannot be told: %w", err)
	}
	err = value.EachEntry(head, st, "node", maxSAPs, func(v value.Value) error {
		n, err := v.UintPath("laddr.lsap")
		if err != nil {
			return err
		}
		f, err := v.PointerPath("rcv_func")
		if err != nil {
			return err
		}
		p := SAP{Number: byte(n)}
		if f != 0 {
			p.Func = f.String()
			if sym, off, ok := s.K.SymbolAt(f); ok && off == 0 {
				p.Func, p.Module = sym.Name, sym.Module
			}
		}
		saps = append(saps, p)
		return nil
	})
	return saps, true, err
}
