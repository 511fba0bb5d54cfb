package wholedump

import "encoding/binary"

// Flatten takes a file apart into records of up to size bytes, as makedumpfile -F
// and QEMU do.
func Flatten(in *File, size int) *File {
	const headerSize = 4096
	head := make([]byte, headerSize)
	copy(head, "makedumpfile")
	be := binary.BigEndian
	be.PutUint64(head[16:], 1)
	be.PutUint64(head[24:], 1)
	f := &File{}
	f.add(Part{Kind: Header}, head)
	record := func(off, n uint64) {
		f.add(Part{Kind: Header}, be.AppendUint64(be.AppendUint64(nil, off), n))
	}
	part := 0
	for off := 0; off < len(in.Data); off += size {
		end := min(len(in.Data), off+size)
		record(uint64(off), uint64(end-off))
		for at := off; at < end; {
			for part < len(in.Parts) && in.Parts[part].End() <= at {
				part++
			}
			p, to := Part{Kind: Header}, end
			if part < len(in.Parts) {
				p = in.Parts[part]
				to = min(end, p.End())
				p.At += at - p.Off
			}
			f.add(p, in.Data[at:to])
			at = to
		}
	}
	record(^uint64(0), ^uint64(0))
	return f
}
