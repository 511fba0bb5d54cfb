package runbook

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"kinspect/expr"
	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

// session is one on the snapshot of 6.12.
func session(tb testing.TB) *expr.Session {
	tb.Helper()
	img := kernels.Open(tb, "6.12")
	k := value.New(img, img)
	return expr.NewSession(k, knet.New(k, host.None{}), expr.Options{NetNS: "all"})
}

func run(tb testing.TB, text string, c Config) (*Report, error) {
	tb.Helper()
	b, err := Parse("book", text)
	if err != nil {
		return nil, err
	}
	out, err := b.Run(context.Background(), session(tb), c)
	if err != nil {
		return nil, err
	}
	return NewReport("6.12", "a test", time.Unix(1, 0), out), nil
}

// outcome writes what came of each check, and of its rows.
func outcome(r *Report) string {
	var lines []string
	for _, o := range r.Checks {
		line := fmt.Sprintf("%s %s answered=%v", o.Check, o.Status, o.Answered)
		for _, row := range o.Rows {
			var labels []string
			for _, l := range row.Labels {
				labels = append(labels, l.Name+"="+l.Value)
			}
			n := "?"
			if row.Value != nil {
				n = text(row.Value)
			}
			line += fmt.Sprintf(" [%s %s %s]", strings.Join(labels, ","), n, row.status())
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// TestRun: what becomes of checks, with the truth of the lab's incident: bond0 dropped 48 frames itself, veth1 five.
func TestRun(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		says             []string // in the text for people
	}{
		{"a finding and a fine row", `
check a "b"
  each netdevs('init_net') | filter(.name == 'bond0' || .name == 'veth0')
  label device = .name
  value .rx_dropped
  max 0
  unit frames
  found 'dropped', .rx_dropped, "and more"
  next 'look at', .name
`, "a finding answered=true [device=veth0 0 fine] [device=bond0 48 finding]", []string{
			"FOUND  a  b\n       bond0: 48 frames, at most 0\n         dropped 48 and more\n         next: look at bond0\n",
			"1 check: 0 fine, 1 with findings\n",
		}},
		{"a condition", "check a \"b\"\n each ['IPv4']\n label e = #\n holds netdev('bond0', 'init_net').rx_dropped == 0\n", "a finding answered=true [e=IPv4 0 finding]", []string{"FOUND  a  b\n       IPv4\n"}},
		{"a condition that is a number", "check a \"b\"\n holds 4\n", "a fine answered=true [ 1 fine]", nil},
		{"no rows", "check a \"b\"\n each []\n value #\n max 1\n", "a nothing answered=true", []string{"-      a  b: there is nothing to look at"}},
		{"when", "check a \"b\"\n when 1 > 2, 'not', 3\n value nonesuch\n max 1\n", "", nil},
		{"it does not apply", "check a \"b\"\n when 1 > 2, 'no ' + string(3)\n value nonesuch\n max 1\n", "a nothing answered=true", []string{"-      a  b: no 3"}},
		{"it applies", "check a \"b\"\n when 2 > 1, 'no'\n value 1\n max 1\n", "a fine answered=true [ 1 fine]", []string{"fine   a  b: 1, at most 1"}},
		{"below", "check a \"b\"\n value -1\n min 0\n max 5\n", "a finding answered=true [ -1 finding]", []string{"-1, at most 5, at least 0"}},
		{"a fraction", "check a \"b\"\n value 1.0 / 3\n max 0.25\n", "a finding answered=true [ 0.3333333333333333 finding]", []string{"0.3333, at most 0.25"}},
		{"a large number", "check a \"b\"\n value 18446744073709551615u\n max 18446744073709551614u\n", "a finding answered=true [ 18446744073709551615 finding]", nil},
		{"a bound of the row", "check a \"b\"\n each [1, 2]\n value 2\n max # * 1.5\n", "a finding answered=true [row=0 2 finding] [row=1 2 fine]", nil},
		{"memory that is not there", `
check a "b"
  each [netdev('lo', 'init_net'), (struct net_device *)8]
  label n = #index
  value .mtu
  max 100000
`, "a unanswered answered=false [n=0 65536 fine] [n=1 ? unanswered]", []string{"?      a  b\n       could not be answered of n 1: book:5:10: "}},
		{"a finding, and what could not be answered", `
check a "b"
  each [netdev('lo', 'init_net'), (struct net_device *)8]
  label n = #index
  value .mtu
  max 1
`, "a finding answered=false [n=0 65536 finding] [n=1 ? unanswered]", []string{"FOUND  a  b\n       n 0: 65536, at most 1\n       could not be answered of n 1: "}},
		{"a label that cannot be read", "check a \"b\"\n each [(struct net_device *)8]\n label n = .name\n value 1\n max 1\n", "a unanswered answered=false [n=? 1 unanswered]", nil},
		{"a bound that cannot be read", "check a \"b\"\n each [(struct net_device *)8]\n value 1\n max .mtu\n", "a unanswered answered=false [ 1 unanswered]", nil},
		{"a name that the kernel lacks", "check a \"b\"\n value nonesuch\n max 1\ncheck c \"d\"\n value 1\n max 1\n", "a unanswered answered=false\nc fine answered=true [ 1 fine]", []string{"book:2:8: no symbol, function or enumerator is called nonesuch"}},
		{"found cannot be told", "check a \"b\"\n value 2\n max 1\n found (*(struct net_device *)8).mtu\n", "a finding answered=true [ 2 finding]", []string{"(more could not be told: book:4:"}},
		{"a value that is no number", "check a \"b\"\n value 'x'\n max 1\n", "a unanswered answered=false [ ? unanswered]", []string{"the value has to be a number, not the string"}},
		{"a value that is a truth", "check a \"b\"\n value true\n max 1\n", "a unanswered answered=false [ ? unanswered]", []string{"a condition stands behind holds"}},
		{"a condition that is none", "check a \"b\"\n holds 'x'\n", "a unanswered answered=false [ ? unanswered]", []string{"a condition is wanted here"}},
		{"each is no list", "check a \"b\"\n each 5\n value #\n max 1\n", "a unanswered answered=false", nil},
		{"too many rows", "check a \"b\"\n each 1..20000\n holds # < 30000\n", "", []string{"there are more than 10000"}},
		{"labels that are alike", "check a \"b\"\n each [1, 2]\n label row = 1\n value #\n max 2\n", "a fine answered=true [row=1,row_=0 1 fine] [row=1,row_=1 2 fine]", nil},
		{
			"what stands above", "let x = 2\nfn f(n) = n * x\ncheck a \"b\"\n let y = f(4)\n value y\n max 8\ncheck c \"d\"\n value f(x)\n max 3\n",
			"a fine answered=true [ 8 fine]\nc finding answered=true [ 4 finding]", nil,
		},
		{"a let is of its check alone", "check a \"b\"\n let y = 1\n value y\n max 8\ncheck c \"d\"\n value y\n max 3\n", "a fine answered=true [ 1 fine]\nc unanswered answered=false", nil},
		{"what stands above fails", "let x = nonesuch\ncheck a \"b\"\n value 1\n max 8\n", "a unanswered answered=false", []string{"book:1:9: no symbol"}},
		{"a function above fails", "fn f() = nonesuch\ncheck a \"b\"\n value 1\n max 8\n", "a unanswered answered=false", []string{"book:1:10: no symbol"}},
		{"a let fails", "check a \"b\"\n let x = nonesuch\n value 1\n max 8\n", "a unanswered answered=false", []string{"book:2:10: no symbol"}},
		{"a condition of when fails", "check a \"b\"\n when nonesuch, 'x'\n value 1\n max 8\n", "a unanswered answered=false", []string{"book:2:7: no symbol"}},
	} {
		r, err := run(t, c.text, Config{})
		if err != nil {
			if c.name != "when" {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if got := outcome(r); c.want != "" && got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
		for _, s := range c.says {
			if !strings.Contains(r.Text(), s) {
				t.Errorf("%s: it does not say %q:\n%s", c.name, s, r.Text())
			}
		}
		open := strings.Contains(c.want, "answered=false") || c.name == "too many rows"
		if r.Partial() != open || r.Drops() != strings.Contains(c.want, "finding") {
			t.Errorf("%s: partial %v, findings %v", c.name, r.Partial(), r.Drops())
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestRunErrors: what is wrong with the book's grammar is told before anything is looked at.
func TestRunErrors(t *testing.T) {
	for text, want := range map[string]string{
		"check a \"b\"\n value 1 +\n max 1\n":                       "book:2:11: ",
		"check a \"b\"\n value 1\n max (2\n":                        "book:3:8: ",
		"check a \"b\"\n value #\n max 1\n":                         "book:2:8: ",
		"check a \"b\"\n value 1\n max 1\n found 'x', 2 2\n":        "book:4:15: ",
		"check a \"b\"\n value 1\n max 1\n next\n  1\n  + / 2\n":    "book:6:5: ",
		"let x = 1 +\ncheck a \"b\"\n value 1\n max 1\n":            "book:1:12: ",
		"check a \"b\"\n let x = #\n value 1\n max 1\n":             "book:2:10: ",
		"check a \"b\"\n # no\n each [1,\n# no\n  2 2]\n holds #\n": "book:5:5: ",
	} {
		_, err := run(t, text, Config{})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestSettings: bounds and lets can be set from outside.
func TestSettings(t *testing.T) {
	const book = "check a \"b\"\n let n = 1\n each [1, 2]\n value # + n\n max 1\ncheck c \"d\"\n holds true\n"
	for _, c := range []struct {
		set, want, fails string
	}{
		{"a.max=5", "[row=0 2 fine] [row=1 3 fine]", ""},
		{"a.n=-1", "[row=0 0 fine] [row=1 1 fine]", ""},
		{"a.max= # + 1", "[row=0 2 fine] [row=1 3 fine]", ""},
		{"a.min=9", "", "--set a.min: no value can be at least 9 and at most 1"},
		{"a.min=1", "[row=0 2 finding] [row=1 3 finding]", ""},
		{"a.max=nonesuch", "a unanswered", ""},
		{"a.n=#", "", "--set a.n: "},
		{"a.max=1 +", "", "--set a.max: "},
		{"a.quite=1", "", "the check a has no \"quite\": there are max, min, n"},
		{"a.maks=1", "", "did you mean max"},
		{"c.max=1", "", "the check c has nothing to set"},
		{"x.max=1", "", "none takes it"},
		{"max=1", "", "a check's setting is CHECK.NAME=VALUE"},
		{"a.max", "", "a check's setting is CHECK.NAME=VALUE"},
		{"a.max=", "", "a check's setting is CHECK.NAME=VALUE"},
	} {
		said := func() string {
			s, err := ParseSetting(c.set)
			if err != nil {
				return err.Error()
			}
			b, err := Parse("book", book)
			if err != nil {
				return err.Error()
			}
			takes, err := b.Takes(s)
			switch {
			case err != nil:
				return err.Error()
			case !takes:
				return "none takes it"
			}
			r, err := run(t, book, Config{Settings: []Setting{s}, Only: []string{"a"}})
			if err != nil {
				return err.Error()
			}
			return outcome(r)
		}()
		if !strings.Contains(said, c.want) || !strings.Contains(said, c.fails) {
			t.Errorf("%s: %s", c.set, said)
		}
	}
}

// TestTimeout: a check that takes too long is not answered, and does not keep the others from being run.
func TestTimeout(t *testing.T) {
	r, err := run(t, `
check long "it ends"
  value 1..1000000000000 | count(# > 0)
  max 0
check rows "they end"
  each 1..10
  holds (1..1000000000000 | count(# > 0)) > 0
check short "it ends"
  value 1
  max 1
`, Config{Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	got := outcome(r)
	if !strings.HasPrefix(got, "long unanswered answered=false") || !strings.Contains(got, "\nrows unanswered") || !strings.HasSuffix(got, "short fine answered=true [ 1 fine]") {
		t.Errorf("%s", got)
	}
	if !strings.Contains(r.Text(), "took longer than 50ms") {
		t.Errorf("%s", r.Text())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b, err := Parse("book", good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Run(ctx, session(t), Config{}); err == nil || err.Error() != "stopped" {
		t.Errorf("stopped: %v", err)
	}
}

// TestJSON: the form that programs rely on.
func TestJSON(t *testing.T) {
	r, err := run(t, "check a \"b\"\n each [1]\n label x = 'y'\n value # / 4.0\n max 0\n unit u\n found 'f'\n next 'n'\ncheck c \"d\"\n holds true\ncheck e \"f\"\n value (*(struct net_device *)8).mtu\n max 1\n", Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range r.Checks {
		o.Seconds = 0
		for _, row := range o.Rows {
			row.Reason = strings.Repeat("r", len(row.Reason)/len("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"))[:min(1, len(row.Reason))]
		}
		o.Reason = o.Reason[:min(6, len(o.Reason))]
	}
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	var compact strings.Builder
	for line := range strings.Lines(string(b)) {
		compact.WriteString(strings.TrimSpace(line))
	}
	want := `{"kernel": "6.12","source": "a test","time": "1970-01-01T00:00:01Z","checks": [` +
		`{"check": "a","title": "b","status": "finding","answered": true,"reason": "","unit": "u","findings": 1,` +
		`"rows": [{"labels": {"x": "y"},"value": 0.25,"max": 0,"min": null,"status": "finding","found": "f","next": "n","reason": ""}],"seconds": 0},` +
		`{"check": "c","title": "d","status": "fine","answered": true,"reason": "","unit": "","findings": 0,` +
		`"rows": [{"labels": {},"value": true,"max": null,"min": null,"status": "fine","found": "","next": "","reason": ""}],"seconds": 0},` +
		`{"check": "e","title": "f","status": "unanswered","answered": false,"reason": "book:1","unit": "","findings": 0,` +
		`"rows": [{"labels": {},"value": null,"max": null,"min": null,"status": "unanswered","found": "","next": "","reason": "r"}],"seconds": 0}],` +
		`"fine": 1,"findings": 1,"nothing": 0,"unanswered": 1}`
	if compact.String() != want {
		t.Errorf("%s\nwant\n%s", compact.String(), want)
	}
}
