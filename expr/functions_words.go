package expr

import (
	"encoding/binary"
	"fmt"
	"strings"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

var wordFunctions = []Function{
	{
		Name: "words", Signature: "words(ADDRESS[, COUNT[, SIZE]])", Topic: topicKernel,
		Doc:      "the integers at an address, 8 or COUNT of them, of 8 bytes or SIZE (1, 2, 4, 8) each, in hexadecimal; addresses with their symbols",
		Examples: []string{"words(addr(init_net), 4)", "words(addr(init_net), 8, 4)"},
		MinArgs:  1, MaxArgs: 3,
		Call: callWords,
	},
	readFunction(1), readFunction(2), readFunction(4), readFunction(8),
}

func readFunction(size uint32) Function {
	name := fmt.Sprintf("read_u%d", 8*size)
	t := &btf.Int{Name: fmt.Sprintf("u%d", 8*size), Size: size}
	return Function{
		Name: name, Signature: name + "(ADDRESS)", Topic: topicKernel,
		Doc:      fmt.Sprintf("the unsigned integer of %d bytes at an address; needs neither symbols nor types", size),
		Examples: []string{name + "(addr(init_net))"},
		MinArgs:  1, MaxArgs: 1,
		Call: func(c *Call) (any, error) {
			_, data, err := c.read(int64(size))
			if err != nil {
				return nil, err
			}
			return c.Session.kernel.InHand(t, data), nil
		},
	}
}

// read reads the memory at the address that the first argument is.
func (c *Call) read(n int64) (kmem.Addr, []byte, error) {
	at, err := addressOf(c.Arg(0))
	if err != nil {
		return 0, nil, err
	}
	if !c.Session.open() {
		return 0, nil, errNoKernel
	}
	if v, ok := c.Arg(0).(value.Value); ok && v.IsPerCPUPointer() {
		return 0, nil, v.Followed()
	}
	data := make([]byte, n)
	return at, data, c.Session.kernel.ReadMem(at, data)
}

func callWords(c *Call) (any, error) {
	count, size := int64(8), int64(8)
	var err error
	if len(c.Args) > 1 {
		if count, err = c.Int(1, "the number of integers"); err != nil {
			return nil, err
		}
	}
	if len(c.Args) > 2 {
		if size, err = c.Int(2, "the size of an integer"); err != nil {
			return nil, err
		}
	}
	switch size {
	case 1, 2, 4, 8:
	default:
		return nil, fmt.Errorf("an integer has 1, 2, 4 or 8 bytes, not %d", size)
	}
	if count < 1 || count > maxDump/size {
		return nil, fmt.Errorf("words reads 1 to %d integers of %d bytes", maxDump/size, size)
	}
	at, data, err := c.read(count * size)
	if err != nil {
		return nil, err
	}
	return wordList{c.Session.kernel, at, int(size), data}, nil
}

// wordList is memory as integers.
type wordList struct {
	k    *value.Kernel
	at   kmem.Addr
	size int
	data []byte
}

func (w wordList) at64(i int) uint64 {
	var b [8]byte
	copy(b[:], w.data[i*w.size:(i+1)*w.size])
	return binary.LittleEndian.Uint64(b[:])
}

// Text implements [Printer]: 16 bytes a line, with their characters; where words are addresses that have a
// symbol, that stands behind.
func (w wordList) Text(value.Format) (string, error) {
	var b strings.Builder
	perLine, n := 16/w.size, len(w.data)/w.size
	for i := 0; i < n; i += perLine {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s:", w.at.Add(int64(i*w.size)))
		var symbols []string
		for j := range perLine {
			if i+j >= n {
				fmt.Fprintf(&b, " %*s", 2*w.size, "")
				continue
			}
			u := w.at64(i + j)
			fmt.Fprintf(&b, " %0*x", 2*w.size, u)
			if w.size == 8 {
				if _, _, ok := w.k.SymbolAt(kmem.Addr(u)); ok {
					symbols = append(symbols, w.k.Symbolize(kmem.Addr(u)))
				}
			}
		}
		line := w.data[i*w.size : min((i+perLine)*w.size, len(w.data))]
		b.WriteString("  " + printable(line) + strings.Repeat(" ", 16-len(line)))
		if len(symbols) > 0 {
			b.WriteString("  " + strings.Join(symbols, ", "))
		}
		trimmed := strings.TrimRight(b.String(), " ")
		b.Reset()
		b.WriteString(trimmed)
	}
	return b.String(), nil
}

// printable is bytes as characters, a dot for what is none of ASCII's.
func printable(data []byte) string {
	out := make([]byte, len(data))
	for i, c := range data {
		if c < ' ' || c > '~' {
			c = '.'
		}
		out[i] = c
	}
	return string(out)
}

// JSON implements [Printer]: {"address", "size", "words": [numbers]}.
func (w wordList) JSON() (any, error) {
	words := make([]uint64, len(w.data)/w.size)
	for i := range words {
		words[i] = w.at64(i)
	}
	return map[string]any{"address": w.at.String(), "size": w.size, "words": words}, nil
}
