package runbook

import (
	"os/exec"
	"strings"
	"testing"

	"kinspect/expr/value"
)

// TestNext: what is computed is a word of a shell's, or a list of them, and what is written stands as it is.
func TestNext(t *testing.T) {
	for _, c := range []struct{ next, row, want string }{
		{"'kinspect explain', #", "'bond0'", "kinspect explain bond0"},
		{"'kinspect explain', #", "'$(reboot)'", "kinspect explain '$(reboot)'"},
		{"'kinspect explain', #", "'a;id'", "kinspect explain 'a;id'"},
		{"'kinspect explain', #", "'`id`'", "kinspect explain '`id`'"},
		{"'kinspect explain', #", `"it's"`, `kinspect explain 'it'\''s'`},
		{"'kinspect explain', #", `"\xff"`, `kinspect explain $'\xff'`},
		{"'kinspect explain', #", "''", "kinspect explain ''"},
		{"'kinspect explain', #, '--json'", "'-h'", "kinspect explain -- -h --json"},
		{"'kinspect --netns', #, 'explain', #", "'-h'", "kinspect --netns -h explain -- -h"},
		{"'ip link show dev', #", "'-h'", "ip link show dev -h"},
		{"'sysctl x =', #", "-1", "sysctl x = -1"},
		{"'kinspect', '--netns=' + #", "'a b'", "kinspect '--netns=a b'"},
		{"'kinspect handler', ['LLDP', #]", "'a b'", "kinspect handler LLDP 'a b'"},
		{"'kinspect eval', 'stack(' + # + ')'", "'1'", "kinspect eval 'stack(1)'"},
		{"'a', (#)", "'; id'", "a '; id'"},
		{`"sed 's/it/\"/'", #`, "'x y'", `sed 's/it/"/' 'x y'`},
		{"'look at the $PATH'", "1", "look at the $PATH"},
	} {
		r, err := run(t, "check a \"b\"\n each ["+c.row+"]\n holds false\n next "+c.next+"\n", Config{})
		if err != nil {
			t.Errorf("%s of %s: %v", c.next, c.row, err)
			continue
		}
		if got := r.Checks[0].Rows[0].Next; got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.next, c.row, got, c.want)
		}
	}
}

// TestNextRefused: nothing that is computed stands within quotes that the author opened.
func TestNextRefused(t *testing.T) {
	for next, refused := range map[string]bool{
		`'kinspect eval "stack(', #, ')"'`: true,
		`"look at the switch's", #`:        true,
		"'echo `cat', #, '`'":              true,
		`"echo $'it\\'s", #, "'"`:          true,
		`"echo $'it\\'s'", #`:              false,
		`"echo \\'", #`:                    false,
		`"look at the switch's"`:           false,
		`"echo 'a' \"b\"", #`:              false,
	} {
		_, err := run(t, "check a \"b\"\n each [1]\n holds false\n next "+next+"\n", Config{})
		if (err != nil) != refused || refused && (!strings.HasPrefix(err.Error(), "book:4:") || !strings.Contains(err.Error(), "is open")) {
			t.Errorf("%s: %v", next, err)
		}
	}
}

// FuzzNext: whatever a name is, a shell reads the command as the words that it was made of.
func FuzzNext(f *testing.F) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		f.Skip(err)
	}
	for _, s := range []string{"$(reboot)", "`id`", "a;id", "it's", "-h", "\xff\xfe", "\\", "\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if strings.Contains(name, "\x00") {
			return // which no argument of a program has
		}
		out, err := exec.Command(bash, "-c", "printf '%s|' "+value.ShellWord("x"+name)).Output()
		if err != nil || string(out) != "x"+name+"|" {
			t.Errorf("%q: %q (%v)", name, out, err)
		}
	})
}

// TestContraryBounds: bounds that nothing can hold are refused before anything is looked at; of a row they leave it
// unanswered.
func TestContraryBounds(t *testing.T) {
	const book = "check a \"b\"\n let l = 4\n each [1, 2]\n value #\n max 0\ncheck c \"d\"\n each [1, 2]\n value #\n max 3\n"
	for _, c := range []struct {
		text     string
		settings []Setting
		want     string
	}{
		{book, []Setting{{"a", "min", "1"}}, "--set a.min: no value can be at least 1 and at most 0"},
		{book, []Setting{{"a", "min", "0"}}, "[row=0 1 finding]"},
		{book, []Setting{{"a", "min", "1"}, {"a", "max", "2"}}, "[row=0 1 fine] [row=1 2 fine]"},
		{book, []Setting{{"a", "min", "1"}, {"c", "max", "2"}}, "--set a.min: "},
		{book, []Setting{{"a", "min", "l"}}, "a unanswered answered=false [row=0 1 unanswered] [row=1 2 unanswered]"},
		{book, []Setting{{"c", "min", "# + 2"}}, "c finding answered=false [row=0 1 finding] [row=1 2 unanswered]"},
		{"check a \"b\"\n value 1\n max 0\n min 1\n", nil, "book:4:2: no value can be at least 1 and at most 0"},
	} {
		said := ""
		if r, err := run(t, c.text, Config{Settings: c.settings}); err != nil {
			said = err.Error()
		} else {
			said = outcome(r)
		}
		if !strings.Contains(said, c.want) {
			t.Errorf("%v:\n%s\nwant %s", c.settings, said, c.want)
		}
	}
}
