package main

import (
	"strings"

	"kinspect/btf"
)

// options are the flags. They may stand before and after the command; "--" ends
// them.
type options struct {
	given   []string // the flags by their long names, in their order
	core    []string // one dump; several files where it is split
	symbols string
	btf     string
	vmlinux []string // the kernel's, modules' files, directories of these
	around  string
	kaslr   string // --kaslr-offset
	netns   string
	memory  string // bpf, kcore or auto
	output  string
	set     string // how values print: all of sets
	sets    []string
	checkOptions
	html string // the page of explain
	searchOptions
	probeOptions
	traceOptions
	countOptions
	watch   string // the time between two samples
	count   string // of samples
	format  string // of a snapshot
	redact  bool
	all     bool // zeros, too
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

// probeOptions are the flags of live probes.
type probeOptions struct {
	duration string // --for
	frames   string // samples of each row
	pcap     string // a file for them
	live     string // explain: how long drops are watched
}

// parse takes the flags out of args and returns the rest. What follows "--" is
// left as it is, without the "--".
func (o *options) parse(args []string) ([]string, error) {
	var rest []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			o.set = strings.Join(o.sets, ",")
			return append(rest, args[i+1:]...), nil
		}
		if len(arg) < 2 || arg[0] != '-' || isNumber(arg) {
			rest = append(rest, arg)
			continue
		}
		name, val, has := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		command := ""
		if len(rest) > 0 {
			command = rest[0]
		}
		if f, ok := findFlag("--"+name, command); ok {
			o.given = append(o.given, f.name)
		}
		to, list := o.text(name, command), o.list(name)
		if to != nil || list != nil {
			if !has {
				if i++; i >= len(args) {
					return nil, usagef("%s needs a value", arg)
				}
				val = args[i]
				if _, ok := findFlag(val, command); ok && strings.HasPrefix(val, "--") {
					return nil, usagef("%s needs a value, and %s is a flag: %[1]s=%[2]s takes it as the value", arg, val)
				}
			}
			if val == "" {
				return nil, usagef("%s needs a value that is not empty", arg)
			}
			switch {
			case list != nil:
				*list = append(*list, val)
			case to == &o.shows && o.shows != "":
				o.shows += "," + val
			default:
				*to = val
			}
			continue
		}
		set := o.flag(name, command)
		if set == nil || has {
			return nil, noFlag(arg)
		}
		*set = true
	}
	o.set = strings.Join(o.sets, ",")
	return rest, nil
}

// noFlag is the error for what looks like a flag. Where it looks like an expression
// as well, it tells how to write one.
func noFlag(arg string) error {
	name := strings.TrimLeft(arg, "-")
	var names []string
	for _, f := range flagInfos {
		names = append(names, strings.TrimPrefix(f.name, "--"))
	}
	if near := btf.Near(name, names); len(near) > 0 && len(name) > 2 {
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

// list is a flag that may be given several times.
func (o *options) list(name string) *[]string {
	switch name {
	case "core":
		return &o.core
	case "vmlinux":
		return &o.vmlinux
	case "set":
		return &o.sets
	}
	return nil
}

// text is a flag with a value. What it is may depend on the command, where that stands before it.
func (o *options) text(name, command string) *string {
	switch name {
	case "show":
		if command == "trace" {
			return &o.shows
		}
	case "symbols":
		return &o.symbols
	case "btf":
		return &o.btf
	case "around":
		return &o.around
	case "kaslr-offset":
		return &o.kaslr
	case "netns":
		return &o.netns
	case "memory":
		return &o.memory
	case "o", "output":
		return &o.output
	case "html":
		return &o.html
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
	case "for":
		return &o.duration
	case "pcap":
		return &o.pcap
	case "live":
		return &o.live
	case "frames":
		return &o.frames
	case "if":
		return &o.cond
	case "by":
		return &o.by
	case "preset":
		return &o.preset
	case "hist":
		return &o.hist
	case "watch":
		return &o.watch
	case "count":
		return &o.count
	}
	return nil
}

func (o *options) flag(name, command string) *bool {
	switch name {
	case "json":
		return &o.json
	case "context":
		return &o.context
	case "all":
		return &o.all
	case "redact":
		return &o.redact
	case "ret":
		return &o.ret
	case "stack":
		return &o.stack
	case "metrics":
		return &o.metrics
	case "show":
		if command != "trace" {
			return &o.show
		}
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
	if o.all {
		words = append(words, "--all")
	}
	for _, set := range o.sets {
		words = append(words, "--set", set)
	}
	if o.metrics {
		words = append(words, "--metrics")
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
