package value

import (
	"os/exec"
	"testing"
)

// hostile are texts that a shell would read in its own way, as names of devices can be.
var hostile = []string{
	"", "bond0", "eth0.5", "$(reboot)", "a;id", "`id`", "a b", "it's", `"`, `\`, `\xff`, "a\\'b", "~", "*", "#x", "!!", "-h", "--json",
	"a=b", "{a,b}", "\xff\xfe", "\x1b[31m", "a\nb", "\t", "ü", "\xffa", "\u202eabc", "a'\x01'b", "$HOME", "&", "|", "<", ">", "(", "[0]", "?",
}

// TestShellWord: a shell passes the word on as the bytes that it was made of, and it can be printed.
func TestShellWord(t *testing.T) {
	for s, want := range map[string]string{
		"bond0": "bond0", "eth0.5": "eth0.5", "": "''", "$(reboot)": "'$(reboot)'", "it's": `'it'\''s'`, "\xff\xfe": `$'\xff\xfe'`, "a=b": "'a=b'",
	} {
		if got := ShellWord(s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	for _, s := range hostile {
		w := ShellWord(s)
		if Scrub(w) != w {
			t.Errorf("%q: %q cannot be printed", s, w)
		}
		out, err := exec.Command(bash, "-c", "printf %s "+w).Output()
		if s != "" && s[0] == '-' {
			out, err = exec.Command(bash, "-c", "printf %s%s -- "+w).Output()
			s = "--" + s
		}
		if err != nil || string(out) != s {
			t.Errorf("%s: %q, want %q (%v)", w, out, s, err)
		}
	}
}
