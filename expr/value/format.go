package value

import (
	"fmt"
	"strconv"
	"strings"

	"kinspect/btf"
)

// maxOutput bounds the text of one value, whatever its type claims.
const maxOutput = 1 << 20

// Text prints the value as drgn does, "(u64)48". Where a part cannot be read the
// text says so in its place, and the error is that of the first such part.
func (v Value) Text(f Format) (string, error) {
	p := &printer{Format: f, k: v.k}
	if t, ok := btf.Underlying(v.typ).(*btf.Pointer); ok {
		// A pointer to a struct shows what it points to, as drgn does.
		if _, ok := btf.Underlying(t.Target()).(*btf.Struct); ok && v.place != perCPU && v.Followed() == nil {
			if a, err := v.Pointer(); err == nil && a != 0 {
				if d, err := v.Deref(); err == nil {
					if p.NoTypes {
						return p.braces(d, 0), p.err
					}
					return fmt.Sprintf("*(%s)%s = %s", v.typ, a, p.braces(d, 0)), p.err
				}
			}
		}
	}
	return p.value(v, 0), p.err
}

type printer struct {
	Format
	k    *Kernel
	err  error
	used int
}

func (p *printer) typeText(t btf.Type) string {
	if p.k == nil {
		return t.String()
	}
	return p.k.memo.typeText(t)
}

// fault notes the first error and returns what stands in the value's place.
func (p *printer) fault(err error) string {
	if p.err == nil {
		p.err = err
	}
	return FaultText(err)
}

func (p *printer) value(v Value, depth int) string {
	if p.NoTypes {
		return p.bare(v, depth)
	}
	if _, ok := btf.Underlying(v.typ).(*btf.Struct); ok && depth == 0 {
		return p.bare(v, depth) // which has the type
	}
	return "(" + p.typeText(v.typ) + ")" + p.bare(v, depth)
}

// bare prints a value without the type before it.
func (p *printer) bare(v Value, depth int) string {
	if v.place == perCPU {
		return fmt.Sprintf("<per-CPU variable at %s: per_cpu(…, CPU) gives one CPU's>", v.addr)
	}
	switch t := btf.Underlying(v.typ).(type) {
	case *btf.Int:
		return p.integer(v, t)
	case *btf.Enum:
		n, err := v.Num()
		if err != nil {
			return p.fault(err)
		}
		return p.enumText(t, n)
	case *btf.Pointer:
		return p.pointer(v, t)
	case *btf.Struct, *btf.Array:
		return p.braces(v, depth)
	case *btf.FuncProto:
		if a, ok := v.Addr(); ok {
			return p.k.Symbolize(a) + " = " + a.String()
		}
	case *btf.Void:
		return "<void>"
	}
	data, err := v.Bytes()
	if err != nil {
		return p.fault(err)
	}
	return fmt.Sprintf("<%x>", data)
}

func (p *printer) integer(v Value, t *btf.Int) string {
	n, err := v.Num()
	if err != nil {
		data, berr := v.Bytes()
		if berr != nil {
			return p.fault(berr)
		}
		return fmt.Sprintf("0x%x", reversed(data))
	}
	if width := v.BigEndianBits(); width != 0 {
		digits := width / 4
		return fmt.Sprintf("0x%0*x (raw 0x%0*x)", digits, Swap(n.Bits, width), digits, n.Bits)
	}
	if t.Bool && n.Bits <= 1 {
		return strconv.FormatBool(n.Bits == 1)
	}
	text := p.number(n)
	if v.words != nil {
		if name := v.words.text(n.Bits); name != "" {
			text += " (" + name + ")"
		}
	}
	return text
}

// number prints an integer in the base that the user chose; a negative one in hexadecimal as the
// bits that it has in memory.
func (p *printer) number(n Num) string {
	switch {
	case p.Hex:
		return fmt.Sprintf("%#x", n.Bits&(^uint64(0)>>(64-8*n.Size)))
	case n.Signed:
		return strconv.FormatInt(int64(n.Bits), 10)
	}
	return strconv.FormatUint(n.Bits, 10)
}

// reversed turns little-endian bytes into the order in which one writes digits.
func reversed(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		out[len(b)-1-i] = c
	}
	return out
}

// enumText is the enumerator of a value, or the enumerators that its bits are.
func (p *printer) enumText(t *btf.Enum, n Num) string {
	for _, e := range t.Values() {
		if e.Value == n.Bits {
			return e.Name
		}
	}
	if isFlags(t) {
		if names, rest := flagNames(t, n.Bits, false); len(names) > 0 && rest == 0 {
			return strings.Join(names, "|")
		}
	}
	return p.number(n)
}

