package expr

import (
	"context"
	"slices"
	"strings"
	"testing"

	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/testdata/kernels"
)

// TestSNMP: the counters are members by nstat's names, and print without zeros.
func TestSNMP(t *testing.T) {
	img := kernels.OpenLosses(t)
	k := value.New(img, img)
	s := NewSession(k, knet.New(k, host.None{}), Options{})
	for _, c := range [][2]string{
		{"snmp('init_net').UdpRcvbufErrors", "47"},
		{"snmp().TcpMaxConn", "-1"},
		{"snmp().UdpRcvbufErrors / snmp().UdpInErrors", "1"},
		{"snmp().Ip6InDiscards", "0"},
	} {
		if r, err := s.Eval(context.Background(), c[0]); err != nil {
			t.Errorf("%s: %v", c[0], err)
		} else if got, err := r.Text(value.DefaultFormat); err != nil || got != c[1] {
			t.Errorf("%s: %s, %v; want %s", c[0], got, err, c[1])
		}
	}
	r, err := s.Eval(context.Background(), "snmp()")
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.Text(value.DefaultFormat)
	if err != nil || !strings.Contains(text, "\nUdpRcvbufErrors") || strings.Contains(text, "UdpNoPorts") {
		t.Errorf("%v:\n%s", err, text)
	}
	for _, bad := range [][2]string{
		{"snmp().UdpRcvbufError", "did you mean"}, {"snmp('all')", "name one"}, {"snmp('nowhere')", "no network namespace"},
	} {
		if _, err := s.Eval(context.Background(), bad[0]); err == nil || !strings.Contains(err.Error(), bad[1]) {
			t.Errorf("%s: %v, want %q", bad[0], err, bad[1])
		}
	}
	const line = "snmp().TcpExtListen"
	_, got, _ := s.Complete(line, len(line))
	if !slices.ContainsFunc(got, func(c string) bool { return strings.HasSuffix(c, "TcpExtListenDrops") }) {
		t.Errorf("completion: %v", got)
	}
}
