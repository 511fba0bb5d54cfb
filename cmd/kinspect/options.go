package main

import (
	"strings"

	"kinspect/btf"
)

// options are the flags. They may stand before and after the command; "--" ends
// them.
type options struct {
	core    []string // one dump; several files where it is split
	symbols string
	btf     string
	vmlinux string
	around  string
	kaslr   string // --kaslr-offset
	netns   string
	output  string
	searchOptions
	format  string // of a snapshot
	redact  bool
	json    bool
	help    bool
	version bool
}

// searchOptions are the flags of search alone.
type searchOptions struct {
	bytes, u64, u32, str string // what to look for
	mask, align, limit   string
	context              bool
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
		if to := o.text(name); to != nil || name == "core" {
			if !has {
				if i++; i >= len(args) {
					return nil, usagef("%s needs a value", arg)
				}
				val = args[i]
			}
			if val == "" {
				return nil, usagef("%s needs a value that is not empty", arg)
			}
			if name == "core" {
				o.core = append(o.core, val)
			} else {
				*to = val
			}
			continue
		}
		to := o.flag(name)
		if to == nil || has {
			return nil, noFlag(arg)
		}
		*to = true
	}
	return rest, nil
}

// noFlag is the error for what looks like a flag. Where it looks like an expression
// as well, it tells how to write one.
func noFlag(arg string) error {
	name := strings.TrimLeft(arg, "-")
	if near := btf.Near(name, []string{"core", "netns", "symbols", "btf", "vmlinux", "around", "kaslr-offset", "output", "json", "help", "version", "bytes", "string", "mask", "align", "limit", "context", "format", "redact"}); len(near) > 0 && len(name) > 2 {
		return usagef("no flag %q: did you mean --%s?", arg, near[0])
	}
	if strings.HasPrefix(arg, "--") && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz-") == "" {
		return usagef("no flag %q", arg)
	}
	return usagef("no flag %q; an expression that begins with - stands behind --: kinspect eval -- %s", arg, commandLine([]string{arg}))
}

// isNumber reports whether an argument that begins with a dash is an expression
// like -1.
func isNumber(arg string) bool { return arg[1] >= '0' && arg[1] <= '9' }

func (o *options) text(name string) *string {
	switch name {
	case "symbols":
		return &o.symbols
	case "btf":
		return &o.btf
	case "vmlinux":
		return &o.vmlinux
	case "around":
		return &o.around
	case "kaslr-offset":
		return &o.kaslr
	case "netns":
		return &o.netns
	case "o", "output":
		return &o.output
	case "bytes":
		return &o.bytes
	case "u64":
		return &o.u64
	case "u32":
		return &o.u32
	case "string":
		return &o.str
	case "mask":
		return &o.mask
	case "align":
		return &o.align
	case "limit":
		return &o.limit
	case "format":
		return &o.format
	}
	return nil
}

func (o *options) flag(name string) *bool {
	switch name {
	case "json":
		return &o.json
	case "context":
		return &o.context
	case "redact":
		return &o.redact
	case "h", "help":
		return &o.help
	case "V", "version":
		return &o.version
	}
	return nil
}

// words is the command line of a command with the flags that matter to its answer,
// but for the file, which a snapshot's reader names anew.
func (o *options) words(command string, args []string) []string {
	var words []string
	if o.netns != "" {
		words = append(words, "--netns", o.netns)
	}
	if o.json {
		words = append(words, "--json")
	}
	words = append(words, command)
	for _, a := range args {
		if len(a) > 1 && a[0] == '-' && !isNumber(a) {
			words = append(words, "--")
			break
		}
	}
	return append(words, args...)
}

// commandLine writes words so that a shell reads them as they are.
func commandLine(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		switch {
		case w != "" && strings.Trim(w, shellPlain) == "":
		case strings.Contains(w, "'") && !strings.ContainsAny(w, "\"$`\\!"):
			w = `"` + w + `"`
		default:
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		quoted[i] = w
	}
	return strings.Join(quoted, " ")
}

// shellPlain are the characters that mean nothing to a shell.
const shellPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./:,@%="
