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
		rec := &LinkRecord{Err: raw.Err}
		for field, to := range map[string]*uint64{
			"RxDropped": &rec.Stats.RxDropped, "TxDropped": &rec.Stats.TxDropped, "RxMissed": &rec.Stats.RxMissed,
			"RxNoHandler": &rec.Stats.RxNoHandler, "RxOtherHostDropped": &rec.Stats.RxOtherHostDropped,
		} {
			n, ok := raw.Stats[field]
			if !ok {
				return fmt.Errorf("device %q has no %s", name, field)
			}
			*to = n
		}
		(*l)[name] = rec
	}
	return nil
}

// LinkRecord is what netlink said of one device: its statistics, or why not.
type LinkRecord struct {
	Stats LinkStats `json:"stats"`
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
	return &Recorder{from: from, rec: recording{PIDs: map[string]uint64{}, Links: map[string]*LinkRecord{}}}
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
		return LinkStats{}, ErrUnknown
	case l.Err != "":
		return LinkStats{}, fmt.Errorf("when the snapshot was taken: %s", strconv.Quote(l.Err))
	}
	return l.Stats, nil
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
