package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

const flagHelp = `flags, before or after the command:
  --core FILE    a dump or snapshot instead of the running kernel (ELF, also .zst)
  --symbols FILE symbols from a System.map, a saved /proc/kallsyms or a vmlinux
  --btf FILE     types from a copy of /sys/kernel/btf/vmlinux, or a vmlinux
  --netns X      look in this network namespace: a name of ip netns, a process,
                 an inode number, init_net, or all
  --json         print one JSON object
exit codes: 0 fine, 1 a finding (drops; nothing handles it; no such symbol), 2 no answer, or one in part
`

func (a *app) help(args []string) (int, error) {
	if len(args) == 1 {
		c, ok := findCommand(args[0])
		if !ok {
			return exitFailed, usagef("no command %q", args[0])
		}
		fmt.Fprintf(a.stdout, "kinspect %s\n  %s\n\n%s", strings.TrimSpace(c.name+" "+c.args), c.about, flagHelp)
		return exitFine, nil
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
		"  kinspect snapshot -o bond0.elf.zst -- explain bond0\n")
	return exitFine, nil
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
	v := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		v = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v += " " + s.Value
			}
		}
	}
	fmt.Fprintf(a.stdout, "kinspect %s (%s, %s/%s)\n", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitFine, nil
}
