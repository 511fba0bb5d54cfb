package runbook

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// parseMetrics reads metrics as node_exporter's textfile collector does: with Prometheus' own parser, and names of
// the old kind. It refuses timestamps, as that does.
func parseMetrics(text string) (map[string]*dto.MetricFamily, error) {
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	for _, f := range families {
		seen := map[string]bool{}
		for _, m := range f.Metric {
			if m.TimestampMs != nil {
				return nil, errors.New("a sample has a timestamp")
			}
			key := fmt.Sprint(m.Label)
			if seen[key] {
				return nil, fmt.Errorf("%s has the labels %s twice", f.GetName(), key)
			}
			seen[key] = true
		}
		if f.GetHelp() == "" || f.GetType() != dto.MetricType_GAUGE {
			return nil, fmt.Errorf("%s lacks its HELP or TYPE", f.GetName())
		}
	}
	return families, nil
}

// lookup is the value of a sample.
func lookup(families map[string]*dto.MetricFamily, name string, labels ...string) string {
	f := families[name]
	if f == nil {
		return "no such metric"
	}
	for _, m := range f.Metric {
		have := map[string]string{}
		for _, l := range m.Label {
			have[l.GetName()] = l.GetValue()
		}
		same := len(have) == len(labels)/2
		for i := 0; i+1 < len(labels); i += 2 {
			same = same && have[labels[i]] == labels[i+1]
		}
		if same {
			return fmt.Sprint(m.GetGauge().GetValue())
		}
	}
	return "no such sample"
}

// TestMetrics: Prometheus' parser reads back what was said, whatever the labels are.
func TestMetrics(t *testing.T) {
	r, err := run(t, `
check a "b"
  each ['plain', "quo\"te", 'back\\slash', "new\nline", '{}=,', 'ü']
  label text = #
  value #index
  max 3
check twins "x"
  each [1, 1]
  value #
  max 1.5
check cond "x"
  holds false
check open "x"
  value (*(struct net_device *)8).mtu
  min 1
check part "x"
  each [netdev('lo', 'init_net'), (struct net_device *)8]
  value .mtu
  max 1
check none "x"
  each []
  holds #
`, Config{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseMetrics(r.Metrics())
	if err != nil {
		t.Fatalf("%v:\n%s", err, r.Metrics())
	}
	if !strings.HasSuffix(r.Metrics(), "\n# EOF\n") {
		t.Error("there is no # EOF, which OpenMetrics wants")
	}
	for _, c := range []struct {
		want   string
		name   string
		labels []string
	}{
		{"0", "kinspect_check_ok", []string{"check", "a"}},
		{"1", "kinspect_check_answered", []string{"check", "a"}},
		{"2", "kinspect_check_findings", []string{"check", "a"}},
		{"6", "kinspect_check_looked_at", []string{"check", "a"}},
		{"0", "kinspect_check_value", []string{"check", "a", "text", "plain"}},
		{"1", "kinspect_check_value", []string{"check", "a", "text", `quo"te`}},
		{"2", "kinspect_check_value", []string{"check", "a", "text", `back\slash`}},
		{"4", "kinspect_check_value", []string{"check", "a", "text", "{}=,"}},
		{"5", "kinspect_check_value", []string{"check", "a", "text", "ü"}},
		{"3", "kinspect_check_max", []string{"check", "a", "text", "plain"}},
		{"1", "kinspect_check_ok", []string{"check", "twins"}},
		{"1", "kinspect_check_value", []string{"check", "twins", "row", "1"}},
		{"1.5", "kinspect_check_max", []string{"check", "twins", "row", "0"}},
		{"0", "kinspect_check_value", []string{"check", "cond"}},
		{"0", "kinspect_check_ok", []string{"check", "open"}},
		{"0", "kinspect_check_answered", []string{"check", "open"}},
		{"0", "kinspect_check_findings", []string{"check", "open"}},
		{"no such sample", "kinspect_check_value", []string{"check", "open"}},
		{"0", "kinspect_check_answered", []string{"check", "part"}},
		{"1", "kinspect_check_findings", []string{"check", "part"}},
		{"1", "kinspect_check_ok", []string{"check", "none"}},
		{"0", "kinspect_check_looked_at", []string{"check", "none"}},
		{"1", "kinspect_check_run_timestamp_seconds", nil},
		{"1", "kinspect_check_kernel_info", []string{"release", "6.12"}},
	} {
		if got := lookup(m, c.name, c.labels...); got != c.want {
			t.Errorf("%s%q is %s, want %s", c.name, c.labels, got, c.want)
		}
	}
	if t.Failed() {
		t.Log(r.Metrics())
	}
}

// TestMetricsHostile: bytes of any kind in labels and names.
func TestMetricsHostile(t *testing.T) {
	row := func(s string) *Row { return &Row{Labels: []Label{{"x", s}}, Value: big.NewRat(1, 3)} }
	o := &Outcome{Check: "a", Rows: []*Row{row("\xff\xfe"), row("\x00\x1b[31m"), row("\u2028\u202e"), row(strings.Repeat("\\", 300)), row("\r\n\t")}}
	o.settle()
	r := NewReport("\xff\"\n", "", time.Unix(0, 0), []*Outcome{o})
	if _, err := parseMetrics(r.Metrics()); err != nil {
		t.Errorf("%v:\n%q", err, r.Metrics())
	}
}
