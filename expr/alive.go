package expr

// The lists of an evaluation are bounded by what is alive: a function's arguments, and all
// that was made on the way to its result, are garbage where the result does not hold them.

// alive is the same code, after which only what its result holds counts.
func (s *Session) alive(run code) code {
	return func(f *frame) (any, error) {
		before := s.elementsMade
		v, err := run(f)
		s.settle(before, v)
		return v, err
	}
}

// settle forgets what was made since before, but for what v holds of it.
func (s *Session) settle(before int, v any) {
	if made := s.elementsMade - before; made > 0 {
		w := held{limit: made}
		w.add(v, maxDeep)
		s.elementsMade = before + w.n
	}
}

// held counts elements up to a limit: a list may hold another one many times.
type held struct{ n, limit int }

func (h *held) add(x any, depth int) {
	switch l := x.(type) {
	case []any:
		if h.n += len(l); h.n >= h.limit || depth == 0 {
			h.n = h.limit
			return
		}
		for _, e := range l {
			if h.add(e, depth-1); h.n >= h.limit {
				return
			}
		}
	case map[string]any:
		if h.n += len(l); h.n >= h.limit || depth == 0 {
			h.n = h.limit
			return
		}
		for _, e := range l {
			if h.add(e, depth-1); h.n >= h.limit {
				return
			}
		}
	case *Sequence:
		if l.span == nil { // what it is made of may hold lists
			h.n = h.limit
		}
	case Printer: // a table, and what else holds its rows
		if _, fault := x.(Fault); !fault {
			h.n = h.limit
		}
	}
}
