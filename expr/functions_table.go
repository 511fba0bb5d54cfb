package expr

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"kinspect/btf"
	"kinspect/expr/value"
)

const topicShow = "show"

var tableFunctions = []Function{
	{
		Name: "table", Signature: "table(LIST, COLUMN, …)", Topic: topicShow,
		Doc: "a list as a table: of structs and maps a COLUMN is a member, 'name' or 'dev.kobj.name', " +
			"of lists the heading of an element",
		Examples: []string{
			"netdevs() | table('ifindex', 'name', 'mtu')",
			"netdevs() | map([.name, .mtu * 8]) | table('NAME', 'BITS')",
		},
		MinArgs: 2, MaxArgs: -1, Args: []ArgKind{AnyArg, WordArg, WordArg, WordArg, WordArg},
		Call: callTable,
	},
}

// table is rows of cells under headings.
type table struct {
	columns []string
	rows    [][]any
}

func callTable(c *Call) (any, error) {
	t := table{}
	for i := range c.Args[1:] {
		name, err := c.String(i+1, "a column")
		if err != nil {
			return nil, err
		}
		t.columns = append(t.columns, name)
	}
	s := c.Session
	err := s.iterate(c.frame, c.Arg(0), func(e *elem) error {
		if err := s.grow(len(t.columns) + 1); err != nil {
			return err
		}
		x := e.value()
		list, ok := x.([]any)
		if !ok {
			for _, column := range t.columns {
				cell, err := orFault(s.path(x, column))
				if err != nil {
					return err
				}
				list = append(list, cell)
			}
		}
		if len(list) != len(t.columns) {
			return fmt.Errorf("a row of %d elements in a table of %d columns", len(list), len(t.columns))
		}
		t.rows = append(t.rows, list)
		return nil
	})
	return t, err
}

// path is x.a.b.
func (s *Session) path(x any, path string) (any, error) {
	var err error
	for name := range strings.SplitSeq(path, ".") {
		if x, err = s.member(x, name, false); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// cell is a value in a table: bare, and text without quotes.
func cell(x any, f value.Format) (string, error) {
	switch v := x.(type) {
	case nil:
		return "-", nil
	case string:
		return value.Printable(v), nil
	case []any:
		var parts []string
		for _, e := range v {
			part, err := cell(e, f)
			if err != nil {
				return part, err
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, ","), nil
	case *Sequence:
		list, err := listOfSequence(v)
		if err != nil {
			return "", err
		}
		return cell(list, f)
	case value.Value:
		if s, ok, err := text(x); ok {
			return value.Printable(s), err
		}
		switch btf.Underlying(v.Type()).(type) {
		case *btf.Int, *btf.Enum, *btf.Pointer:
			return v.Bare(f)
		}
	}
	f.Width = 1 << 20
	out, err := briefText(x, f)
	return strings.ReplaceAll(value.Scrub(out), "\n", " "), err
}

// Text implements [Printer]. Columns of numbers alone are set right.
func (t table) Text(f value.Format) (string, error) {
	var first error
	widths := make([]int, len(t.columns))
	right := make([]bool, len(t.columns))
	for i, c := range t.columns {
		widths[i], right[i] = utf8.RuneCountInString(value.Printable(c)), len(t.rows) > 0
	}
	rows := make([][]string, len(t.rows))
	for n, row := range t.rows {
		for i, x := range row {
			s, err := cell(x, f)
			if err != nil && first == nil {
				first = err
			}
			rows[n] = append(rows[n], s)
			widths[i] = max(widths[i], utf8.RuneCountInString(s))
			right[i] = right[i] && isNumber(s)
		}
	}
	var b strings.Builder
	line := func(cells []string) {
		text := ""
		for i, s := range cells {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(s))
			if right[i] {
				text += pad + s + "  "
			} else {
				text += s + pad + "  "
			}
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	head := make([]string, len(t.columns))
	for i, c := range t.columns {
		head[i] = value.Printable(c)
	}
	line(head)
	for _, row := range rows {
		line(row)
	}
	return strings.TrimRight(b.String(), "\n"), first
}

func isNumber(s string) bool {
	return s == "-" || s != "" && strings.Trim(s, "0123456789.") == ""
}

// JSON implements [Printer]: [{COLUMN: value}].
func (t table) JSON() (any, error) {
	j := jsonWriter{}
	rows := make([]any, len(t.rows))
	for n, row := range t.rows {
		m := map[string]any{}
		for i, x := range row {
			m[t.columns[i]] = x
		}
		rows[n] = m
	}
	return j.any(rows), j.err
}
