package expr

import (
	"fmt"
	"strings"

	"kinspect/expr/ksys"
	"kinspect/expr/value"
)

const topicSystem = "system"

var systemFunctions = []Function{
	{
		Name: "dmesg", Signature: "dmesg()", Topic: topicSystem,
		Doc:      "the kernel's log as {seq, time, level, facility, caller, text}, printed as dmesg does (prb, kernel/printk)",
		Examples: []string{"dmesg() | filter(.level <= 3)", "dmesg() | filter(.text contains 'bond') | map(.text)"},
		Call:     callDmesg,
	},
}

func callDmesg(c *Call) (any, error) {
	s := c.Session
	if !s.open() {
		return nil, errNoKernel
	}
	k := s.kernel
	return &Sequence{Of: "messages", Each: func(visit func(any) error) error {
		return ksys.EachMessage(k, func(m ksys.Message) error {
			if err := s.stopped(); err != nil {
				return err
			}
			return visit(message{m})
		})
	}}, nil
}

// message is a record of the kernel's log.
type message struct{ ksys.Message }

// time is the message's time in seconds since boot.
func (m message) time() float64 { return float64(m.Nsec) / 1e9 }

// Field implements [Record].
func (m message) Field(name string) (any, bool) {
	switch name {
	case "seq":
		return m.Seq, true
	case "time":
		return m.time(), true
	case "level":
		return int(m.Level), true
	case "facility":
		return int(m.Facility), true
	case "caller":
		return m.Caller, true
	case "text":
		return m.Message.Text, true
	}
	return nil, false
}

// FieldNames implements [Record].
func (m message) FieldNames() []string {
	return []string{"seq", "time", "level", "facility", "caller", "text"}
}

// Text implements [Printer]: the lines of dmesg, each of a message's with the time.
func (m message) Text(value.Format) (string, error) {
	// Not rounded: the kernel cuts the time to microseconds.
	prefix := fmt.Sprintf("[%5d.%06d] ", m.Nsec/1e9, m.Nsec/1e3%1e6)
	text := m.Message.Text
	if m.Lost {
		text = "(overwritten)"
	}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = prefix + value.Scrub(l)
	}
	return strings.Join(lines, "\n"), nil
}

// JSON implements [Printer].
func (m message) JSON() (any, error) {
	return map[string]any{
		"seq": m.Seq, "time": m.time(), "level": m.Level, "facility": m.Facility,
		"caller": m.Caller, "text": value.Printable(m.Message.Text),
	}, nil
}
