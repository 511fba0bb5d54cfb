package btf

import (
	"encoding/binary"
	"fmt"
)

// Values of struct btf_header.
const (
	magic     = 0xeb9f // little-endian; a big-endian blob reads as 0x9feb
	version   = 1
	headerLen = 24 // up to 7.0: magic … str_len

	// headerLayoutLen is the length from 7.1 on, when layout_off and
	// layout_len follow str_len. The kernel accepts a longer header whose
	// further bytes are zero, and so do we.
	headerLayoutLen = 32
	layoutEntryLen  = 4 // struct btf_layout: u8 info_sz, u8 elem_sz, u16 flags
)

var le = binary.LittleEndian

// sections are the parts of a blob, cut to their stated lengths.
type sections struct {
	types, strings []byte
	typesAt        int // offset of types in the blob, for messages
	layouts        [numKinds]kindLayout
}

// parseHeader checks the header and cuts the sections out of data.
func parseHeader(data []byte) (*sections, error) {
	if len(data) < headerLen {
		return nil, &FormatError{0, fmt.Sprintf("%d bytes are too few for a header", len(data))}
	}
	switch m := le.Uint16(data); m {
	case magic:
	case magic>>8 | magic&0xff<<8:
		return nil, &FormatError{0, "big-endian; kernels of x86-64 write little-endian"}
	default:
		return nil, &FormatError{0, fmt.Sprintf("magic %#04x is not %#04x", m, magic)}
	}
	if data[2] != version {
		return nil, &FormatError{2, fmt.Sprintf("version %d is not %d", data[2], version)}
	}
	if data[3] != 0 {
		return nil, &FormatError{3, fmt.Sprintf("unknown flags %#x", data[3])}
	}
	hdrLen := le.Uint32(data[4:])
	if hdrLen < headerLen || uint64(hdrLen) > uint64(len(data)) {
		return nil, &FormatError{4, fmt.Sprintf("header length %d in a blob of %d bytes", hdrLen, len(data))}
	}
	hdr, body := data[:hdrLen], data[hdrLen:]

	section := func(field int, name string) ([]byte, error) {
		off, n := uint64(le.Uint32(hdr[field:])), uint64(le.Uint32(hdr[field+4:]))
		if off+n > uint64(len(body)) {
			return nil, &FormatError{field, fmt.Sprintf(
				"%s section (%d bytes at %d) ends past the %d bytes after the header", name, n, off, len(body))}
		}
		return body[off : off+n : off+n], nil
	}
	s := &sections{layouts: builtinLayouts}
	var err error
	if s.types, err = section(8, "type"); err != nil {
		return nil, err
	}
	s.typesAt = int(hdrLen) + int(le.Uint32(hdr[8:]))
	if s.strings, err = section(16, "string"); err != nil {
		return nil, err
	}
	if n := len(s.strings); n > 0 && s.strings[n-1] != 0 {
		return nil, &FormatError{16, "string section does not end with a NUL"}
	}
	if hdrLen < headerLayoutLen {
		return s, nil
	}
	layout, err := section(headerLen, "layout")
	if err != nil {
		return nil, err
	}
	s.learn(layout)
	return s, nil
}

// learn takes the sizes of kinds that this package does not know from the layout
// section: one entry for each kind from 0 on, as many as the writer knew. Sizes
// of known kinds are fixed by the format and stay what they are.
func (s *sections) learn(layout []byte) {
	for k := 0; k < numKinds && len(layout) >= layoutEntryLen; k++ {
		if k > kindMax {
			s.layouts[k] = kindLayout{info: layout[0], elem: layout[1], known: true}
		}
		layout = layout[layoutEntryLen:]
	}
}
