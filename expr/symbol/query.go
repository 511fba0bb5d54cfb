// Package symbol answers which kernel symbol an address belongs to, and where a
// symbol is: from a file of symbols alone, or from an opened kernel.
//
// An address that equals a symbol's start belongs to that symbol, and never to
// the end of the one before it; one beyond the end of a section, or of the
// kernel, belongs to none of the symbols below it.
package symbol

import (
	"fmt"
	"strconv"
	"strings"

	"kinspect/kmem"
)

// Query is what is asked for: an address, or a name with a distance from it.
type Query struct {
	Text   string
	Addr   kmem.Addr // where Name is ""
	Name   string
	Offset uint64
	HasOff bool   // "+0" was given, too
	Module string // only symbols of this module; "" is all
}

// ParseQuery reads ADDR, NAME or NAME+OFF as kernels, dropwatch and perf print
// them: "0xffffffff81459d10", "ffffffff81459d10", "ip_rcv+0xcf/0x3f0",
// "bond_start_xmit+26 [bonding]". Offsets are hexadecimal, with or without 0x.
func ParseQuery(text string) (Query, error) {
	q := Query{Text: text}
	s := strings.TrimSpace(text)
	if name, mod, ok := strings.Cut(s, "["); ok {
		mod, closed := strings.CutSuffix(mod, "]")
		if !closed || mod == "" {
			return q, fmt.Errorf("cannot read %q: the module in brackets has no end", text)
		}
		s, q.Module = strings.TrimSpace(name), mod
	}
	if hex, ok := address(s); ok {
		n, err := strconv.ParseUint(hex, 16, 64)
		if err != nil {
			return q, fmt.Errorf("cannot read the address %q: 1 to 16 hexadecimal digits are wanted", s)
		}
		q.Addr = kmem.Addr(n)
		return q, nil
	}
	name, off, has := strings.Cut(s, "+")
	if name == "" {
		return q, fmt.Errorf("cannot read %q: an address, NAME or NAME+OFFSET is wanted", text)
	}
	q.Name, q.HasOff = name, has
	if has {
		off, _, _ = strings.Cut(off, "/") // the symbol's size
		n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(off), "0x"), 16, 64)
		if err != nil {
			return q, fmt.Errorf("cannot read the offset in %q: hexadecimal digits are wanted, with or without 0x", text)
		}
		q.Offset = n
	}
	return q, nil
}

// address takes the digits of an address: anything with 0x, or 16 digits.
func address(s string) (hex string, ok bool) {
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		return s[2:], true
	}
	return s, len(s) == 16 && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}
