package btf

import (
	"fmt"
	"strings"
)

// maxDefinition bounds the text of one definition, in bytes. The longest one of a
// kernel takes some 30 KiB.
const maxDefinition = 1 << 18

// Printer prints definitions of types in C. The zero value prints what a kernel
// developer would write.
type Printer struct {
	// Offsets adds a comment to each member, "offset size" in bytes, and
	// "offset:bit size" for a bit-field with its size in bits.
	Offsets bool
	// Exact adds the attributes and the padding that a compiler needs in order
	// to arrive at the same layout. BTF has neither: they are worked out.
	Exact bool
}

// CDefinition returns the C definition of t as a kernel developer would write
// it, with anonymous structs, unions and enums in place. A type that C does not
// define anywhere, such as a pointer, is spelled as a cast has it.
func CDefinition(t Type) string { return Printer{}.Definition(t) }

// Definition returns the C definition of t.
func (p Printer) Definition(t Type) string {
	w := &definer{Printer: p}
	w.d = declarator{budget: maxDeclTypes, paramNames: true, zeroLen: p.Exact, anonymous: w.anonymous}
	switch t := t.(type) {
	case *Struct:
		return w.structBody(t) + ";\n"
	case *Enum:
		return w.enumBody(t) + ";\n"
	case *Typedef:
		return "typedef " + w.d.declare(t.Target(), t.Name, 0) + ";\n"
	case *Fwd, *Func, *Var:
		return w.d.declare(t, "", 0) + ";\n"
	case *DataSec:
		return w.dataSec(t)
	}
	return t.String() + "\n"
}

// definer holds the state of one definition.
type definer struct {
	Printer
	d      declarator
	indent int
	base   uint64 // offset in bits of the struct being printed
	pads   int    // padding members so far
	size   int    // bytes printed so far, roughly
	layout layouter
}

// anonymous prints the body of a struct, union or enum where it is used.
func (w *definer) anonymous(t Type) string {
	if w.indent > maxAnonymousDepth || w.size > maxDefinition {
		return typeString(t)
	}
	switch t := t.(type) {
	case *Struct:
		return w.structBody(t)
	case *Enum:
		return w.enumBody(t)
	}
	return typeString(t)
}

func (w *definer) tabs() string { return strings.Repeat("\t", w.indent) }

func (w *definer) structBody(t *Struct) string {
	var b strings.Builder
	b.WriteString(join(t.keyword(), t.Name) + " {\n")
	base := w.base
	w.indent++
	var plan layoutPlan
	if w.Exact {
		plan = w.layout.plan(t)
	}
	for i, m := range t.Members() {
		if w.size > maxDefinition {
			b.WriteString(w.tabs() + "/* and more */\n")
			break
		}
		if w.Exact {
			w.pad(&b, plan.pads[i])
		}
		w.base = 0
		if isInline(m.Type) {
			w.base = base + uint64(m.BitOffset)
		}
		line := w.tabs() + w.d.declare(m.Type, m.Name, 0)
		if m.BitSize != 0 {
			line += fmt.Sprintf(":%d", m.BitSize)
		}
		line += ";"
		if w.Offsets {
			line += offsetComment(line, m, base)
		}
		w.size += len(line)
		// What is declared may be of any length; give each member its due.
		w.d.budget = maxDeclTypes
		b.WriteString(line + "\n")
	}
	if w.Exact {
		w.pad(&b, plan.tail)
	}
	w.base = base
	w.indent--
	b.WriteString(w.tabs() + "}")
	if w.Exact && plan.packed {
		b.WriteString(" __attribute__((packed))")
	}
	if w.Offsets && w.indent == 0 {
		fmt.Fprintf(&b, " /* size: %d */", t.Size)
	}
	return b.String()
}

// isInline reports whether a member of the type, or an array of it, has an
// anonymous struct in place, so that offsets within are those of the whole.
func isInline(t Type) bool {
	for range maxDepth {
		switch v := skipQualifiers(t).(type) {
		case *Array:
			t = v.Elem()
			continue
		case *Struct:
			return v.Name == ""
		}
		return false
	}
	return false
}

// commentColumn is where comments with offsets start, with tabs of 8 columns.
const commentColumn = 56

func offsetComment(line string, m Member, base uint64) string {
	last := line[strings.LastIndexByte(line, '\n')+1:]
	width := len(last) + 7*strings.Count(last, "\t")
	gap := strings.Repeat(" ", max(commentColumn-width, 1))
	off := base + uint64(m.BitOffset)
	if m.BitSize != 0 {
		return fmt.Sprintf("%s/* %5d:%d %3d */", gap, off/8, off%8, m.BitSize)
	}
	size, err := Sizeof(m.Type)
	if err != nil {
		return fmt.Sprintf("%s/* %5d     ? */", gap, off/8)
	}
	return fmt.Sprintf("%s/* %5d %5d */", gap, off/8, size)
}

func (w *definer) enumBody(t *Enum) string {
	if t.Name != "" && len(t.rows) == 0 {
		return "enum " + t.Name // how a blob has an enum that is only declared
	}
	var b strings.Builder
	b.WriteString(join("enum", t.Name) + " {\n")
	for _, v := range t.Values() {
		if w.size > maxDefinition {
			b.WriteString(w.tabs() + "\t/* and more */\n")
			break
		}
		n := b.Len()
		fmt.Fprintf(&b, "%s\t%s = %s,\n", w.tabs(), v.Name, t.literal(v.Value))
		w.size += b.Len() - n
	}
	b.WriteString(w.tabs() + "}")
	if mode := map[uint32]string{1: "QI", 2: "HI", 8: "DI"}[t.Size]; w.Exact && mode != "" {
		b.WriteString(" __attribute__((mode(" + mode + ")))")
	}
	return b.String()
}

// literal writes a value so that C reads it back as what it is.
func (t *Enum) literal(v uint64) string {
	switch {
	case t.Signed && int64(v) == -1<<63:
		return "(-9223372036854775807LL - 1)" // the constant itself would not fit
	case t.Signed && (t.Size > 4 || int64(v) != int64(int32(v))):
		return fmt.Sprintf("%dLL", int64(v))
	case t.Signed:
		return fmt.Sprint(int64(v))
	case t.Size > 4:
		return fmt.Sprintf("%dULL", v)
	case v > 1<<31-1:
		return fmt.Sprintf("%dU", v)
	}
	return fmt.Sprint(v)
}

func (w *definer) dataSec(t *DataSec) string {
	var b strings.Builder
	fmt.Fprintf(&b, "/* section %q, %d bytes */\n", t.Name, t.Size)
	for _, v := range t.Vars() {
		w.d.budget = maxDeclTypes
		line := w.d.declare(v.Var, "", 0) + ";"
		if w.Offsets {
			gap := strings.Repeat(" ", max(commentColumn-len(line), 1))
			line += fmt.Sprintf("%s/* %5d %5d */", gap, v.Offset, v.Size)
		}
		if b.WriteString(line + "\n"); b.Len() > maxDefinition {
			b.WriteString("/* and more */\n")
			break
		}
	}
	return b.String()
}
