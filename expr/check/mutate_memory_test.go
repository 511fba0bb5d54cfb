package check_test

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// memoryWatch samples how much memory is in use beyond what was before.
type memoryWatch struct {
	before uint64
	most   atomic.Uint64
	told   atomic.Bool
	done   chan struct{}
	limit  int64
}

func heapBytes() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// watchMemory makes the collector run when the limit is near, so that what goes
// beyond it is in use and not garbage.
func watchMemory() *memoryWatch {
	runtime.GC()
	w := &memoryWatch{before: heapBytes(), done: make(chan struct{})}
	w.limit = debug.SetMemoryLimit(int64(w.before) + mutateMemory*3/4)
	go func() {
		for {
			select {
			case <-w.done:
				return
			case <-time.After(time.Millisecond):
				if now := heapBytes(); now > w.before && now-w.before > w.most.Load() {
					w.most.Store(now - w.before)
				}
			}
		}
	}()
	return w
}

// over tells once that the limit was passed.
func (w *memoryWatch) over() uint64 {
	if n := w.most.Load(); n > mutateMemory && w.told.CompareAndSwap(false, true) {
		return n
	}
	return 0
}

func (w *memoryWatch) stop() {
	close(w.done)
	debug.SetMemoryLimit(w.limit)
}
