package search

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// Answer is what a search found. Its JSON is part of the program's interface. Hits are worked out
// one by one when they are asked for, as long as the image is open: there may be 100,000, with their context.
type Answer struct {
	Kernel  string `json:"kernel"`
	Source  string `json:"source"`
	Pattern string `json:"pattern"`
	Bytes   string `json:"bytes"` // hexadecimal, in the order of memory
	Mask    string `json:"mask,omitempty"`
	Align   uint64 `json:"align"`
	Hits    []Hit  `json:"hits"` // empty: see All
	More    bool   `json:"more"` // there are more hits than were asked for
	// Interrupted: somebody stopped it.
	Interrupted bool     `json:"interrupted,omitempty"`
	Searched    uint64   `json:"searched_bytes"`
	Unread      []Unread `json:"unread"`
	// LeftOut is null where the dump does not tell, or is a snapshot.
	LeftOut *uint64 `json:"left_out_bytes"`

	snapshot bool
	addrs    []uint64
	hit      func(addr uint64) Hit
}

// All yields the hits.
func (a *Answer) All(yield func(Hit) bool) {
	for _, addr := range a.addrs {
		if !yield(a.hit(addr)) {
			return
		}
	}
}

// MarshalJSON implements [json.Marshaler].
func (a *Answer) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := a.WriteJSON(&b)
	return b.Bytes(), err
}

// WriteJSON writes the answer as one line, hit by hit.
func (a *Answer) WriteJSON(w io.Writer) error {
	type plain Answer
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode((*plain)(a)); err != nil {
		return err
	}
	// Within a string the quotes would be escaped.
	list := []byte(`"hits":[`)
	head, tail, _ := bytes.Cut(bytes.Clone(b.Bytes()), list)
	if _, err := w.Write(append(head, list...)); err != nil {
		return err
	}
	first := true
	for h := range a.All {
		b.Reset()
		if !first {
			b.WriteByte(',')
		}
		first = false
		if err := enc.Encode(h); err != nil {
			return err
		}
		if _, err := w.Write(bytes.TrimRight(b.Bytes(), "\n")); err != nil {
			return err
		}
	}
	_, err := w.Write(tail)
	return err
}

// Hit is a place. What is not known of it is null.
type Hit struct {
	Phys    *string  `json:"phys"`    // physical address; null where a snapshot does not know it
	Address *string  `json:"address"` // a virtual one: in the kernel's image, else in a module, else in the direct map
	Direct  *string  `json:"direct"`  // in the direct map
	Image   *string  `json:"image"`   // in the kernel's image
	Module  *string  `json:"module"`  // in a module
	Symbol  *string  `json:"symbol"`
	In      string   `json:"in_module,omitempty"` // the module's name
	Offset  uint64   `json:"page_offset"`         // within its page
	Context *Context `json:"context,omitempty"`

	virtual bool // Address is what was searched by
}

// Context is memory around a hit.
type Context struct {
	Address string `json:"address"` // of the same kind as the hit's first
	Bytes   string `json:"bytes"`   // hexadecimal

	start uint64
}

// Unread is memory that the dump should hold, and that could not be read.
type Unread struct {
	Reason string `json:"reason"`
	Bytes  uint64 `json:"bytes"`
}

func newAnswer(k *value.Kernel, img *kmem.Image, p *Pattern, stats *kmem.ScanStats) *Answer {
	a := &Answer{
		Kernel: k.Release(), Source: img.Source(), Pattern: p.Text, Bytes: hex.EncodeToString(p.Bytes), Align: p.Align,
		Hits: []Hit{}, Searched: stats.Read, Unread: []Unread{}, snapshot: img.Snapshot() != nil,
	}
	if p.Mask != nil {
		a.Mask = hex.EncodeToString(p.Mask)
	}
	if stats.Absent.CutOff > 0 {
		stats.Failed[kmem.Truncated] += stats.Absent.CutOff
	}
	for reason, bytes := range stats.Failed {
		a.Unread = append(a.Unread, Unread{reason.String(), bytes})
	}
	slices.SortFunc(a.Unread, func(a, b Unread) int { return cmp.Compare(a.Reason, b.Reason) })
	if !stats.Absent.Unknown && !stats.Virtual && !a.snapshot {
		a.LeftOut = &stats.Absent.LeftOut
	}
	return a
}

// Partial reports whether the dump's memory was not searched to its end, though no limit was met.
func (a *Answer) Partial() bool { return a.Interrupted || len(a.Unread) > 0 }

