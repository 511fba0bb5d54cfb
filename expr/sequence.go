package expr

// Sequence is a list whose elements are made while it is walked, such as the tasks of a kernel:
// it takes no memory, and a walk may end early.
type Sequence struct {
	// Of says what the elements are, for errors: "tasks".
	Of string
	// Each calls visit with each element. Where visit returns [value.Stop]'s error, the walk ends
	// without one; any other error of visit's ends it, and is returned. It may be called more than
	// once, and reads the kernel's memory anew each time.
	Each func(visit func(any) error) error
}

// collect makes a list of the sequence, within the bounds of an evaluation.
func (s *Session) collect(q *Sequence) ([]any, error) {
	out := []any{}
	err := q.Each(func(x any) error {
		if err := s.grow(1); err != nil {
			return err
		}
		out = append(out, x)
		return nil
	})
	return out, err
}
