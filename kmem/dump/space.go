package dump

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"syscall"
)

// Space is memory that lies in segments of a file, by physical or by virtual address.
// The physical one is a [Memory].
type Space struct {
	File     *File
	Segments Segments
	Physical bool
	Live     bool // the file is /proc/kcore
}

// Part is how many of n bytes, from addr on, s covers.
func (s *Segment) Part(addr uint64, n int) int {
	return int(min(uint64(n-1), s.Last-addr)) + 1
}

// Read fills the first n bytes of buf from addr on, all within seg. The fault has the length of buf.
func (m *Space) Read(seg *Segment, addr uint64, buf []byte, n int) error {
	off := seg.Off + (addr - seg.Start)
	var err error
	if seg.Kind == InFile {
		if err = m.File.ReadFull(off, buf[:n]); err == nil {
			return nil
		}
	}
	f := &Fault{Addr: addr, Physical: m.Physical, Len: uint64(len(buf))}
	switch seg.Kind {
	case InFile:
		m.explain(f, off, err)
	case CutOff:
		f.Reason, f.Detail = Truncated, m.cutOff(off)
	default:
		f.Reason = Filtered
	}
	return f
}

// explain fills in why the file's offset off could not be read.
func (m *Space) explain(f *Fault, off uint64, err error) {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) && !m.Live:
		f.Reason, f.Detail = Truncated, m.cutOff(off)
	case m.Live && (errors.Is(err, syscall.EFAULT) || errors.Is(err, syscall.EPERM)):
		// Lockdown may come while the file is open; EFAULT is a page that the
		// kernel itself could not read.
		f.Reason, f.Detail = Refused, err.Error()
	default:
		f.Reason, f.Detail = Failed, err.Error()
	}
}

func (m *Space) cutOff(off uint64) string {
	return fmt.Sprintf("it belongs at offset %#x, and the file has %#x bytes", off, m.File.Size)
}

// ReadPhys implements [Memory].
func (m *Space) ReadPhys(phys PhysAddr, buf []byte) error {
	for addr := uint64(phys); len(buf) > 0; {
		s := m.Segments.Find(addr)
		if s == nil {
			detail := "no segment of the dump covers it"
			if len(m.Segments) == 0 {
				detail = "the file holds no physical memory"
			}
			return &Fault{Addr: addr, Physical: true, Len: uint64(len(buf)), Reason: Unmapped, Detail: detail}
		}
		n := s.Part(addr, len(buf))
		if err := m.Read(s, addr, buf, n); err != nil {
			return err
		}
		buf, addr = buf[n:], addr+uint64(n)
		if addr == 0 && len(buf) > 0 {
			return PastTheEnd(addr, len(buf), true)
		}
	}
	return nil
}

// PastTheEnd is the fault of a range that passes the end of the address space.
func PastTheEnd(addr uint64, n int, physical bool) *Fault {
	return &Fault{Addr: addr, Physical: physical, Len: uint64(n), Reason: Unmapped, Detail: "the range passes the end of the address space"}
}

// Ranges implements [Memory]: the segments that are in the file.
func (m *Space) Ranges() iter.Seq2[PhysAddr, uint64] {
	return func(yield func(PhysAddr, uint64) bool) {
		for i := range m.Segments {
			s := &m.Segments[i]
			if s.Kind == InFile && !yield(PhysAddr(s.Start), s.Last-s.Start+1) {
				return
			}
		}
	}
}
