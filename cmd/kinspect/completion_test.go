package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// names are the words of a list.
func names(list []completionWord) []string {
	var out []string
	for _, w := range list {
		out = append(out, w.name)
	}
	return out
}

func TestCompleteWords(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"net/lo", "net/bond0", "netns/blue"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "net/bonding_masters"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	devices := "bond0 lo"
	for _, c := range []struct{ words, want string }{ // the words end with the one that is completed; _ is an empty one
		{"", "eval run explain …"},
		{"ex", "eval run explain …"},
		{"explain _", devices},
		{"explain bon", devices},
		{"explain bond0 _", ""},
		{"--json explain _", devices},
		{"--netns blue explain _", devices},
		{"--core vmcore explain _", ""},
		{"-core vmcore explain _", ""},
		{"--core=vmcore explain _", ""},
		{"--core = vmcore explain _", ""},
		{"explain --core vmcore _", ""},
		{"explain --netns _", "init_net all blue"},
		{"--netns=bl", "init_net all blue"},
		{"--core _", "files"},
		{"--core=vm", "files"},
		{"--core =", "files"},
		{"--core = vm", "files"},
		{"--vmlinux a --vmlinux _", "files"},
		{"--symbols _", "files"},
		{"--btf _", "files"},
		{"handler _", "IPv4 ARP IPv6 …"},
		{"handler LLDP _", devices},
		{"handler LLDP bond0 _", ""},
		{"run _", "files"},
		{"run x.ki _", ""},
		{"help _", "eval run explain …"},
		{"completion _", "bash zsh fish"},
		{"snapshot -o _", "files"},
		{"snapshot --format _", "kdump kdump-pages elf"},
		{"snapshot -o x -- _", "eval run explain handler counters softnet check snmp netstat"},
		{"netstat _", "snmp netstat snmp6"},
		{"check _", "all backlog-drops backlog-limit …"},
		{"check bond-drops ta", "all backlog-drops backlog-limit …"},
		{"check ./m", "files"},
		{"check --output _", "files"},
		{"snmp _", "Icmp6InCsumErrors Icmp6InDestUnreachs …"},
		{"snapshot -o x -- explain _", devices},
		{"--core v snapshot -o x -- explain _", ""},
		{"snapshot --r", "--core --symbols --btf …"},
		{"eval -- -", ""},
		{"sym --around _", ""},
		{"search --u64 _", ""},
		{"--nonsense _", "eval run explain …"},
	} {
		words := strings.Fields(c.words)
		for i := range words {
			words[i] = strings.TrimPrefix(words[i], "_")
		}
		files, list := completeWords(words, filepath.Join(dir, "net"), filepath.Join(dir, "netns"))
		got := strings.Join(names(list), " ")
		if files {
			got = "files"
		}
		if begin, cut := strings.CutSuffix(c.want, "…"); got != c.want && !(cut && strings.HasPrefix(got, begin)) {
			t.Errorf("%q: %s, want %s", c.words, got, c.want)
		}
	}
	// Each flag belongs to some commands.
	for command, want := range map[string]string{"sym": "--around", "search": "--u64", "snapshot": "--redact", "check": "--output"} {
		_, list := completeWords([]string{command, "--"}, "", "")
		_, others := completeWords([]string{"eval", "--"}, "", "")
		if !slices.Contains(names(list), want) || slices.Contains(names(others), want) {
			t.Errorf("%s: %v, and eval: %v", command, names(list), names(others))
		}
	}
}

// TestFlagInfos: the flags that completion knows are those that there are.
func TestFlagInfos(t *testing.T) {
	var o options
	for _, f := range flagInfos {
		name := strings.TrimPrefix(f.name, "--")
		command, _, _ := strings.Cut(f.command, " ")
		takes := o.text(name, command) != nil || o.list(name) != nil
		if takes != (f.value != "") || takes == (o.flag(name, command) != nil) {
			t.Errorf("%s: completion says that it takes %q", f.name, f.value)
		}
	}
	for line := range strings.SplitSeq(flagHelp+commandHelp["sym"].examples+commandHelp["search"].examples+commandHelp["trace"].examples+commandHelp["count"].examples+commandHelp["check"].examples+commandHelp["snapshot"].examples, "\n") {
		if name, _, _ := strings.Cut(strings.TrimPrefix(line, "  "), " "); strings.HasPrefix(name, "--") {
			if _, ok := findFlag(name, ""); !ok {
				t.Errorf("completion does not know %s", name)
			}
		}
	}
}

// shell names a shell that is there.
func shell(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("there is no %s here", name)
	}
	return path
}

// completionHome makes a directory with the program as kinspect, files, and a second program that knows nasty names.
func completionHome(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("kinspect", "#!/bin/sh\n"+childEnv+"=1 exec '"+self+"' \"$@\"\n")
	write("nasty", "#!/bin/sh\nprintf 'words\\n$(touch hacked)\\t`touch hacked`\\na b\\na;touch hacked\\n*\\n'\n")
	write("vm core", "")
	write("vmlinux", "")
	return dir
}

