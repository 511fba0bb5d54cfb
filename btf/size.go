package btf

import (
	"fmt"
	"math/bits"
)

// maxDepth bounds chains of types that refer to each other. The kernel's own
// limit for resolving a type, MAX_RESOLVE_DEPTH, is 32.
const maxDepth = 64

// Sizeof returns the size of t in bytes, as C's sizeof does: through typedefs,
// qualifiers and arrays. The error wraps [ErrNoSize] or [ErrTooDeep].
func Sizeof(t Type) (uint64, error) {
	n := uint64(1) // product of the array lengths so far
	whole := t
	for range maxDepth {
		var size uint64
		switch v := t.(type) {
		case *Int:
			size = uint64(v.Size)
		case *Float:
			size = uint64(v.Size)
		case *Struct:
			size = uint64(v.Size)
		case *Enum:
			size = uint64(v.Size)
		case *DataSec:
			size = uint64(v.Size)
		case *Pointer:
			size = PointerSize
		case *Array:
			hi, lo := bits.Mul64(n, uint64(v.Len))
			if hi != 0 {
				return 0, fmt.Errorf("array of more than 2^64 elements: %w", ErrNoSize)
			}
			n, t = lo, v.Elem()
			continue
		default:
			next := strip(t)
			if next == nil {
				if v, ok := t.(*Var); ok {
					t = v.Type()
					continue
				}
				return 0, fmt.Errorf("%s: %w", whole, ErrNoSize)
			}
			t = next
			continue
		}
		hi, lo := bits.Mul64(n, size)
		if hi != 0 {
			return 0, fmt.Errorf("array of more than 2^64 bytes: %w", ErrNoSize)
		}
		return lo, nil
	}
	return 0, fmt.Errorf("size of %s: %w", whole, ErrTooDeep)
}

// strip returns what a typedef, qualifier or type tag stands for, nil for any
// other type.
func strip(t Type) Type {
	switch t := t.(type) {
	case *Typedef:
		return t.Target()
	case *Qualifier:
		return t.Target()
	case *TypeTag:
		return t.Target()
	}
	return nil
}

// Underlying returns t without the typedefs, qualifiers and type tags around it.
// In a blob where they form a cycle it gives up and returns one of them.
func Underlying(t Type) Type {
	for range maxDepth {
		next := strip(t)
		if next == nil {
			return t
		}
		t = next
	}
	return t
}
