package main

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"kinspect/expr"
	"kinspect/expr/knet"
	"kinspect/repl"
)

const flagHelp = `flags, before or after the command:
  --core FILE    a dump or snapshot instead of the running kernel (ELF or
                 kdump-compressed, also flattened, .zst, .gz, .xz); a split
                 dump's files one by one: --core A --core B
  --symbols FILE symbols from a System.map, a saved /proc/kallsyms or a vmlinux
  --btf FILE     types from a copy of /sys/kernel/btf/vmlinux, or a vmlinux; both
                 files also as .zst, .gz, .xz; another kernel's are refused
  --vmlinux FILE lines of the source for line(), sym and dis(), and types where the
                 kernel has no BTF (20 s), from a vmlinux with debug
                 information (linux-image-RELEASE-dbg)
  --netns X      look in this network namespace: a name of ip netns, a process,
                 an inode number, init_net, or all
  --json         print one JSON object
exit codes: 0 fine, 1 a finding (drops; nothing handles it; no such symbol), 2 no answer, or one in part
`

// demoFlags are those of flagHelp that demo takes.
const demoFlags = `flags, before or after the command:
  --json         print one JSON object
`

// commandList is the list of commands for programs.
func commandList() map[string]any {
	type entry struct {
		Name  string `json:"name"`
		Args  string `json:"args"`
		About string `json:"about"`
	}
	var list []entry
	for _, c := range commands() {
		list = append(list, entry{c.name, c.args, c.about})
	}
	return map[string]any{"commands": list}
}

func (a *app) help(args []string) (int, error) {
	if a.options.json {
		if len(args) == 1 {
			return exitFailed, usagef("the help on a command is text: kinspect help %s; --json help lists the commands", args[0])
		}
		return exitFine, a.printJSON(commandList())
	}
	if len(args) == 1 {
		return exitFine, a.helpOn(args[0])
	}
	fmt.Fprint(a.stdout, "kinspect: look into a Linux kernel, running or dumped\n\n")
	for _, c := range commands() {
		fmt.Fprintf(a.stdout, "  kinspect %-30s %s\n", strings.TrimSpace(c.name+" "+c.args), wrapAbout(c.about))
	}
	fmt.Fprint(a.stdout, "\n", flagHelp, "\n",
		"examples:\n",
		"  kinspect explain bond0\n",
		"  kinspect handler 0x0004 bond0\n",
		"  kinspect eval \"netdev('bond0').rx_dropped\"\n",
		"  kinspect --core vmcore explain\n",
		"  kinspect sym --symbols System.map 0xffffffff81459d10\n",
		"  kinspect --core vmcore search --u64 init_net\n",
		"  kinspect snapshot -o bond0.kdump -- explain bond0\n",
		"\nkinspect help COMMAND tells more of one, kinspect help eval of expressions\n")
	return exitFine, nil
}

