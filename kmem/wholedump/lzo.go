package wholedump

// PackLZO makes LZO1X data. An instruction is a run of literals or a match, and the
// two lowest bits of a match's code say how many literals (0 to 3) follow it without an instruction of
// their own:
//
//	first byte 18 and up     that byte less 17 literals
//	0000LLLL                 3 + L literals (L = 0: 18, 255 for each zero byte, and a last byte)
//	001LLLLL  D…DSS (LE)     a match of 2 + L bytes (L = 0: 33, and so on), D + 1 back
//	00010001 0 0             the end
//
// The shorter forms of a match are left to better compressors.
func PackLZO(in []byte) []byte {
	const minMatch = 4
	var out []byte
	last := make(map[uint32]int, len(in))
	key := func(i int) uint32 {
		return uint32(in[i]) | uint32(in[i+1])<<8 | uint32(in[i+2])<<16 | uint32(in[i+3])<<24
	}
	more := func(n int) { // what the instruction's bits do not hold
		for ; n > 255; n -= 255 {
			out = append(out, 0)
		}
		out = append(out, byte(n))
	}
	code := -1 // of the last match, whose lowest bits may hold literals
	literals := func(lit []byte) {
		n := len(lit)
		switch {
		case n == 0:
			return
		case code < 0 && n <= 238:
			out = append(out, byte(n+17))
		case code >= 0 && n <= 3:
			out[code] |= byte(n)
		case n <= 18:
			out = append(out, byte(n-3))
		default:
			out = append(out, 0)
			more(n - 18)
		}
		out = append(out, lit...)
	}
	from := 0
	for i := 0; i+minMatch <= len(in); {
		k := key(i)
		j, ok := last[k]
		last[k] = i
		if !ok || i-j > 0x4000 {
			i++
			continue
		}
		n := minMatch
		for i+n < len(in) && in[i+n] == in[j+n] {
			n++
		}
		literals(in[from:i])
		if n <= 33 {
			out = append(out, 0x20|byte(n-2))
		} else {
			out = append(out, 0x20)
			more(n - 33)
		}
		d := i - j - 1
		code = len(out)
		out = append(out, byte(d<<2), byte(d>>6))
		i += n
		from = i
	}
	literals(in[from:])
	return append(out, 0x11, 0, 0)
}