// pointer prints symbol+offset before the address where a symbol is known, and
// the string behind a char pointer.
func (p *printer) pointer(v Value, t *btf.Pointer) string {
	a, err := v.Pointer()
	if err != nil {
		return p.fault(err)
	}
	if a == 0 {
		return "0x0"
	}
	if s := v.k.perCPUName(a, v.IsPerCPUPointer()); s != "" {
		return s
	}
	if IsChar(t.Target()) && a.IsKernel() {
		if s, err := v.CString(); err == nil {
			return a.String() + " = " + Quote(s)
		}
	}
	if sym := p.k.Symbolize(a); sym != a.String() {
		return sym + " = " + a.String()
	}
	return a.String()
}

// braces prints a struct, union or array, on one line if it fits.
func (p *printer) braces(v Value, depth int) string {
	switch t := btf.Underlying(v.typ).(type) {
	case *btf.Struct:
		if depth == 0 && !p.NoTypes {
			return "(" + p.typeText(v.typ) + ")" + p.structText(v, t, depth, t.Name)
		}
		return p.structText(v, t, depth, t.Name)
	case *btf.Array:
		return p.array(v, t, depth)
	}
	return p.bare(v, depth)
}

// structText prints a struct; name is its own, or where it is anonymous that of the struct around it.
func (p *printer) structText(v Value, t *btf.Struct, depth int, name string) string {
	if p.used > maxOutput {
		return "{ … }"
	}
	if t.Name == "list_head" && !t.Union {
		if empty, err := ListEmpty(v); err == nil && empty {
			a, _ := v.Addr()
			return fmt.Sprintf("{ empty: .next = .prev = %s, the list_head itself }", a)
		}
	}
	if depth >= p.Depth && !wrapsScalar(t, 8) {
		return "{ … }"
	}
	var items []string
	for _, m := range t.Members() {
		mv, err := v.at(m.Type, uint64(m.BitOffset), m.BitSize)
		if err != nil {
			items = append(items, p.fault(err))
			continue
		}
		var text string
		if inner, ok := btf.Underlying(m.Type).(*btf.Struct); ok && m.Name == "" && !p.NoTypes {
			text = "(" + p.typeText(m.Type) + ")" + p.structText(mv, inner, depth+1, name)
		} else {
			mv.words, mv.ofPerCPU = v.k.wordsOf(name, m.Name), isPerCPUMember(name, m.Name, m.Type)
			text = p.value(mv, depth+1)
		}
		if m.Name != "" {
			text = "." + m.Name + " = " + text
		}
		items = append(items, text)
	}
	return p.join(items, depth)
}

// wrapsScalar reports whether a struct is but a scalar, or another such struct: u64_stats_t is one of
// four levels, atomic_t and kuid_t of one. They are no deeper than what is in them.
func wrapsScalar(t *btf.Struct, levels int) bool {
	if t.NumMembers() != 1 || levels == 0 {
		return false
	}
	m := t.Members()[0]
	if inner, ok := btf.Underlying(m.Type).(*btf.Struct); ok {
		return wrapsScalar(inner, levels-1)
	}
	return isScalar(m.Type)
}

func (p *printer) array(v Value, t *btf.Array, depth int) string {
	if IsChar(t.Elem()) && t.Len > 0 {
		s, err := v.CString()
		if err != nil {
			return p.fault(err)
		}
		return Quote(s)
	}
	var items []string
	for i := range int64(t.Len) {
		if i >= int64(p.Elements) {
			items = append(items, fmt.Sprintf("… %d more", int64(t.Len)-i))
			break
		}
		e, err := v.Index(i)
		if err != nil {
			return p.fault(err)
		}
		if p.used > maxOutput {
			break
		}
		items = append(items, p.bare(e, depth+1))
	}
	return p.join(items, depth)
}

// indent writes the lines of an item, one tab in, and what stands behind it.
func indent(b *strings.Builder, s string) {
	b.WriteByte('\t')
	for {
		line, rest, more := strings.Cut(s, "\n")
		b.WriteString(line)
		if !more {
			break
		}
		b.WriteString("\n\t")
		s = rest
	}
	b.WriteString(",\n")
}

// join puts items into braces: on one line if they fit, else one a line,
// indented by tabs.
func (p *printer) join(items []string, depth int) string {
	if len(items) == 0 {
		return "{}"
	}
	n, multi := 4+8*depth, false
	for _, s := range items {
		n += len(s) + 2
		p.used += len(s)
		multi = multi || strings.Contains(s, "\n")
	}
	if !multi && n <= p.Width {
		return "{ " + strings.Join(items, ", ") + " }"
	}
	size := len("{\n}")
	for _, s := range items {
		size += len("\t,\n") + len(s) + strings.Count(s, "\n")
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteString("{\n")
	for _, s := range items {
		indent(&b, s)
	}
	b.WriteString("}")
	return b.String()
}