// Text is the answer for people: a line a match, and what was searched.
func (a *Answer) Text() string {
	var b strings.Builder
	_ = a.WriteText(&b)
	return b.String()
}

// WriteText writes the text, some lines at a time.
func (a *Answer) WriteText(w io.Writer) error {
	const some = 32 << 10
	var b strings.Builder
	for h := range a.All {
		h.text(&b)
		if b.Len() < some {
			continue
		}
		if _, err := io.WriteString(w, value.Scrub(b.String())); err != nil {
			return err
		}
		b.Reset()
	}
	a.sum(&b)
	_, err := io.WriteString(w, value.Scrub(b.String()))
	return err
}

// sum tells what was searched.
func (a *Answer) sum(b *strings.Builder) {
	where := "that the dump holds"
	if a.snapshot {
		where = "that the snapshot holds, which is what its command read"
	}
	switch n := len(a.addrs); {
	case a.More:
		fmt.Fprintf(b, "%s of %s, and there are more: --limit N shows up to %d\n", matches(n), a.Pattern, MaxLimit)
	case a.Interrupted:
		fmt.Fprintf(b, "%s of %s in the %s that were searched before it was interrupted\n", matches(n), a.Pattern, size(a.Searched))
	default:
		fmt.Fprintf(b, "%s of %s in the %s %s\n", matches(n), a.Pattern, size(a.Searched), where)
	}
	for _, text := range []string{a.Unreadable(), a.Filtered()} {
		b.WriteString(text)
	}
}

// Unreadable tells the memory that the dump should hold and that could not be read, a line a reason;
// "" where all could.
func (a *Answer) Unreadable() string {
	var b strings.Builder
	for _, u := range a.Unread {
		fmt.Fprintf(&b, "not searched: %s that could not be read: %s\n", size(u.Bytes), u.Reason)
	}
	return b.String()
}

// Filtered tells, on a line, what was not searched as the dump does not hold it; "" where that is nothing.
func (a *Answer) Filtered() string {
	switch {
	case a.snapshot:
	case a.LeftOut == nil:
		return "not searched: what the dump's writer may have filtered out; the dump does not tell how much\n"
	case *a.LeftOut > 0:
		return fmt.Sprintf("not searched: %s that the dump's writer filtered out\n", size(*a.LeftOut))
	}
	return ""
}

// Snapshot reports whether a snapshot was searched, which holds what its command read.
func (a *Answer) Snapshot() bool { return a.snapshot }

// Text is the line of a match, without an end of line.
func (h *Hit) Text() string {
	var b strings.Builder
	h.text(&b)
	return value.Scrub(strings.TrimSuffix(b.String(), "\n"))
}

func matches(n int) string {
	switch n {
	case 0:
		return "no match"
	case 1:
		return "1 match"
	}
	return fmt.Sprintf("%d matches", n)
}

// size tells bytes in MiB and in pages, or as they are where they are few.
func size(bytes uint64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%d KiB (%d pages)", (bytes+1023)>>10, (bytes+kmem.PageSize-1)/kmem.PageSize)
	}
	return fmt.Sprintf("%d MiB (%d pages)", bytes>>20, (bytes+kmem.PageSize-1)/kmem.PageSize)
}

// text is one line, and the context below it.
func (h *Hit) text(b *strings.Builder) {
	var parts []string
	if h.virtual {
		parts = append(parts, *h.Address)
	}
	if h.Phys != nil {
		parts = append(parts, "phys "+*h.Phys)
	}
	if h.Direct != nil {
		parts = append(parts, "direct map "+*h.Direct)
	}
	if h.Image != nil {
		parts = append(parts, "image "+*h.Image)
	}
	if h.Module != nil {
		parts = append(parts, "module "+*h.Module)
	}
	if h.Symbol != nil {
		parts = append(parts, *h.Symbol)
	} else if h.In != "" {
		parts = append(parts, "in module "+h.In)
	}
	b.WriteString(strings.Join(parts, "  ") + "\n")
	if h.Context == nil {
		return
	}
	raw, _ := hex.DecodeString(h.Context.Bytes)
	for at := h.Context.start; len(raw) > 0; at += 16 {
		n := min(len(raw), 16)
		fmt.Fprintf(b, "    %016x  % x  |%s|\n", at, raw[:n], printable(raw[:n]))
		raw = raw[n:]
	}
}

func printable(raw []byte) string {
	out := make([]byte, len(raw))
	for i, c := range raw {
		if out[i] = c; c < ' ' || c > '~' {
			out[i] = '.'
		}
	}
	return string(out)
}
