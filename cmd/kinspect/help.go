package main

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"

	"kinspect/expr"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/repl"
)

// helpWidth is how wide help is: that of a terminal at least.
const helpWidth = 80

const flagHelp = `flags, before or after the command:
  --core FILE    a dump or snapshot instead of the running kernel (ELF or
                 kdump-compressed, also flattened, .zst, .gz, .xz); a split
                 dump's files one by one: --core A --core B
  --symbols FILE symbols from a System.map, a saved /proc/kallsyms or a vmlinux
  --btf FILE     types from a copy of /sys/kernel/btf/vmlinux, or a vmlinux;
                 both files also as .zst, .gz, .xz; another kernel's are refused
  --vmlinux FILE lines of the source for line(), sym and dis(), and types where
                 the kernel has no BTF (10 s), from a vmlinux with debug
                 information (linux-image-RELEASE-dbg); again for a module's
                 file, or a directory with these
  --netns X      look in this network namespace: a name of ip netns, a process,
                 an inode number, init_net, or all
  --memory WAY   read the running kernel through kcore (/proc/kcore) or bpf
                 alone; auto: kcore, and bpf where that is not there or refused.
                 The variable KINSPECT_MEMORY says the same
  --set OPTIONS  how eval, run and the prompt print values, as its set has it:
                 --set hex,depth=1; kinspect help eval lists them
  --json         print one JSON object
exit codes: 0 fine, 1 a finding (drops; nothing handles it; no such symbol),
            2 no answer, or one in part
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
	var text strings.Builder
	fmt.Fprint(&text, "kinspect: look into a Linux kernel, running or dumped\n\nkinspect COMMAND:\n")
	for _, c := range commands() {
		fmt.Fprintf(&text, "  %-31s %s\n", strings.TrimSpace(c.name+" "+c.args), wrapAbout(c.about))
	}
	fmt.Fprint(&text, "\n", flagHelp, "\n",
		"examples:\n",
		"  kinspect explain bond0\n",
		"  kinspect explain bond0 --watch 2s\n",
		"  kinspect handler 0x0004 bond0\n",
		"  kinspect eval \"netdev('bond0').rx_dropped\"\n",
		"  kinspect --core vmcore explain\n",
		"  kinspect sym --symbols System.map 0xffffffff81459d10\n",
		"  kinspect --core vmcore search --u64 init_net\n",
		"  kinspect snapshot -o bond0.kdump -- explain bond0\n",
		"\nkinspect help COMMAND tells more of one, kinspect help eval of expressions\n")
	_, err := io.WriteString(a.stdout, repl.Fit(text.String(), helpWidth))
	return exitFine, err
}

// helpOn prints what there is about a command, else about a function.
func (a *app) helpOn(name string) error {
	c, ok := findCommand(name)
	if !ok {
		return a.helpOnFunction(name)
	}
	var text strings.Builder
	defer func() { _, _ = io.WriteString(a.stdout, repl.Fit(text.String(), helpWidth)) }()
	fmt.Fprintf(&text, "kinspect %s\n%s", strings.TrimSpace(c.name+" "+c.args), repl.Indent(strings.Fields(c.about)))
	if name == "help" || name == "version" {
		return nil
	}
	more, ok := commandHelp[name]
	if !ok {
		fmt.Fprint(&text, "\n", flagHelp)
		return nil
	}
	fmt.Fprint(&text, "\nexamples:\n", more.examples)
	switch name {
	case "handler":
		var names []string
		for _, k := range knet.KnownEthertypes {
			names = append(append(names, k.Name), k.Aliases...)
		}
		fmt.Fprintf(&text, "\nETHERTYPE is a number, in host order, or a name in whatever case:\n%s", repl.Indent(names))
	case "eval", "repl":
		fmt.Fprint(&text, "\nfunctions (kinspect help NAME tells more of one, kinspect help language of the\nlanguage):\n")
		repl.Overview(&text, allFunctions())
	}
	switch name {
	case "eval", "repl", "run":
		fmt.Fprint(a.stdout, "\noptions of --set, several with commas between them:\n")
		for _, o := range value.FormatOptions {
			fmt.Fprintf(a.stdout, "  %-14s %s\n", o[0], o[1])
		}
	}
	flags, _, _ := strings.Cut(flagHelp, "exit codes:")
	if name == "demo" {
		flags = demoFlags
	}
	fmt.Fprint(&text, "\n", flags)
	for i, l := range repl.Wrap(strings.Fields(more.exits), helpWidth-len("exit codes: ")) {
		label := ""
		if i == 0 {
			label = "exit codes:"
		}
		fmt.Fprintf(&text, "%-11s %s\n", label, l)
	}
	return nil
}

// helpOnFunction prints what the prompt has on a function, a command of its own or a topic.
func (a *app) helpOnFunction(name string) error {
	var text bytes.Buffer
	if repl.Help(&text, allFunctions(), name) == nil {
		_, err := io.WriteString(a.stdout, repl.Fit(text.String(), helpWidth))
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
	const indent = 34
	const width = helpWidth - indent
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
	v, commit := buildVersion()
	if a.options.json {
		return exitFine, a.printJSON(map[string]any{"version": v, "commit": commit, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	}
	if commit != "" {
		v += " " + commit
	}
	fmt.Fprintf(a.stdout, "kinspect %s (%s, %s/%s)\n", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitFine, nil
}
