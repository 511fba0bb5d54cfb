package debuginfo

// The hash of a type tells types of different units apart by their names and layout. What has a name counts in others
// by that alone, so that it ends where types refer to one another in circles.

const (
	hashStart = 0xcbf29ce484222325
	hashPrime = 0x100000001b3
	hashMix   = 0x9e3779b97f4a7c15
)

func mix(h, v uint64) uint64 {
	h = (h ^ v) * hashMix
	return h ^ h>>32
}

func mixText(h uint64, s []byte) uint64 {
	t := uint64(hashStart)
	for _, c := range s {
		t = (t ^ uint64(c)) * hashPrime
	}
	return mix(h, t^uint64(len(s)))
}

// hashOf is the hash of a type with all its parts.
func (l *local) hashOf(i uint32, depth int) uint64 {
	if i == noRef {
		return hashMix
	}
	t := &l.types[i]
	switch {
	case t.state == 2:
		return t.hash
	case t.state == 1 || depth > maxNesting: // a circle, which no compiler makes
		return hashPrime
	}
	t.state = 1
	flag := uint64(t.enc) << 1
	if t.flag {
		flag |= 1
	}
	h := mix(mix(mix(hashStart, uint64(t.kind)), t.size), flag)
	h = mix(mixText(h, t.name), l.shallow(t.ref, depth+1))
	for j := range t.elems {
		e := &t.elems[j]
		h = mix(mix(mixText(h, e.name), e.at), uint64(e.bits))
		h = mix(h, l.shallow(e.ref, depth+1))
	}
	t.hash, t.state = h, 2
	return h
}

// shallow is the hash of a type as a part of another.
func (l *local) shallow(i uint32, depth int) uint64 {
	if i == noRef {
		return hashMix
	}
	t := &l.types[i]
	if len(t.name) > 0 {
		switch t.kind {
		case kindStruct, kindUnion, kindEnum, kindEnum64:
			return mixText(mix(hashStart, uint64(t.kind)), t.name)
		case kindFwd: // as what it declares
			k := kindStruct
			if t.flag {
				k = kindUnion
			}
			return mixText(mix(hashStart, uint64(k)), t.name)
		}
	}
	return l.hashOf(i, depth)
}