// commandHelp is what help tells of each command beyond its usage: examples, and
// what its exit codes mean.
var commandHelp = map[string]struct{ examples, exits string }{
	"eval": {
		`  kinspect eval "netdev('bond0').rx_dropped"
  kinspect eval "netdevs() | filter(.rx_dropped > 0) | map(.name)"
  kinspect eval init_net.dev_base_head "per_cpu(softnet_data, 0).processed"
  kinspect eval -- "-cast('u8', 1)"     after --, since it begins with -
`,
		"0 answered; 2 no answer, or one in part",
	},
	"run": {
		`  kinspect run bonds.ki                 on the running kernel
  kinspect --core vmcore run bonds.ki 100   the script finds "100" in args
  kinspect --json run bonds.ki          each print is one JSON value on a line
  kinspect run - <bonds.ki              from standard input
  kinspect run bonds.ki -- -x           an argument that begins with -

A file that begins with #!/usr/bin/env -S kinspect run is a program. What a script
may hold:
  let d = netdev('bond0')               a variable; d = … sets it
  if COND { … } else if COND { … } else { … }
  for d in netdevs() { … }              a list or a sequence; break, continue
  fn own(d) = d.rx_dropped              a function; fn f(a) { …; return a }
  print EXPR, …                         text; an expression alone prints, too
  assert COND, EXPR, …                  where COND does not hold, say so and go on
  require COND, EXPR, …                 the same, and end
  warn EXPR, …; exit [N]; args          args: what stands behind the script's name
Statements end with the line, or with ;. Expressions are those of eval.
`,
		"0 every assertion held; 1 one did not; 2 the script could not run to its end, or what exit said",
	},
	"explain": {
		`  kinspect explain bond0
  kinspect explain                      all devices of all namespaces that show a drop
  kinspect --netns blue explain eth0
  kinspect --json --core vmcore explain bond0
`,
		"0 the counters are zero; 1 there are drops; 2 no answer, or one in part (\"at least\")",
	},
	"handler": {
		`  kinspect handler LLDP bond0           on a device
  kinspect handler 0x0004 bond0         0x0004 is 802.2: STP, CDP, IS-IS
  kinspect handler ARP                  on any device of the namespace
`,
		"0 something takes the frame; 1 nothing takes it; 2 no answer, or one in part",
	},
	"snapshot": {
		`  kinspect snapshot -o bond0.kdump -- explain bond0
  kinspect snapshot -o bond0.kdump --redact -- explain bond0
  kinspect snapshot -o drops.elf --format elf -- eval "netdevs() | map(.rx_dropped)" "cpus()"
  kinspect --core bond0.kdump explain bond0
COMMAND is eval, run, explain or handler. The file holds memory of the kernel, and its
symbols and types whole: other questions work on it as far as that memory goes.
Where COMMAND fails, the file has what was read until then, and fails in the same
way: it shows somebody else why. The exit code is 2 then.
  --format kdump  kdump-compressed, which is the default: crash --minimal and drgn
                  open it, too
  --format kdump-pages  the same with symbols and types in the kernel's memory, as a
                  dump has them, and half as large again
  --format elf    an ELF core with virtual addresses, three times as large
  --redact        of the pages that COMMAND read, keep the bytes that it asked for
                  and make all others zeros. What the answer says stays, and so do
                  names of modules and network namespaces, and the command line
A name that ends in .zst packs the file as a whole, smaller still: unpack it for
crash and drgn (zstd -d).
`,
		"those of COMMAND; 2 also where the file could not be written",
	},
	"search": {
		`  kinspect --core vmcore search --u64 init_net               who points to it
  kinspect --core vmcore search --u64 "netdev('bond0')"      an expression's value, or its address
  kinspect --core vmcore search --u64 0xffff888004a80000 --mask 0xfffffffffffff000
  kinspect --core vmcore search --bytes 0180c2000000 --context
  kinspect --core vmcore search --string 'BOOT_IMAGE=' --limit 5

What to look for, one of:
  --u64 VALUE    8 bytes, little-endian, aligned to 8: a number, a symbol (with
                 +OFFSET; it stands for its address), or an expression
  --u32 VALUE    the same of 4 bytes, aligned to 4
  --bytes HEX    bytes in the order of memory, up to 4096
  --string TEXT  its bytes, as many
and how:
  --mask M       only these bits of the u64
  --align N      only addresses that are multiples of N, a power of two up to 4096
  --limit N      stop after N matches, up to 100000 (1000)
  --context      show the bytes around each match
A line a match: its physical address, and what is known of it: the virtual address
in the direct map, in the kernel's image or in a module, and the symbol there. Memory
that the dump does not hold is not searched, and the last lines tell how much that is.
`,
		"0 all that the dump holds was searched, or --limit reached, whatever was found; 2 no answer, or a part could not be read",
	},
	"sym": {
		`  kinspect sym --symbols System.map 0xffffffff81459d10     what is at an address
  kinspect sym --symbols kallsyms.txt ip_rcv+0x1f          where a function is
  kinspect sym --symbols System.map --kaslr-offset 0x1c000000 ADDR   the kernel was moved by KASLR
  kinspect sym --around 5 bond_handle_frame                of the running kernel, with its neighbours
  kinspect --core vmcore sym 0xffffffffc01cd6a8            of a dump, modules included

  --symbols FILE       a System.map, a saved /proc/kallsyms or a vmlinux: alone, it needs
                       no kernel; with --core, in place of the dump's own symbols
  --kaslr-offset HEX   with --symbols alone: how far KASLR moved the kernel from where the
                       file has it ("Kernel Offset" of a panic); 0 says that it did not
  --around N           the N symbols on either side as well, up to 10000
Offsets are hexadecimal, with or without 0x. Other names of an address are told beside.
`,
		"0 found; 1 not found; 2 no answer",
	},
	"demo": {
		`  kinspect demo
It brings its own snapshot, and takes neither --core nor --netns.
`,
		"0 shown; 2 it could not be",
	},
	"doctor": {
		`  kinspect doctor
  kinspect --core vmcore doctor
`,
		"0 nothing is missing; 1 answers lack something; 2 nothing can be answered",
	},
	"repl": {
		`  kinspect                              at the prompt, help shows what there is
  kinspect --core vmcore
  echo "netdev('bond0').mtu" | kinspect     one expression a line
`,
		"0 all was evaluated; 2 an expression of a pipe failed, in part or whole",
	},
}

