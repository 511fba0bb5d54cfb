package bpfmem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"kinspect/kmem"
)

// bufferPages are the sizes of the buffer that are tried, in pages. With 16, a large read is as fast as with 512 in
// the lab's guests (700 MB/s, and 350 with one page), and the program is loaded in a tenth of the time. The smaller one
// is for kernels before 5.11 where a user may lock 64 KiB of memory, programs included.
var bufferPages = []int{16, 8}

// Memory is the running kernel's memory. It implements [kmem.RunningMemory].
type Memory struct {
	mu      sync.Mutex
	layout  layout
	value   []byte // the map's, shared with the kernel; nil when closed
	kind    ebpf.ProgramType
	store   int   // descriptors: of the map,
	reader  int   // of the program that copies,
	symbols int   // of the one that looks up names, -1 where there is none (yet),
	noNames error // for this reason
}

// Open loads the program. Where the host does not allow that, the error is a [*RefusedError].
func Open() (*Memory, error) {
	var refused error
	for _, pages := range bufferPages {
		m, err := open(pages)
		if err == nil {
			return m, nil
		}
		refused = err
		var r *RefusedError
		if !errors.As(err, &r) || r.Step != stepMap {
			break
		}
	}
	return nil, refused
}

// open makes a buffer of so many pages, and the program for it.
func open(pages int) (*Memory, error) {
	m := &Memory{layout: newLayout(pages), store: -1, reader: -1, symbols: -1}
	if err := m.load(); err != nil {
		_ = m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Memory) load() error {
	var err error
	if m.store, err = m.newStore(); err != nil {
		return refusal(stepMap, err)
	}
	size := (m.layout.size() + unix.Getpagesize() - 1) &^ (unix.Getpagesize() - 1)
	value, err := unix.Mmap(m.store, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return refusal(stepMap, fmt.Errorf("mapping the buffer: %w", err))
	}
	m.value = value
	// Of several refusals the first counts: it is that of the better way.
	var first error
	for _, kind := range []ebpf.ProgramType{ebpf.Syscall, ebpf.RawTracepoint} {
		fd, err := newProgram(kind, "kinspect_read", m.layout.reader(m.store))
		if err == nil {
			m.kind, m.reader = kind, fd
			return m.try()
		}
		if first == nil || !isRefusal(first) {
			first = err
		}
	}
	return refusal(stepProgram, first)
}

// isRefusal reports whether an error is the kernel's refusal, and not that it does not know what was asked for.
func isRefusal(err error) bool { return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) }

// newStore makes the map. Kernels before 5.11 count it as memory that this process locks, and refuse it for that.
func (m *Memory) newStore() (int, error) {
	const name = "kinspect_memory"
	fd, err := newArray(name, m.layout.size())
	if !errors.Is(err, unix.EPERM) {
		return fd, err
	}
	var old unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &old) != nil {
		return -1, err
	}
	most := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if unix.Setrlimit(unix.RLIMIT_MEMLOCK, &most) != nil {
		// Without CAP_SYS_RESOURCE, the soft limit alone can be raised.
		most = unix.Rlimit{Cur: old.Max, Max: old.Max}
		if unix.Setrlimit(unix.RLIMIT_MEMLOCK, &most) != nil {
			return -1, err
		}
	}
	return newArray(name, m.layout.size())
}

// Try runs the program with nothing to do: kernels before 5.19 may refuse that to whoever may load no program
// (kernel.unprivileged_bpf_disabled).
func (m *Memory) Try() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.value == nil {
		return errClosed
	}
	return m.try()
}

func (m *Memory) try() error {
	m.put32(headCount, 0)
	m.put32(headLen, 0)
	if err := run(m.reader); err != nil {
		return refusal(stepRun, err)
	}
	return nil
}

func (m *Memory) put32(at int, v uint32) { binary.LittleEndian.PutUint32(m.value[at:], v) }
func (m *Memory) put64(at int, v uint64) { binary.LittleEndian.PutUint64(m.value[at:], v) }
func (m *Memory) status(at int) unix.Errno {
	return unix.Errno(-int32(binary.LittleEndian.Uint32(m.value[at:])))
}