func inShell(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "hacked")); err == nil {
		t.Fatal("a name was run as a command")
	}
	return strings.TrimSpace(string(out))
}

// shellCases are command lines as bash splits them, and what they complete to; the live devices are this machine's.
var shellCases = []struct{ words, want string }{
	{"kinspect expl", "explain"},
	{"kinspect --vml", "--vmlinux"},
	{"kinspect --core vml", "vmlinux"},
	{"kinspect --core = vml", "vmlinux"},
	{"kinspect --core vmlinux explain l", ""},
	{"kinspect handler LL", "LLDP"},
	{"kinspect completion z", "zsh"},
}

func TestCompletionBash(t *testing.T) {
	skipToPlain(t)
	bash, dir := shell(t, "bash"), completionHome(t)
	cases := shellCases
	if _, err := os.Stat("/sys/class/net/lo"); err == nil {
		cases = append(slices.Clone(cases), struct{ words, want string }{"kinspect explain l", "lo"})
	}
	// What readline does: the function is called with the words, and leaves an array.
	const script = `eval "$(kinspect completion bash)"; [ "$(complete -p kinspect)" = "complete -F _kinspect kinspect" ] || exit 3
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kinspect; printf '%s\n' "${COMPREPLY[@]}"`
	for _, c := range cases {
		got := inShell(t, dir, bash, append([]string{"-c", script, "bash"}, strings.Fields(c.words)...)...)
		if c.want == "lo" && strings.Contains("\n"+got+"\n", "\nlo\n") {
			continue // others may begin so, too
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.words, got, c.want)
		}
	}
	if got := inShell(t, dir, bash, "-c", script, "bash", "kinspect", "--core", "vm"); got != "vm core\nvmlinux" && got != "vmlinux\nvm core" {
		t.Errorf("files: %q", got)
	}
	if got := inShell(t, dir, bash, "-c", script, "bash", "nasty", "explain", ""); got != `\$\(touch\ hacked\)`+"\na\\ b\na\\;touch\\ hacked\n\\*" {
		t.Errorf("nasty names: %q", got)
	}
}

// TestCompletionZsh calls the function as zsh's completion would, with its builtins written down instead.
func TestCompletionZsh(t *testing.T) {
	skipToPlain(t)
	zsh, dir := shell(t, "zsh"), completionHome(t)
	const script = `compdef() { print -r -- "compdef $*" }
compset() { PREFIX=${PREFIX#*=} }
_files() { print -rl -- ${PREFIX}*(N) }
compadd() { local n; for n in "${names[@]}"; do [[ $n == $PREFIX* ]] && print -r -- $n; done; return 0 }
eval "$(kinspect completion zsh)"
words=("$@"); CURRENT=$#; PREFIX=${words[-1]}; _kinspect`
	for _, c := range shellCases {
		words := strings.Fields(strings.ReplaceAll(c.words, " = ", "="))
		got := inShell(t, dir, zsh, append([]string{"-f", "-c", script, "zsh"}, words...)...)
		if want := strings.TrimSpace("compdef _kinspect kinspect\n" + c.want); got != want {
			t.Errorf("%s: %q, want %q", c.words, got, want)
		}
	}
	got := inShell(t, dir, zsh, "-f", "-c", script, "zsh", "nasty", "explain", "")
	if got != "compdef _kinspect kinspect\n$(touch hacked)\na b\na;touch hacked\n*" {
		t.Errorf("nasty names: %q", got)
	}
}

func TestCompletionFish(t *testing.T) {
	skipToPlain(t)
	fish, dir := shell(t, "fish"), completionHome(t)
	for _, c := range shellCases {
		line := strings.ReplaceAll(c.words, " = ", "=")
		got := inShell(t, dir, fish, "--no-config", "-c", "kinspect completion fish | source; complete -C '"+line+"'")
		want := c.want
		if strings.Contains(line, "=") {
			want = "--core=" + want
		}
		if name, _, _ := strings.Cut(got, "\t"); name != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// TestCompletionInTerminal presses Tab in zsh and bash on a terminal.
func TestCompletionInTerminal(t *testing.T) {
	dir := completionHome(t)
	for _, c := range [][2]string{
		{"bash", "bash --norc --noprofile"},
		{"zsh", "zsh -f"},
	} {
		t.Run(c[0], func(t *testing.T) {
			shell(t, c[0])
			m := newTerminal(t)
			m.enter("PATH=" + dir + ":$PATH PS1='in> ' " + c[1])
			m.wantLast("in>")
			if c[0] == "zsh" {
				m.enter("autoload -U compinit; compinit -u -d " + dir + "/dump")
			}
			m.enter(`eval "$(kinspect completion ` + c[0] + `)"; cd ` + dir + `; echo re""ady`)
			m.want("\nready")
			for _, line := range [][2]string{
				{"kinspect expl", "kinspect explain"},
				{"kinspect --core vml", "kinspect --core vmlinux"},
				{"kinspect --core=vm\\ ", "kinspect --core=vm\\ core"},
			} {
				m.text(line[0])
				m.keys("Tab")
				m.want("> " + line[1])
				m.keys("C-u")
			}
		})
	}
}
