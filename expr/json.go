package expr

import (
	"errors"
	"fmt"
	"math"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// maxJSON bounds the values in one result's JSON.
const maxJSON = 1 << 20

// JSON is the result as encoding/json takes it, one object:
//
//	{"value": …, "type": "u64", "symbol": …, "note": …, "warnings": […]}
//
// type is the C type of a value of the kernel and absent otherwise; symbol is
// there for a function and a pointer to one, as "bond_handle_frame+0x0 [bonding]",
// where the address has one; note and warnings are absent where there are none.
// Within value:
//
//   - integers and bit-fields are numbers, exactly, up to 64 bits; booleans are
//     booleans;
//   - __be16, __be32 and __be64 are {"host": N, "raw": N}, N being the number in
//     host order and the one that C computes with;
//   - an enum is the name of its enumerator, or a number where it has none;
//   - a pointer or a function is its address as a hexadecimal string, "0x0" for
//     NULL; pointers are not followed;
//   - char arrays are strings; a byte in them that is not UTF-8 stands as \xNN, all else
//     as it is, escaped as JSON does;
//   - other arrays are arrays, whole;
//   - structs and unions are objects; members of anonymous ones stand in the
//     object around them;
//   - what could not be read is {"error": "not mapped …"}, and the error tells the first such part.
func (r Result) JSON() (any, error) {
	j := jsonWriter{}
	whole := r.Value
	if q, ok := whole.(*Sequence); ok {
		l := []any{}
		if err := r.eachElement(q, func(x any) error {
			if l = append(l, x); len(l) > maxJSON {
				return value.Stop() // the writer tells
			}
			return nil
		}); err != nil {
			j.err = err
		}
		whole = l
	}
	out := map[string]any{"value": j.any(whole)}
	if v, ok := r.Value.(value.Value); ok {
		out["type"] = jsonText(v.Type().String())
		if s := functionSymbol(v); s != "" {
			out["symbol"] = s
		}
	}
	if n := r.Note(); n != "" {
		out["note"] = n
	}
	if len(r.Warnings) > 0 {
		out["warnings"] = r.Warnings
	}
	return out, j.err
}

// functionSymbol names the function that v is, or points to; else it is empty.
func functionSymbol(v value.Value) string {
	k := v.Kernel()
	if k == nil || k.Image == nil {
		return ""
	}
	var a kmem.Addr
	switch t := btf.Underlying(v.Type()).(type) {
	case *btf.FuncProto:
		a, _ = v.Addr()
	case *btf.Pointer:
		if _, ok := btf.Underlying(t.Target()).(*btf.FuncProto); !ok {
			return ""
		}
		a, _ = v.Pointer() // what cannot be read has been told
	}
	if _, _, ok := k.SymbolAt(a); !ok {
		return ""
	}
	return k.Symbolize(a)
}

type jsonWriter struct {
	err   error // the first
	count int
	depth int

	form error // of encoding/json
	buf  [16]byte
	text []byte
}

// reset is for the next value.
func (j *jsonWriter) reset() { j.err, j.form, j.count, j.depth = nil, nil, 0, 0 }

// maxJSONDepth bounds the nesting: only a damaged BTF nests deeper.
const maxJSONDepth = 64

// fail notes the error of a part, and gives what stands in its place.
func (j *jsonWriter) fail(err error) any {
	if j.err == nil {
		j.err = err
	}
	return errorObject(err)
}

func (j *jsonWriter) any(x any) any {
	if j.count++; j.count > maxJSON {
		return j.fail(fmt.Errorf("more than %d values: too large for JSON", maxJSON))
	}
	if j.depth++; j.depth > maxJSONDepth {
		return j.fail(fmt.Errorf("nested deeper than %d: too deep for JSON", maxJSONDepth))
	}
	defer func() { j.depth-- }()
	switch x := x.(type) {
	case nil, bool, int, int64, uint32, uint64:
		return x
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return j.fail(fmt.Errorf("%g has no form in JSON", x))
		}
		return x
	case string:
		return jsonText(x)
	case *Sequence:
		l, err := listOfSequence(x)
		if err != nil {
			l = append(l, Fault{err}) // where the walk ended
		}
		return j.any(l)
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = j.any(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[jsonText(k)] = j.any(e)
		}
		return out
	case value.Value:
		return j.value(x)
	case Printer:
		out, err := x.JSON()
		if err != nil {
			j.fail(err) // what it has nevertheless is passed on
		}
		return out
	}
	return j.fail(fmt.Errorf("%T has no form in JSON", x))
}

func (j *jsonWriter) value(v value.Value) any {
	if v.IsPerCPU() {
		return j.fail(errors.New("a per-CPU variable has no one content: per_cpu(NAME, CPU) is one CPU's"))
	}
	switch t := btf.Underlying(v.Type()).(type) {
	case *btf.Int:
		return j.integer(v, t)
	case *btf.Enum:
		n, err := v.Num()
		if err != nil {
			return j.fail(err)
		}
		if name, ok := t.ValueName(n.Bits); ok {
			return jsonText(name)
		}
		return signed(n)
	case *btf.Pointer:
		a, err := v.Pointer()
		if err != nil {
			return j.fail(err)
		}
		return a.String()
	case *btf.FuncProto:
		if a, ok := v.Addr(); ok {
			return a.String()
		}
		return nil
	case *btf.Array:
		return j.array(v)
	case *btf.Struct:
		return j.structure(v, t)
	case *btf.Void:
		return nil
	}
	data, err := v.Bytes()
	if err != nil {
		return j.fail(err)
	}
	return fmt.Sprintf("%x", data)
}

func signed(n value.Num) any {
	if n.Signed {
		return int64(n.Bits)
	}
	return n.Bits
}

func (j *jsonWriter) integer(v value.Value, t *btf.Int) any {
	if t.Size > 8 {
		data, err := v.Bytes()
		if err != nil {
			return j.fail(err)
		}
		digits := make([]byte, 0, len(data))
		for i := len(data) - 1; i >= 0; i-- {
			digits = append(digits, data[i])
		}
		return fmt.Sprintf("0x%x", digits)
	}
	n, err := v.Num()
	if err != nil {
		return j.fail(err)
	}
	switch width := v.BigEndianBits(); {
	case width != 0:
		return map[string]any{"host": value.Swap(n.Bits, width), "raw": n.Bits}
	case t.Bool && n.Bits <= 1:
		return n.Bits == 1
	}
	return signed(n)
}

func (j *jsonWriter) array(v value.Value) any {
	n, _ := v.Len() // 0 of an array without a length: nothing says how far it goes
	if _, _, ok := isText(v); ok && n > 0 {
		s, err := v.CString()
		if err != nil {
			return j.fail(err)
		}
		return jsonText(s)
	}
	if n > maxJSON-j.count {
		return j.fail(fmt.Errorf("an array of %d elements is too large for JSON", n))
	}
	out := make([]any, 0, n)
	for i := range n {
		e, err := v.Index(int64(i))
		if err != nil {
			return j.fail(err)
		}
		out = append(out, j.any(e))
	}
	return out
}

func (j *jsonWriter) structure(v value.Value, t *btf.Struct) any {
	out := map[string]any{}
	for f := range t.AllMembers() {
		name := jsonText(f.Path)
		m, err := v.Member(f.Path)
		if err != nil {
			out[name] = j.fail(err)
			continue
		}
		out[name] = j.any(m)
	}
	return out
}
