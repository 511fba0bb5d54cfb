package main

import (
	"embed"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kinspect/expr/check"
	"kinspect/expr/knet"
	"kinspect/expr/probe"
	"kinspect/expr/value"
)

// The scripts ask the program itself what there is to complete, by "kinspect completion words -- WORD…", the last word
// being what is completed: so they know the flags and commands of the program that is there. The first line of the
// answer is "files", or "words" before a line for each word, with a tab and what it is.
//
//go:embed completion
var completionScripts embed.FS

// completion prints a shell's script, or the words that a script asks for.
func (a *app) completion(args []string) (int, error) {
	if args[0] == "words" {
		return exitFine, a.completionWords(args[1:])
	}
	if len(args) > 1 {
		return exitFailed, usagef("usage: kinspect completion bash|zsh|fish")
	}
	script, err := completionScripts.ReadFile("completion/kinspect." + args[0])
	if err != nil || strings.Contains(args[0], "/") {
		return exitFailed, usagef("there is completion for bash, zsh and fish, not for %q", args[0])
	}
	_, err = a.stdout.Write(script)
	return exitFine, err
}

func (a *app) completionWords(words []string) error {
	files, list := completeWords(words, "/sys/class/net", "/run/netns")
	if files {
		_, err := a.stdout.Write([]byte("files\n"))
		return err
	}
	var out strings.Builder
	out.WriteString("words\n")
	for _, w := range list {
		if w.name != value.Printable(w.name) {
			continue // a device that is called so is not for a terminal
		}
		out.WriteString(w.name)
		if w.about != "" {
			out.WriteString("\t" + w.about)
		}
		out.WriteByte('\n')
	}
	_, err := a.stdout.Write([]byte(out.String()))
	return err
}

// completionWord is a word that may stand somewhere.
type completionWord struct{ name, about string }

// findFlag finds a flag as it is typed: with one dash or two, and -o for --output.
func findFlag(typed, command string) (flagInfo, bool) {
	name := "--" + strings.TrimLeft(typed, "-")
	if name == "--o" {
		name = "--output"
	}
	i := slices.IndexFunc(flagInfos, func(f flagInfo) bool { return f.name == name && f.of(command) })
	if i < 0 {
		i = slices.IndexFunc(flagInfos, func(f flagInfo) bool { return f.name == name })
	}
	if i < 0 || !strings.HasPrefix(typed, "-") {
		return flagInfo{}, false
	}
	return flagInfos[i], true
}

// completeWords tells what may stand in the place of the last word: file names, or a list of words. Names of devices are
// those of the running kernel, in the directory devices; of a dump's nothing is known without opening it.
func completeWords(words []string, devices, namespaces string) (files bool, list []completionWord) {
	words = joinFlags(words)
	if len(words) == 0 {
		words = []string{""}
	}
	last := words[len(words)-1]
	var command string
	var args []string // of the command
	var awaited flagInfo
	core, inner, rest := false, false, false
	for _, w := range words[:len(words)-1] {
		switch {
		case awaited.value != "":
			awaited = flagInfo{}
		case w == "--" && !rest:
			if command == "snapshot" { // another command's line follows
				command, args, inner = "", nil, true
				continue
			}
			rest = true
		case !rest && len(w) > 1 && w[0] == '-':
			name, _, has := strings.Cut(w, "=")
			f, _ := findFlag(name, command)
			core = core || f.name == "--core"
			if !has {
				awaited = f
			}
		case command == "":
			command = w
		default:
			args = append(args, w)
		}
	}
	if name, _, has := strings.Cut(last, "="); has && awaited.value == "" && !rest {
		awaited, _ = findFlag(name, command)
	}
	switch awaited.value {
	case "file":
		return true, nil
	case "netns":
		return false, append([]completionWord{{"init_net", "the first one"}, {"all", "all of them"}}, namesIn(namespaces)...)
	case "format":
		return false, []completionWord{{"kdump", ""}, {"kdump-pages", ""}, {"elf", ""}}
	case "preset":
		for _, name := range probe.Presets() {
			list = append(list, completionWord{name, ""})
		}
		return false, list
	case "memory":
		return false, []completionWord{{memoryAuto, "kcore, else bpf"}, {memoryKcore, "/proc/kcore alone"}, {memoryBPF, "BPF alone"}}
	case "interval":
		return false, []completionWord{{"1s", ""}, {"2s", ""}, {"10s", ""}, {"1m", ""}}
	case "number", "value":
		return false, nil
	}
	if strings.HasPrefix(last, "-") && !rest {
		for _, f := range flagInfos {
			if f.of(command) {
				list = append(list, completionWord{f.name, f.about})
			}
		}
		return false, list
	}
	live := func() []completionWord {
		if core {
			return nil
		}
		return namesIn(devices)
	}
	switch {
	case command == "" && inner:
		return false, slices.DeleteFunc(commandWords(), func(w completionWord) bool {
			return !slices.Contains(snapshotCommands, w.name)
		})
	case command == "", command == "help" && len(args) == 0:
		return false, commandWords()
	case command == "run" && len(args) == 0:
		return true, nil
	case command == "explain" && len(args) == 0, command == "counters" && len(args) == 0, command == "handler" && len(args) == 1:
		return false, live()
	case command == "handler" && len(args) == 0:
		for _, k := range knet.KnownEthertypes {
			list = append(list, completionWord{k.Name, ""})
		}
		return false, list
	case command == "netstat":
		for _, name := range knet.SNMPFiles {
			list = append(list, completionWord{name, "/proc/net/" + name})
		}
		return false, list
	case command == "check":
		if strings.ContainsAny(last, "./") { // no name of a check has these
			return true, nil
		}
		return false, checkWords()
	case command == "trace" && len(args) == 0:
		return false, targetWords(kallsyms, last)
	case command == "count":
		return false, functionWords(kallsyms, last)
	case command == "snmp":
		for _, name := range check.SNMPNames() {
			list = append(list, completionWord{name, ""})
		}
		return false, list
	case command == "completion" && len(args) == 0:
		return false, []completionWord{{"bash", ""}, {"zsh", ""}, {"fish", ""}}
	}
	return false, nil
}

// joinFlags makes one word of --flag, = and its value, which bash takes for three.
func joinFlags(words []string) []string {
	var out []string
	for i := 0; i < len(words); i++ {
		if words[i] == "=" && len(out) > 0 && strings.HasPrefix(out[len(out)-1], "--") && !strings.Contains(out[len(out)-1], "=") {
			out[len(out)-1] += "="
			if i++; i < len(words) {
				out[len(out)-1] += words[i]
			}
			continue
		}
		out = append(out, words[i])
	}
	return out
}

func commandWords() []completionWord {
	var list []completionWord
	for _, c := range commands() {
		about, _, _ := strings.Cut(c.about, ";")
		list = append(list, completionWord{c.name, about})
	}
	return list
}

// namesIn lists what is in a directory. Of /sys/class/net that is devices and, where bonding is loaded, a file.
func namesIn(dir string) []completionWord {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var list []completionWord
	for _, e := range entries {
		if e.Name() == "bonding_masters" {
			if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && !info.IsDir() {
				continue
			}
		}
		list = append(list, completionWord{name: e.Name()})
	}
	return list
}