// helpOn prints what there is about a command, else about a function.
func (a *app) helpOn(name string) error {
	c, ok := findCommand(name)
	if !ok {
		return a.helpOnFunction(name)
	}
	fmt.Fprintf(a.stdout, "kinspect %s\n%s", strings.TrimSpace(c.name+" "+c.args), repl.Indent(strings.Fields(c.about)))
	if name == "help" || name == "version" {
		return nil
	}
	more, ok := commandHelp[name]
	if !ok {
		fmt.Fprint(a.stdout, "\n", flagHelp)
		return nil
	}
	fmt.Fprint(a.stdout, "\nexamples:\n", more.examples)
	switch name {
	case "handler":
		var names []string
		for _, k := range knet.KnownEthertypes {
			names = append(append(names, k.Name), k.Aliases...)
		}
		fmt.Fprintf(a.stdout, "\nETHERTYPE is a number, in host order, or a name in whatever case:\n%s", repl.Indent(names))
	case "eval", "repl":
		fmt.Fprint(a.stdout, "\nfunctions (kinspect help NAME tells more of one, kinspect help language of the\nlanguage):\n")
		repl.Overview(a.stdout, allFunctions())
	}
	flags, _, _ := strings.Cut(flagHelp, "exit codes:")
	if name == "demo" {
		flags = demoFlags
	}
	fmt.Fprint(a.stdout, "\n", flags, "exit codes: ", more.exits, "\n")
	return nil
}

// helpOnFunction prints what the prompt has on a function, a command of its own or a topic.
func (a *app) helpOnFunction(name string) error {
	var text bytes.Buffer
	if repl.Help(&text, allFunctions(), name) == nil {
		_, err := a.stdout.Write(text.Bytes())
		return err
	}
	var names []string
	for _, f := range allFunctions() {
		names = append(names, f.Name)
	}
	return noCommand(name, names...)
}

// allFunctions are those of the language, without a kernel to call them on.
func allFunctions() []expr.Function {
	s := expr.NewSession(nil, nil, expr.Options{})
	registerChecks(s, nil, "")
	return s.Functions()
}

// wrapAbout breaks a long description under its own column.
func wrapAbout(s string) string {
	const width, indent = 62, 42
	var b strings.Builder
	col := 0
	for i, w := range strings.Fields(s) {
		if i > 0 && col+1+len(w) > width {
			b.WriteString("\n" + strings.Repeat(" ", indent))
			col = 0
		} else if i > 0 {
			b.WriteString(" ")
			col++
		}
		b.WriteString(w)
		col += len(w)
	}
	return b.String()
}

func (a *app) version([]string) (int, error) {
	v, commit := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		v = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	if a.options.json {
		return exitFine, a.printJSON(map[string]any{"version": v, "commit": commit, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	}
	if commit != "" {
		v += " " + commit
	}
	fmt.Fprintf(a.stdout, "kinspect %s (%s, %s/%s)\n", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitFine, nil
}
