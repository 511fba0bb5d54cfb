package main

import (
	"strings"
)

// options are the flags. They may stand before and after the command; "--" ends
// them.
type options struct {
	core    string
	symbols string
	btf     string
	around  string
	netns   string
	output  string
	json    bool
	help    bool
	version bool
}

// parse takes the flags out of args and returns the rest. What follows "--" is
// left as it is, without the "--".
func (o *options) parse(args []string) ([]string, error) {
	var rest []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(rest, args[i+1:]...), nil
		}
		if len(arg) < 2 || arg[0] != '-' || isNumber(arg) {
			rest = append(rest, arg)
			continue
		}
		name, val, has := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if to := o.text(name); to != nil {
			if !has {
				if i++; i >= len(args) {
					return nil, usagef("%s needs a value", arg)
				}
				val = args[i]
			}
			if val == "" {
				return nil, usagef("%s needs a value that is not empty", arg)
			}
			*to = val
			continue
		}
		to := o.flag(name)
		if to == nil || has {
			return nil, usagef("no flag %q", arg)
		}
		*to = true
	}
	return rest, nil
}

// isNumber reports whether an argument that begins with a dash is an expression
// like -1.
func isNumber(arg string) bool { return arg[1] >= '0' && arg[1] <= '9' }

func (o *options) text(name string) *string {
	switch name {
	case "core":
		return &o.core
	case "symbols":
		return &o.symbols
	case "btf":
		return &o.btf
	case "around":
		return &o.around
	case "netns":
		return &o.netns
	case "o", "output":
		return &o.output
	}
	return nil
}

func (o *options) flag(name string) *bool {
	switch name {
	case "json":
		return &o.json
	case "h", "help":
		return &o.help
	case "V", "version":
		return &o.version
	}
	return nil
}
