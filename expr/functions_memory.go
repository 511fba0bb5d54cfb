package expr

import (
	"encoding/hex"
	"fmt"
	"strings"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// maxDump bounds the bytes of one mem().
const maxDump = 64 << 10

// memoryFunctions need neither symbols nor types.
var memoryFunctions = []Function{
	{
		Name: "mem", Signature: "mem(ADDRESS[, LENGTH])", Topic: topicKernel,
		Doc:      "the bytes at an address, 64 or LENGTH of them; needs neither symbols nor types",
		Examples: []string{"mem(addr(init_net), 32)"},
		MinArgs:  1, MaxArgs: 2,
		Call: func(c *Call) (any, error) {
			n := int64(64)
			if len(c.Args) == 2 {
				var err error
				if n, err = c.Int(1, "the number of bytes"); err != nil {
					return nil, err
				}
			}
			if n < 1 || n > maxDump {
				return nil, fmt.Errorf("mem reads 1 to %d bytes", maxDump)
			}
			at, data, err := c.read(n)
			if err != nil {
				return nil, err
			}
			return dumped{at, data}, nil
		},
	},
}

// dumped is a piece of memory, shown as hexdump -C shows it.
type dumped struct {
	at   kmem.Addr
	data []byte
}

// Text implements [Printer].
func (m dumped) Text(value.Format) (string, error) {
	const row = 16
	var b strings.Builder
	for i := 0; i < len(m.data); i += row {
		if i > 0 {
			b.WriteByte('\n')
		}
		part := m.data[i:min(i+row, len(m.data))]
		fmt.Fprintf(&b, "%s  ", m.at.Add(int64(i)))
		for j := range row {
			if j == row/2 {
				b.WriteByte(' ')
			}
			if j < len(part) {
				fmt.Fprintf(&b, "%02x ", part[j])
			} else {
				b.WriteString("   ")
			}
		}
		b.WriteString(" |" + printable(part))
		b.WriteByte('|')
	}
	return b.String(), nil
}

// JSON implements [Printer].
func (m dumped) JSON() (any, error) {
	return map[string]any{"address": m.at.String(), "bytes": hex.EncodeToString(m.data)}, nil
}
