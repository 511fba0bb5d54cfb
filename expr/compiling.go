package expr

import (
	"fmt"

	"kinspect/btf"
	"kinspect/expr/syntax"
	"kinspect/expr/value"
)

// What compiles the language to something else than closures needs of a session: what names
// mean, the trees of texts, and the words of its warnings.

// Names is what the parser has to know of the session's names.
func (s *Session) Names() syntax.Names { return s.names() }

// Global is what a bare name means: a variable or function of the kernel, else an enumerator.
func (s *Session) Global(name string) (value.Value, error) { return s.global(name) }

// Type finds a type by its C text, in vmlinux's BTF or a module's.
func (s *Session) Type(text string) (btf.Type, error) { return s.parseType(text) }

// Parse is the tree of an expression whose names are those of names. The error is an [*Error].
func (s *Session) Parse(src string, names syntax.Names) (*syntax.Tree, error) {
	tree, err := syntax.Parse(src, names)
	if err != nil {
		failed := s.parseError(src, err)
		failed.Src, failed.Msg = src, value.Scrub(failed.Msg)
		return nil, failed
	}
	return tree, nil
}

// NoFunction is the error for a name that no function has.
func (s *Session) NoFunction(name string) string { return s.noFunction(name) }

// WarnSwapped is what [Session.Eval] says of a comparison of a value in network order with the
// plain number bits; it is empty where both readings are the same.
func WarnSwapped(t btf.Type, width int, bits uint64) string {
	swapped := value.Swap(bits, width)
	if bits>>1>>(width-1) != 0 || swapped == bits {
		return ""
	}
	conv := map[int]string{16: "htons", 32: "htonl", 64: "cpu_to_be64"}[width]
	digits := width / 4
	return fmt.Sprintf("the %s is in network order, and is compared raw, as C does: 0x%0*x here is 0x%0*x on the wire; for 0x%0*x on the wire write %s(0x%0*x)",
		t, digits, bits, digits, swapped, digits, bits, conv, digits, bits)
}

// WarnOrder is what [Session.Eval] says of an operator that computes with a value in network order.
func WarnOrder(t btf.Type, op string, width int) string {
	conv := map[int]string{16: "ntohs", 32: "ntohl", 64: "be64_to_cpu"}[width]
	return fmt.Sprintf("the %s is in network order, and %s takes its bytes as they lie in memory, as C does: for the number on the wire use %s(x)", t, op, conv)
}

// WarnNegative is what [Session.Eval] says of a comparison of an unsigned value with a constant
// below zero, which is as then.
func WarnNegative(t btf.Type, constant int64, as uint64) string {
	what := "the number"
	if t != nil {
		what = "the " + value.Printable(t.String())
	}
	return fmt.Sprintf("%s is unsigned, and compared with %d, which is %d then, as C does: no unsigned number is below zero; for a signed comparison with %[2]d cast it, (s64)x", what, constant, as)
}

// FitsMember reports whether container_of takes a pointer to target for one to a member of type t.
func FitsMember(target, t btf.Type) bool { return fitsMember(target, t) }
