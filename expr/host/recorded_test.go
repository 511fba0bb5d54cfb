package host

import (
	"strings"
	"testing"
)

// TestRecordedDamaged: what a damaged snapshot does not say is not 0.
func TestRecordedDamaged(t *testing.T) {
	const stats = `{"RxDropped":53,"TxDropped":1,"RxMissed":2,"RxNoHandler":3,"RxOtherHostDropped":4}`
	r, err := NewRecorded([]byte(`{"links":{"1/2":{"stats":` + stats + `},"1/3":{"stats":` + stats + `,"err":"gone"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := r.LinkStats(1, 2); err != nil || s != (LinkStats{53, 1, 2, 3, 4}) {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := r.LinkStats(1, 3); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("error %v", err)
	}
	for _, tt := range []struct{ json, want string }{
		{`{"links":{"1/2":{"stats":` + strings.Replace(stats, "RxDropped", "RyDropped", 1) + `}}}`, `"1/2" has no RxDropped`},
		{`{"links":{"1/2":{"stats":` + strings.Replace(stats, "RxMissed", "RxDropped", 1) + `}}}`, `"1/2" has no RxMissed`},
		{`{"links":{"1/2":{"ststs":` + stats + `}}}`, `"1/2" has no Rx`},
		{`{"links":{"1/2":{"stats":` + stats + `},"1/2":{"stats":` + stats + `}}}`, `"1/2" comes twice`},
		{`{"links":[]}`, "no object"},
	} {
		if _, err := NewRecorded([]byte(tt.json)); err == nil || !strings.Contains(err.Error(), "damaged") ||
			!strings.Contains(err.Error(), tt.want) && !strings.Contains(tt.want, "has no Rx") {
			t.Errorf("%s: error %v does not say %q", tt.json, err, tt.want)
		}
	}
}
