package search

import (
	"context"
	"errors"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// Each calls visit with each match, up to the limit, in the order of addresses, while the rest
// is searched. It ends where visit returns an error, which it returns then. The answer has
// no matches; it says how the search ended.
func Each(ctx context.Context, k *value.Kernel, img *kmem.Image, p Pattern, o Options, visit func(Hit) error) (*Answer, error) {
	limit, err := o.limit(&p)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := seam{p: &p, limit: limit + 1, zeros: p.zeros()}
	batches := make(chan []uint64)
	var stats *kmem.ScanStats
	var scanErr error
	go func() {
		defer close(batches)
		sent := 0
		take := func(f found) bool {
			more := s.take(f)
			if sent == len(s.hits) {
				return more
			}
			select {
			case batches <- s.hits[sent:len(s.hits):len(s.hits)]:
				sent = len(s.hits)
				return more
			case <-ctx.Done():
				return false
			}
		}
		stats, scanErr = kmem.Scan(ctx, img, o.Progress, s.look, take)
	}()
	var w *where
	n := 0
	var ended error
	for batch := range batches {
		for _, addr := range batch {
			if n++; n > limit || ended != nil {
				break
			}
			if w == nil {
				w = newWhere(k, img, kmem.ScanIsVirtual(img))
			}
			if ended = visit(w.hit(addr)); ended != nil {
				cancel()
			}
		}
	}
	if ended != nil {
		return nil, ended
	}
	interrupted := stats != nil && errors.Is(scanErr, context.Canceled)
	if scanErr != nil && !interrupted {
		return nil, scanErr
	}
	a := newAnswer(k, img, &p, stats)
	a.More, a.Interrupted = n > limit, interrupted
	return a, nil
}
