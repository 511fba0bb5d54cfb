package expr

import (
	"context"
	"strings"
	"testing"
)

func TestDis(t *testing.T) {
	s := testKernel(t, "6.12")
	for src, want := range map[string]string{
		"dis('n_tty_ops')":                  "n_tty_ops is no code",
		"dis('no_such_function')":           "no symbol",
		"dis(0x1000)":                       "no symbol holds",
		"dis('netif_rx', 0)":                "has to be from 1 to",
		"dis('netif_rx')":                   "reading the code", // a snapshot has not the code of functions that nobody asked for
		"dis('start_kernel')":               "was freed",
		"dis('ima_appraise_parse_cmdline')": "was freed",
	} {
		if _, err := s.Eval(context.Background(), src); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", src, err, want)
		}
	}
}
