package disasm

import (
	"fmt"
	"strings"

	"kinspect/expr/debuginfo"
	"kinspect/expr/value"
)

// Text prints a listing for people: address, distance from the symbol, bytes, instruction; where debug
// information tells, the line of the source above the first of its instructions.
func (l *Listing) Text(value.Format) (string, error) {
	var b strings.Builder
	if l.Whole {
		fmt.Fprintf(&b, "%s:\n", l.name())
	}
	width := 0
	for _, line := range l.Lines {
		width = max(width, len(line.Bytes))
	}
	last := ""
	for _, line := range l.Lines {
		if s := debuginfo.Text(line.Source); s != last {
			last = s
			if s == "" {
				s = "?"
			}
			fmt.Fprintf(&b, "; %s\n", s)
		}
		where := ""
		if l.Symbol.Name != "" {
			where = fmt.Sprintf("+%#-6x", line.Offset)
		}
		fmt.Fprintf(&b, "%s %s %-*x  %s\n", line.Addr, where, 2*width, line.Bytes, line.Text)
	}
	if n := l.bad(); n > 0 {
		fmt.Fprintf(&b, "(%d of %d lines are bytes of instructions that are not known here, or of data)\n", n, len(l.Lines))
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func (l *Listing) name() string {
	if l.Symbol.Module != "" {
		return value.Printable(l.Symbol.Name) + " [" + value.Printable(l.Symbol.Module) + "]"
	}
	return value.Printable(l.Symbol.Name)
}

func (l *Listing) bad() (n int) {
	for _, line := range l.Lines {
		if line.Bad {
			n++
		}
	}
	return n
}

// JSON is the listing for programs: {"symbol", "module", "whole", "code": [{"address", "offset",
// "bytes", "text", "lines"}]}; symbol, module and offset are null where there is none, lines (see [debuginfo.Frame]) are
// absent.
func (l *Listing) JSON() (any, error) {
	type line struct {
		Address string  `json:"address"`
		Offset  *uint64 `json:"offset"`
		Bytes   string  `json:"bytes"`
		Text    string  `json:"text"`

		Lines []debuginfo.Frame `json:"lines,omitempty"`
	}
	out := struct {
		Symbol *string `json:"symbol"`
		Module *string `json:"module"`
		Whole  bool    `json:"whole"`
		Code   []line  `json:"code"`
	}{Whole: l.Whole, Code: []line{}}
	if l.Symbol.Name != "" {
		name := value.Printable(l.Symbol.Name)
		out.Symbol = &name
	}
	if l.Symbol.Module != "" {
		module := value.Printable(l.Symbol.Module)
		out.Module = &module
	}
	for _, i := range l.Lines {
		row := line{Address: i.Addr.String(), Bytes: fmt.Sprintf("%x", i.Bytes), Text: i.Text, Lines: i.Source}
		if l.Symbol.Name != "" {
			row.Offset = &i.Offset
		}
		out.Code = append(out.Code, row)
	}
	return out, nil
}
