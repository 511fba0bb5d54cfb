// Package btf reads the types of a Linux kernel from its BTF and spells them in C.
package btf
