package inflate

import "encoding/binary"

// adler32 is the checksum of zlib (RFC 1950): a is the sum of all bytes plus one, b the
// sum of what a was after each byte, both modulo 65521. Sixteen bytes are added at a
// time. Of these b has the first 16 times, the second 15 times and so on; so it
// is enough to add up, over a page, what stood at each of the sixteen places, in lanes of
// 16 bits.
func adler32(p []byte) uint32 {
	const (
		mod   = 65521
		lanes = 0x00ff00ff00ff00ff
		once  = 0x0001000100010001 // times this, the highest lane is the sum of all
		block = 16 * 256           // 256 bytes fit into a lane
	)
	a, b := uint64(1), uint64(0)
	for len(p) > 0 {
		q := p[:min(len(p), block)]
		p = p[len(q):]
		var e1, o1, e2, o2, before uint64
		for len(q) >= 16 {
			u := (*[16]byte)(q)
			q = q[16:]
			w := binary.LittleEndian.Uint64(u[:8])
			x := binary.LittleEndian.Uint64(u[8:])
			we, wo, xe, xo := w&lanes, w>>8&lanes, x&lanes, x>>8&lanes
			e1, o1, e2, o2 = e1+we, o1+wo, e2+xe, o2+xo
			before += a
			a += (we + wo + xe + xo) * once >> 48
		}
		b += 16 * before
		for i, sum := range [...]uint64{e1, o1, e2, o2} {
			weight := uint64(16 - i/2*8 - i%2)
			for ; sum != 0; sum >>= 16 {
				b += weight * (sum & 0xffff)
				weight -= 2
			}
		}
		for _, c := range q {
			a += uint64(c)
			b += a
		}
		a, b = a%mod, b%mod
	}
	return uint32(b<<16 | a)
}
