package kdump

import (
	"runtime"
	"sync"
	"sync/atomic"

	"kinspect/kmem/dump"
)

const (
	// minBatch is the number of whole pages from which on the cache is passed by.
	minBatch = 2
	// batchPages is the number of pages that a goroutine takes at a time.
	batchPages = 32
)

// readPages fills buf with whole pages, unpacked on all cores.
func (m *memory) readPages(page uint64, buf []byte) error {
	batches := (len(buf)/dump.PageSize + batchPages - 1) / batchPages
	errs := make([]error, batches)
	var next atomic.Int64
	var failed atomic.Bool
	work := func() {
		dec := pageDecoders.Get().(*pageDecoder)
		defer pageDecoders.Put(dec)
		for !failed.Load() {
			i := int(next.Add(1)) - 1
			if i >= batches {
				return
			}
			from := i * batchPages * dump.PageSize
			to := min(len(buf), from+batchPages*dump.PageSize)
			if errs[i] = m.readBatch(dec, page+uint64(i*batchPages), buf[from:to]); errs[i] != nil {
				failed.Store(true)
			}
		}
	}
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), batches) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	// Batches are taken in order and each that was taken is finished: the first
	// error is the one at the lowest address.
	for _, err := range errs {
		if f := dump.AsFault(err); f != nil {
			f.Len = page*dump.PageSize + uint64(len(buf)) - f.Addr
			return f
		} else if err != nil {
			return err
		}
	}
	return nil
}

// readBatch reads up to batchPages pages. Descriptors of neighbours are neighbours,
// and mostly their data too: each is read at once.
func (m *memory) readBatch(dec *pageDecoder, page uint64, buf []byte) error {
	for len(buf) > 0 {
		first, part, err := m.desc(page)
		if err != nil {
			return err
		}
		n, err := m.bitmap.run(page, min(uint64(len(buf)/dump.PageSize), part.end-page))
		if err != nil {
			return pageFault(page, dump.Failed, "the bitmap: "+err.Error())
		}
		rank, _, err := m.bitmap.rank(page)
		if err != nil {
			return pageFault(page, dump.Failed, "the bitmap: "+err.Error())
		}
		descs := [batchPages]pageDesc{first}
		var raw [batchPages * descSize]byte
		if n > 1 {
			off := part.descs + (rank-part.first)*descSize
			if err := part.f.ReadFull(off, raw[:n*descSize]); err != nil {
				n = 1 // the next round meets the error with its page
			}
			for i := uint64(1); i < n; i++ {
				descs[i] = parsePageDesc(raw[i*descSize:])
				descs[i].n = first.n + i
			}
		}
		for done := uint64(0); done < n; {
			k, err := m.loadRun(dec, part, page+done, descs[done:n], buf[done*dump.PageSize:])
			if err != nil {
				return err
			}
			done += k
		}
		page, buf = page+n, buf[n*dump.PageSize:]
	}
	return nil
}

// loadRun loads the first pages of descs whose data lies together in the file, and
// returns how many they are.
func (m *memory) loadRun(dec *pageDecoder, part *part, page uint64, descs []pageDesc, buf []byte) (uint64, error) {
	n, size := uint64(0), uint64(0)
	for i := range descs {
		d := &descs[i]
		if d.off != descs[0].off+size || part.sound(page+uint64(i), *d) != nil {
			break
		}
		n, size = n+1, size+uint64(d.size)
	}
	if n <= 1 {
		return 1, m.load(dec, part, page, descs[0], buf[:dump.PageSize])
	}
	if cap(dec.raw) < int(size) {
		dec.raw = make([]byte, batchPages*dump.PageSize)
	}
	raw := dec.raw[:size]
	if err := part.f.Direct(int64(descs[0].off), raw); err != nil {
		return 1, m.load(dec, part, page, descs[0], buf[:dump.PageSize])
	}
	for i := range n {
		d := descs[i]
		if err := unpackPage(dec, page+i, buf[i*dump.PageSize:(i+1)*dump.PageSize], raw[:d.size], d); err != nil {
			return 0, err
		}
		raw = raw[d.size:]
	}
	return n, nil
}
