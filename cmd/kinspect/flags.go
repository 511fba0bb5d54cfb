package main

import (
	"slices"
	"strings"
)

// flagInfo says what a flag is followed by, and which commands alone have it. A flag may mean one thing to some
// commands and another to others.
type flagInfo struct {
	name    string // "--core"
	about   string
	value   string // "", "file", or what else
	command string // "" for all, else one or several with blanks between them
	example string // of these: what stands behind the program's name
}

// of reports whether a command has the flag.
func (f flagInfo) of(command string) bool {
	return f.command == "" || slices.Contains(strings.Fields(f.command), command)
}

// flagInfos lists the flags.
var flagInfos = []flagInfo{
	{"--core", "a dump or snapshot instead of the running kernel", "file", "", ""},
	{"--symbols", "symbols from a System.map, a saved /proc/kallsyms or a vmlinux", "file", "", ""},
	{"--btf", "types from a copy of /sys/kernel/btf/vmlinux, or a vmlinux", "file", "", ""},
	{"--vmlinux", "debug information: a vmlinux, modules' files, a directory of them", "file", "", ""},
	{"--netns", "look in this network namespace", "netns", "", ""},
	{"--memory", "read the running kernel through /proc/kcore or BPF", "memory", "", ""},
	{"--set", "how values print: depth=2,hex", "value", "eval run trace count check repl", "eval --set hex,depth=1 EXPR"},
	{"--json", "print one JSON object", "", "", ""},
	{"--help", "what the command does", "", "", ""},
	{"--version", "print the version", "", "", ""},
	{"--around", "the N symbols on either side as well", "number", "sym", "sym --around 10 ADDR"},
	{"--kaslr-offset", "how far KASLR moved the kernel", "number", "sym", "sym --symbols System.map --kaslr-offset 0x1c000000 ADDR"},
	{"--u64", "8 bytes: a number, a symbol or an expression", "value", "search", "--core vmcore search --u64 init_net"},
	{"--u32", "4 bytes: the same", "value", "search", "--core vmcore search --u32 0xdeadbeef"},
	{"--bytes", "bytes in hexadecimal", "value", "search", `--core vmcore search --bytes "de ad be ef"`},
	{"--string", "a text", "value", "search", "--core vmcore search --string bond0"},
	{"--mask", "only these bits", "number", "search", "--core vmcore search --u64 init_net --mask 0xfffffffffffff000"},
	{"--align", "only multiples of N", "number", "search", "--core vmcore search --u64 init_net --align 8"},
	{"--limit", "stop after N matches", "number", "search", "--core vmcore search --u64 init_net --limit 10"},
	{"--context", "show the bytes around each match", "", "search", "--core vmcore search --u64 init_net --context"},
	{"--html", "write the answer as a page, too", "file", "explain demo", "explain bond0 --html bond0.html"},
	{"--all", "counters that are 0, too; every check", "", "snmp check count", "snmp --all"},
	{"--watch", "what moves from now on, a sample every 2s", "interval", "explain counters softnet snmp netstat", "explain bond0 --watch 2s"},
	{"--count", "end the watch after N samples", "number", "explain counters softnet snmp netstat", "explain bond0 --watch 2s --count 10"},
	{"--for", "how long, such as 10s", "interval", "drops trace count", "drops bond0 --for 10s"},
	{"--live", "then watch the drops for 5s, and compare", "interval", "explain", "explain bond0 --live 5s"},
	{"--frames", "keep N dropped frames of each row", "number", "drops", "drops bond0 --frames 5"},
	{"--pcap", "write them into this pcapng file, with the reasons", "file", "drops", "drops bond0 --pcap drops.pcapng"},
	{"--if", "tell only calls that this holds for", "value", "trace", "trace FUNC --if EXPR"},
	{"--show", "print these, with commas between", "value", "trace", "trace FUNC --show EXPR"},
	{"--ret", "tell the return, too, and what it is", "", "trace", "trace FUNC --ret"},
	{"--stack", "how it was called", "", "trace", "trace FUNC --stack"},
	{"--hist", "count the values of this instead", "value", "trace", "trace FUNC --hist EXPR"},
	{"--count", "end after N events", "number", "trace", "trace FUNC --count 10"},
	{"--by", "split the calls by the value of this", "value", "count", "count FUNC --by EXPR"},
	{"--preset", "functions that belong together, and what they say", "preset", "count", "count --preset tcp"},
	{"--metrics", "OpenMetrics text, as node_exporter reads it", "", "check", "check --metrics all"},
	{"--show", "the text of built-in checks", "", "check", "check --show bond-drops"},
	{"--output", "the file that is written", "file", "snapshot check", "snapshot -o FILE -- COMMAND…"},
	{"--format", "kdump, kdump-pages or elf", "format", "snapshot", "snapshot --format kdump -o FILE -- COMMAND…"},
	{"--redact", "keep the bytes that were asked for alone", "", "snapshot", "snapshot --redact -o FILE -- COMMAND…"},
}

// check refuses flags that a command does not have, and those that do not go together with others.
func (o *options) check(command string) error {
	if err := o.checkFlags(command); err != nil {
		return err
	}
	switch {
	case o.count != "" && o.watch == "" && slices.Contains(watchCommands, command):
		return usagef("--count belongs to --watch: kinspect explain bond0 --watch 2s --count 10")
	case o.memory != "" && len(o.core) > 0:
		return usagef("--memory is how the running kernel is read: a dump, of --core, is a file")
	}
	if err := o.checkPage(); err != nil {
		return err
	}
	return o.checkLive()
}

// checkFlags refuses flags that none of the commands has: the one that is run, and, in a snapshot, the one that it is of.
func (o *options) checkFlags(commands ...string) error {
	for _, name := range o.given {
		var owners []string
		example := ""
		mine := false
		for _, f := range flagInfos {
			if f.name != name {
				continue
			}
			mine = mine || slices.ContainsFunc(commands, f.of)
			owners = append(owners, strings.Fields(f.command)...)
			if example == "" {
				example = f.example
			}
		}
		if mine {
			continue
		}
		if i := slices.Index(owners, "repl"); i >= 0 {
			owners[i] = "the prompt"
		}
		list := owners[len(owners)-1]
		if n := len(owners) - 1; n > 0 {
			list = strings.Join(owners[:n], ", ") + " and " + list
		}
		return usagef("%s belongs to %s: kinspect %s", name, list, example)
	}
	return nil
}
