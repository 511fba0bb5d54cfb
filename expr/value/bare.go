package value

// Bare is [Value.Text] without the type before it, and without following a
// pointer: what a list shows of its elements.
func (v Value) Bare(f Format) (string, error) {
	p := &printer{Format: f, k: v.k}
	return p.bare(v, 0), p.err
}
