package flattened

// holeBlock is the block of kdump-compressed files: their writers leave the rest of a
// block unwritten behind headers and bitmaps.
const holeBlock = 4096

// hole finds the first range that no record holds, though nobody leaves such a one out: real
// writers, makedumpfile and QEMU, leave the rests of blocks alone. By itself it is an error of those
// who read there; but where records overlap, too, the head of one was changed, and its bytes
// have taken the place of others.
func (f *File) hole() (from, to uint64, found bool) {
	at := uint64(0)
	for i := range f.groups {
		g := &f.groups[i]
		if g.start > at && (g.start-at >= holeBlock || g.start%holeBlock != 0) {
			return at, g.start, true
		}
		at = g.end
	}
	return 0, 0, false
}
