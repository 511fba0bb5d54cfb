package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
)

// FactsKey is the name under which a snapshot keeps these facts.
const FactsKey = "host"

// recording is the JSON form of facts in a snapshot.
type recording struct {
	Self  *uint64           `json:"self_netns,omitempty"`
	Named map[string]uint64 `json:"named_netns,omitempty"`
	PIDs  map[string]uint64 `json:"pid_netns,omitempty"`
	Links links             `json:"links,omitempty"` // by "NETNS/IFINDEX"
	// Ethtool is what drivers said of their devices, by "NETNS/NAME".
	Ethtool map[string]*ethtoolRecord `json:"ethtool,omitempty"`
}

// links are records of devices. A device that comes twice, or without one of its numbers, was
// damaged: a number that is missing must not be read as 0.
type links map[string]*LinkRecord

// UnmarshalJSON implements [json.Unmarshaler].
func (l *links) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("the devices are no object")
	}
	*l = links{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		var raw struct {
			Stats map[string]uint64 `json:"stats"`
			Err   string            `json:"err"`
		}
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		if _, twice := (*l)[name]; twice {
			return fmt.Errorf("device %q comes twice", name)
		}
		stats, err := recordedStats(raw.Stats, raw.Err != "")
		if err != nil {
			return fmt.Errorf("device %q has %w", name, err)
		}
		(*l)[name] = &LinkRecord{Stats: stats, Err: raw.Err}
	}
	return nil
}

// oldFields are the names that snapshots had for the fields at first, five of them alone.
var oldFields = map[string]string{
	"RxDropped": "rx_dropped", "TxDropped": "tx_dropped", "RxMissed": "rx_missed_errors",
	"RxNoHandler": "rx_nohandler", "RxOtherHostDropped": "rx_otherhost_dropped",
}

// recordedStats takes the fields of either kind of snapshot. All have to be there but
// rx_otherhost_dropped, which older kernels do not have; where netlink failed there may be none.
func recordedStats(raw map[string]uint64, failed bool) (LinkStats, error) {
	if len(raw) == 0 && failed {
		return nil, nil
	}
	stats := LinkStats{}
	if _, old := raw["RxDropped"]; !old {
		for i, field := range LinkFields {
			n, ok := raw[field]
			if !ok && i < len(LinkFields)-1 {
				return nil, fmt.Errorf("no %s", field)
			}
			if ok {
				stats[field] = n
			}
		}
		return stats, nil
	}
	for field, name := range oldFields {
		n, ok := raw[field]
		if !ok {
			return nil, fmt.Errorf("no %s", field)
		}
		stats[name] = n
	}
	return stats, nil
}

// LinkRecord is what netlink said of one device: its statistics, or why not.
type LinkRecord struct {
	Stats LinkStats `json:"stats,omitempty"`
	Err   string    `json:"err,omitempty"`
}

func linkKey(netns uint64, ifindex int) string { return fmt.Sprintf("%d/%d", netns, ifindex) }

// Recorder passes questions on and remembers the answers, for a snapshot.
type Recorder struct {
	from Facts
	mu   sync.Mutex
	rec  recording
}

// NewRecorder records what is asked of from.
func NewRecorder(from Facts) *Recorder {
	return &Recorder{from: from, rec: recording{PIDs: map[string]uint64{}, Links: map[string]*LinkRecord{}, Ethtool: map[string]*ethtoolRecord{}}}
}

// LinkStats implements [Facts]. The last answer is the one that stays.
func (r *Recorder) LinkStats(netns uint64, ifindex int) (LinkStats, error) {
	s, err := r.from.LinkStats(netns, ifindex)
	r.mu.Lock()
	defer r.mu.Unlock()
	rec := &LinkRecord{Stats: s}
	if err != nil {
		rec.Err = err.Error()
	}
	r.rec.Links[linkKey(netns, ifindex)] = rec
	return s, err
}

// ethtoolRecord is what a driver said of its device, or why it did not.
type ethtoolRecord struct {
	Stats []EthtoolStat `json:"stats"`
	Err   string        `json:"err,omitempty"`
}

func ethtoolKey(netns uint64, device string) string { return fmt.Sprintf("%d/%s", netns, device) }

// EthtoolStats implements [Facts].
func (r *Recorder) EthtoolStats(netns uint64, device string) ([]EthtoolStat, error) {
	stats, err := r.from.EthtoolStats(netns, device)
	r.mu.Lock()
	defer r.mu.Unlock()
	rec := &ethtoolRecord{Stats: stats}
	if err != nil {
		rec.Err = err.Error()
	}
	r.rec.Ethtool[ethtoolKey(netns, device)] = rec
	return stats, err
}

// SelfNetNS implements [Facts].
func (r *Recorder) SelfNetNS() (uint64, error) {
	n, err := r.from.SelfNetNS()
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.rec.Self = &n
	}
	return n, err
}

// NamedNetNS implements [Facts].
func (r *Recorder) NamedNetNS() (map[string]uint64, error) {
	m, err := r.from.NamedNetNS()
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.rec.Named = m
	}
	return m, err
}

// PIDNetNS implements [Facts].
func (r *Recorder) PIDNetNS(pid int) (uint64, error) {
	n, err := r.from.PIDNetNS(pid)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.rec.PIDs[strconv.Itoa(pid)] = n
	}
	return n, err
}

// JSON is what was recorded.
func (r *Recorder) JSON() (json.RawMessage, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return json.Marshal(&r.rec)
}

// Recorded is the facts of a snapshot.
type Recorded struct{ rec recording }

// NewRecorded reads what [Recorder.JSON] wrote.
func NewRecorded(data json.RawMessage) (*Recorded, error) {
	r := &Recorded{}
	if err := json.Unmarshal(data, &r.rec); err != nil {
		return nil, fmt.Errorf("the host's facts in the snapshot are damaged: %w", err)
	}
	return r, nil
}

// LinkStats implements [Facts].
func (r *Recorded) LinkStats(netns uint64, ifindex int) (LinkStats, error) {
	l := r.rec.Links[linkKey(netns, ifindex)]
	switch {
	case l == nil:
		return nil, ErrUnknown
	case l.Err != "":
		return nil, fmt.Errorf("when the snapshot was taken: %s", strconv.Quote(l.Err))
	}
	return l.Stats, nil
}

// EthtoolStats implements [Facts].
func (r *Recorded) EthtoolStats(netns uint64, device string) ([]EthtoolStat, error) {
	e := r.rec.Ethtool[ethtoolKey(netns, device)]
	switch {
	case e == nil:
		return nil, ErrUnknown
	case e.Err != "":
		return nil, fmt.Errorf("when the snapshot was taken: %s", strconv.Quote(e.Err))
	}
	return e.Stats, nil
}

// SelfNetNS implements [Facts].
func (r *Recorded) SelfNetNS() (uint64, error) {
	if r.rec.Self == nil {
		return 0, ErrUnknown
	}
	return *r.rec.Self, nil
}

// NamedNetNS implements [Facts].
func (r *Recorded) NamedNetNS() (map[string]uint64, error) {
	if r.rec.Named == nil {
		return nil, ErrUnknown
	}
	return r.rec.Named, nil
}

// PIDNetNS implements [Facts].
func (r *Recorded) PIDNetNS(pid int) (uint64, error) {
	n, ok := r.rec.PIDs[strconv.Itoa(pid)]
	if !ok {
		return 0, ErrUnknown
	}
	return n, nil
}
