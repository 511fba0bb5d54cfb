package check_test

import "kinspect/kmem/wholedump"

// keepRange adds where a range of virtual memory lies, and the page-table entries that
// lead there.
func (s *source) keepRange(virt uint64, n int, kept map[target]bool) {
	for n > 0 {
		part := min(n, pageSize-int(virt%pageSize))
		for _, t := range s.locate(virt, part, false) {
			kept[t] = true
		}
		for _, at := range s.tables(virt) {
			for _, t := range s.inFrame(at/pageSize, int(at%pageSize), 8, false) {
				kept[t] = true
			}
		}
		virt, n = virt+uint64(part), n-part
	}
}

// virtual finds a range of virtual memory, for an aim.
func (s *source) virtual(virt uint64, n int) []target {
	var out []target
	for n > 0 {
		part := min(n, pageSize-int(virt%pageSize))
		out = append(out, s.locate(virt, part, true)...)
		virt, n = virt+uint64(part), n-part
	}
	return out
}

// physical finds a range of physical memory, for an aim.
func (s *source) physical(at uint64, n int) []target {
	return s.inFrame(at/pageSize, int(at%pageSize), n, true)
}

func (s *source) locate(virt uint64, n int, checked bool) []target {
	frame, at, ok := s.where(virt)
	if !ok {
		return nil
	}
	return s.inFrame(frame, at, n, checked)
}

// inFrame finds n bytes of a frame: those of a compressed one are all of its
// compressed bytes, and those with a checksum count only if checked is set.
func (s *source) inFrame(frame uint64, at, n int, checked bool) []target {
	var out []target
	parts := s.parts[frame]
	if len(parts) == 0 { // a page of zeros: the one that all share
		parts = s.parts[0]
	}
	for _, p := range parts {
		switch p.Kind {
		case wholedump.Page:
			from, to := max(at, p.At), min(at+n, p.At+p.Len)
			if from < to {
				out = append(out, target{p.file, p.Off + from - p.At, to - from})
			}
		case wholedump.Checked:
			if !checked {
				continue
			}
			fallthrough
		case wholedump.Packed:
			out = append(out, target{p.file, p.Off, p.Len})
		}
	}
	return out
}
