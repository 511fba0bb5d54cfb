package expr

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf8"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// appendElem appends the JSON of an element: what [jsonWriter.any] makes of its value. An error of
// encoding/json is in form.
func (j *jsonWriter) appendElem(b []byte, e *elem) []byte {
	if e.row == nil || e.v != nil {
		return j.appendAny(b, e.value())
	}
	j.count, j.depth = 1, 1
	b = append(b, '[')
	for i := range e.row {
		if i > 0 {
			b = append(b, ',')
		}
		switch c := &e.row[i]; {
		case c.member != nil:
			b = j.appendMember(b, c)
		case c.isRef:
			b = j.appendValue(b, &c.ref)
		default:
			b = j.appendAny(b, c.v)
		}
	}
	return append(b, ']')
}

func (j *jsonWriter) appendAny(b []byte, x any) []byte {
	switch x := x.(type) {
	case value.Value:
		return j.appendValue(b, &x)
	case string:
		if j.count < maxJSON && j.depth < maxJSONDepth && plainJSON(x) {
			j.count++
			return appendQuoted(b, x)
		}
	}
	b, err := appendJSON(b, j.any(x))
	if err != nil {
		j.form = err
	}
	return b
}

// appendMember is appendValue of a member that has not been made a value.
func (j *jsonWriter) appendMember(b []byte, c *rowItem) []byte {
	switch m := c.member; {
	case j.count >= maxJSON:
	case m.jsonInteger:
		n, err := c.k.ReadInt(c.addr+kmem.Addr(m.off), m.size, m.signed, &j.buf)
		if err != nil {
			break // any tells
		}
		j.count++
		return appendNum(b, n)
	case m.chars > 0:
		var err error
		j.text, _, err = kmem.AppendCString(j.text[:0], c.k, c.addr+kmem.Addr(m.off), m.chars)
		if err != nil || !plainJSON(j.text) {
			break
		}
		j.count++
		return appendQuoted(b, j.text)
	}
	return j.appendAny(b, c.value())
}

// appendValue writes the plain integers and the strings of the kernel; all else is for any.
func (j *jsonWriter) appendValue(b []byte, v *value.Value) []byte {
	if v.InMemory() && !v.IsBitField() && j.count < maxJSON && j.depth < maxJSONDepth {
		switch t := btf.Underlying(v.Type()).(type) {
		case *btf.Int:
			if t.Size > 8 || t.Bool || v.BigEndianBits() != 0 {
				break
			}
			n, err := v.ReadIntAt(0, t.Size, t.Signed, &j.buf)
			if err != nil {
				break // any tells
			}
			j.count++
			return appendNum(b, n)
		case *btf.Array:
			var ok bool
			if j.text, ok = v.AppendChars(j.text[:0]); !ok || !plainJSON(j.text) {
				break
			}
			j.count++
			return appendQuoted(b, j.text)
		}
	}
	b, err := appendJSON(b, j.any(*v))
	if err != nil {
		j.form = err
	}
	return b
}

func appendNum(b []byte, n value.Num) []byte {
	if n.Signed {
		return strconv.AppendInt(b, int64(n.Bits), 10)
	}
	return strconv.AppendUint(b, n.Bits, 10)
}

func appendQuoted[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendJSON appends what encoding/json makes of x, without a look at what each value's type is in Go: a
// list of the kernel's values is mostly numbers and short strings. What it does not know is
// encoding/json's.
func appendJSON(b []byte, x any) ([]byte, error) {
	switch x := x.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, x), nil
	case int:
		return strconv.AppendInt(b, int64(x), 10), nil
	case int64:
		return strconv.AppendInt(b, x, 10), nil
	case uint32:
		return strconv.AppendUint(b, uint64(x), 10), nil
	case uint64:
		return strconv.AppendUint(b, x, 10), nil
	case string:
		if plainJSON(x) {
			return appendQuoted(b, x), nil
		}
	case []any:
		if x == nil {
			return append(b, "null"...), nil
		}
		b = append(b, '[')
		for i, e := range x {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = appendJSON(b, e); err != nil {
				return b, err
			}
		}
		return append(b, ']'), nil
	case map[string]any:
		if x == nil {
			return append(b, "null"...), nil
		}
		keys := make([]string, 0, len(x))
		for k := range x {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		b = append(b, '{')
		for i, k := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = appendJSON(b, k); err != nil {
				return b, err
			}
			b = append(b, ':')
			if b, err = appendJSON(b, x[k]); err != nil {
				return b, err
			}
		}
		return append(b, '}'), nil
	}
	var buf bytes.Buffer
	if err := NewJSONEncoder(&buf).Encode(x); err != nil {
		return b, err
	}
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...), nil
}

// plainJSON reports whether a string stands in JSON as it is.
func plainJSON[T string | []byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == 0x7f {
			return false
		}
	}
	return true
}