// ReadMem implements [kmem.Reader].
func (m *Memory) ReadMem(addr kmem.Addr, buf []byte) error {
	if _, ok := addr.End(uint64(len(buf))); !ok {
		return &kmem.Fault{Addr: uint64(addr), Len: uint64(len(buf)), Reason: kmem.Unmapped, Detail: "the range passes the end of the address space"}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.value == nil {
		return errClosed
	}
	for at := uint64(addr); len(buf) > 0; {
		n := min(len(buf), m.layout.data)
		f, err := m.read(at, buf[:n])
		if err != nil {
			return err
		}
		if f != nil {
			f.Len = uint64(len(buf)) - (f.Addr - at)
			return f
		}
		buf, at = buf[n:], at+uint64(n)
	}
	return nil
}

var errClosed = errors.New("the memory is closed")

// read reads what the buffer can hold. The fault has no length yet.
func (m *Memory) read(addr uint64, buf []byte) (*kmem.Fault, error) {
	m.put32(headCount, 0)
	m.put64(headAddr, addr)
	m.put32(headLen, uint32(len(buf)))
	m.put32(headStatus, notRun)
	if err := run(m.reader); err != nil {
		return nil, fmt.Errorf("running the BPF program that reads memory: %w", err)
	}
	status := m.status(headStatus)
	if status == 0 {
		copy(buf, m.value[m.layout.start:])
		return nil, nil
	}
	if pageOf(addr) == pageOf(addr+uint64(len(buf))-1) {
		return fault(addr, status), nil
	}
	return m.readPages(addr, buf)
}

// notRun is a status that the kernel does not give.
const notRun = 0x7fffffff

// pageOf is the page that an address is in.
func pageOf(addr uint64) uint64 { return addr &^ (kmem.PageSize - 1) }

// readPages reads page by page what could not be read at once. A page may have come meanwhile, then all is well.
func (m *Memory) readPages(addr uint64, buf []byte) (*kmem.Fault, error) {
	n := 0
	for done := 0; done < len(buf); n++ {
		at := headPieces + n*pieceSize
		size := min(len(buf)-done, kmem.PageSize-int((addr+uint64(done))%kmem.PageSize))
		m.put64(at+pieceAddr, addr+uint64(done))
		m.put32(at+pieceOff, uint32(done))
		m.put32(at+pieceLen, uint32(size))
		m.put32(at+pieceStatus, notRun)
		done += size
	}
	m.put32(headCount, uint32(n))
	if err := run(m.reader); err != nil {
		return nil, fmt.Errorf("running the BPF program that reads memory: %w", err)
	}
	for i := range n {
		at := headPieces + i*pieceSize
		if status := m.status(at + pieceStatus); status != 0 {
			return fault(binary.LittleEndian.Uint64(m.value[at+pieceAddr:]), status), nil
		}
	}
	copy(buf, m.value[m.layout.start:])
	return nil, nil
}

// fault says why the kernel could not read what is at addr.
func fault(addr uint64, status unix.Errno) *kmem.Fault {
	f := &kmem.Fault{Addr: addr, Reason: kmem.Failed, Detail: "bpf_probe_read_kernel: " + status.Error()}
	switch status {
	case unix.EFAULT:
		f.Reason, f.Detail = kmem.Unmapped, "the kernel's own read of it faults"
		if addr>>63 == 0 {
			f.Detail = "no address of the kernel"
		}
	case unix.ERANGE: // mm/maccess.c, copy_from_kernel_nofault_allowed
		f.Reason, f.Detail = kmem.Unmapped, "no address of the kernel: BPF reads its memory alone"
	case unix.EPERM: // 5.10 looks at each read (kernel/trace/bpf_trace.c)
		f.Reason, f.Detail = kmem.Refused, "the kernel is locked down for confidentiality"
	}
	return f
}

// Lookup asks the kernel for a symbol's address. It needs the right to see addresses in /proc/kallsyms, and 5.16.
func (m *Memory) Lookup(name string) (kmem.Addr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.value == nil:
		return 0, errClosed
	case m.kind != ebpf.Syscall:
		return 0, errNoLookup
	case len(name) >= maxName:
		return 0, kmem.ErrNoSymbol
	}
	if m.symbols < 0 && m.noNames == nil {
		m.symbols, m.noNames = newProgram(ebpf.Syscall, "kinspect_name", m.layout.lookup(m.store))
	}
	if m.noNames != nil {
		return 0, fmt.Errorf("%w (%w)", errNoLookup, m.noNames)
	}
	n := copy(m.value[headName:headName+maxName-1], name)
	m.value[headName+n] = 0
	m.put32(headLen, uint32(n+1))
	m.put32(headStatus, notRun)
	if err := run(m.symbols); err != nil {
		return 0, err
	}
	switch status := m.status(headStatus); status {
	case 0:
		return kmem.Addr(binary.LittleEndian.Uint64(m.value[headAddr:])), nil
	case unix.ENOENT:
		return 0, kmem.ErrNoSymbol
	default:
		return 0, fmt.Errorf("bpf_kallsyms_lookup_name: %w", status)
	}
}

var errNoLookup = errors.New("this kernel's BPF looks up no symbols")

// Source implements [kmem.RunningMemory].
func (m *Memory) Source() string { return "BPF (bpf_probe_read_kernel)" }

// Close unloads the program and frees the buffer.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	if m.value != nil {
		errs = append(errs, unix.Munmap(m.value))
		m.value = nil
	}
	for _, fd := range []*int{&m.reader, &m.symbols, &m.store} {
		if *fd >= 0 {
			errs = append(errs, unix.Close(*fd))
		}
		*fd = -1
	}
	return errors.Join(errs...)
}
