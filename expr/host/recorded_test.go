package host

import (
	"encoding/json"
	"maps"
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
	if s, err := r.LinkStats(1, 2); err != nil || !maps.Equal(s, LinkStats{"rx_dropped": 53, "tx_dropped": 1, "rx_missed_errors": 2, "rx_nohandler": 3, "rx_otherhost_dropped": 4}) {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := r.LinkStats(1, 3); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("error %v", err)
	}
	for _, tt := range []struct{ json, want string }{
		{`{"links":{"1/2":{"stats":` + strings.Replace(stats, "RxDropped", "RyDropped", 1) + `}}}`, `"1/2" has no rx_packets`},
		{`{"links":{"1/2":{"stats":` + strings.Replace(stats, "RxMissed", "RxDropped", 1) + `}}}`, `"1/2" has no RxMissed`},
		{`{"links":{"1/2":{"ststs":` + stats + `}}}`, `"1/2" has no rx_packets`},
		{`{"links":{"1/2":{"stats":` + stats + `},"1/2":{"stats":` + stats + `}}}`, `"1/2" comes twice`},
		{`{"links":{"1/2":{"stats":{"rx_packets":1,"tx_packets":1}}}}`, `"1/2" has no rx_bytes`},
		{`{"links":[]}`, "no object"},
	} {
		if _, err := NewRecorded([]byte(tt.json)); err == nil || !strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v does not say %q", tt.json, err, tt.want)
		}
	}
}

// wholeLink is the facts of a host with one device, whose fields are all different.
type wholeLink struct {
	None
	fields []string
}

func (w wholeLink) LinkStats(uint64, int) (LinkStats, error) {
	stats := LinkStats{}
	for i, field := range w.fields {
		stats[field] = uint64(i) + 1<<40
	}
	return stats, nil
}

// TestRecordedLink: all fields come back, and one that the kernel does not have stays absent.
func TestRecordedLink(t *testing.T) {
	for _, fields := range [][]string{LinkFields, LinkFields[:len(LinkFields)-1]} {
		from := wholeLink{fields: fields}
		rec := NewRecorder(from)
		want, _ := rec.LinkStats(1, 2)
		data, err := rec.JSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := NewRecorded(json.RawMessage(data))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := back.LinkStats(1, 2); err != nil || !maps.Equal(got, want) || len(got) != len(fields) {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	}
}
