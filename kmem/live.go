package kmem

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"
	"syscall"

	"kinspect/kmem/dump"
	"kinspect/kmem/elfcore"
	"kinspect/kmem/privilege"
)

// HostError tells why this host does not let the running kernel be inspected,
// and what to do about it.
type HostError struct {
	What string // what was tried: "cannot read the running kernel's memory (/proc/kcore)"
	Why  string // "it takes root (CAP_SYS_RAWIO)"
	Do   string // "run it with sudo"
	Err  error  // what the system said, may be nil
}

// Error is one line, or two where there is something to do.
func (e *HostError) Error() string {
	s := e.What + ": " + e.Why
	if e.Do != "" {
		s += "\n" + e.Do
	}
	return s
}

// And is the error where another way was tried as well, and failed: what can be done about the first may do.
func (e *HostError) And(other error) *HostError {
	both := *e
	var second *HostError
	if !errors.As(other, &second) {
		second = &HostError{What: "reading it in another way fails", Why: other.Error()}
	}
	both.Why += "; and " + second.What + ": " + second.Why
	both.Err = errors.Join(e.Err, other)
	return &both
}

// Unwrap returns the system's error.
func (e *HostError) Unwrap() error { return e.Err }

// hostPaths are the files of the running kernel; tests bring their own.
type hostPaths struct {
	kcore, kallsyms, lockdown string
	// names is kallsyms, opened while this process had the right to see addresses; nil where it could not be opened.
	names *os.File
}

// openNames opens the symbols: who may see them, the kernel decides by who opens the file.
func (h *hostPaths) openNames() {
	privilege.With(privilege.Symbols, func() { h.names, _ = os.Open(h.kallsyms) })
}

// openKallsyms opens the symbols anew where that was not done while the kernel was opened.
func (h hostPaths) openKallsyms() (io.ReadCloser, error) {
	if h.names == nil {
		return os.Open(h.kallsyms)
	}
	return io.NopCloser(io.NewSectionReader(h.names, 0, math.MaxInt64)), nil
}

var defaultHost = hostPaths{
	kcore:    "/proc/kcore",
	kallsyms: "/proc/kallsyms",
	lockdown: "/sys/kernel/security/lockdown",
}

// OpenLive opens the running kernel through /proc/kcore, an ELF core file that the
// kernel makes up while it is read. It takes CAP_SYS_RAWIO and no confidentiality
// lockdown. A host that does not allow it gets a [*HostError].
//
// VMCOREINFO is a note of /proc/kcore since 4.19; older kernels have only
// its physical address in /sys/kernel/vmcoreinfo, which is not followed.
func OpenLive() (*Image, error) { return openLive(defaultHost) }

func openLive(host hostPaths) (*Image, error) {
	var file *os.File
	var err error
	privilege.With(privilege.Kcore, func() { file, err = os.Open(host.kcore) })
	if err != nil {
		return nil, host.refusal(err)
	}
	// Its stat size is that of the address space, or less than the truth, by
	// kernel release: the segments say what there is.
	// The kernel makes up its notes anew for each read of one, so the cache serves
	// while headers are read, and only then.
	f := dump.NewFile(file, math.MaxInt64, host.kcore, true)
	var head [elfcore.HeaderSize]byte
	if n, err := file.ReadAt(head[:], 0); n == 0 {
		_ = file.Close()
		return nil, host.empty(err)
	}
	content, err := elfcore.Open(f, true)
	var img *Image
	if err == nil {
		img, err = newImage(content, true)
	}
	f.Uncache()
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	host.openNames()
	img.closer, img.host = file, host
	return img, nil
}

const dumpInstead = "or open a dump with --core FILE"

// refusal explains an open(2) that failed.
func (h hostPaths) refusal(err error) *HostError {
	e := &HostError{What: "cannot read the running kernel's memory (" + h.kcore + ")", Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Why = "there is no such file: this kernel was built without PROC_KCORE, or this is a container or sandbox that hides it"
		e.Do = "run it on the host itself, " + dumpInstead
	case h.lockedDown():
		e.Why = "the kernel is locked down for confidentiality (" + h.lockdown + ")"
		e.Do = "lockdown ends only with a reboot without lockdown=confidentiality, " + dumpInstead
	case errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM):
		why, do := privilege.AtStart().Why(privilege.Kcore)
		e.Why, e.Do = "permission denied: "+why, do+", "+dumpInstead
	default:
		e.Why = err.Error()
		e.Do = "open a dump with --core FILE instead"
	}
	return e
}

// empty explains a file that opens and yields nothing.
func (h hostPaths) empty(err error) *HostError {
	e := &HostError{What: "cannot read the running kernel's memory (" + h.kcore + ")", Err: err}
	if err != nil && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)) {
		return h.refusal(err)
	}
	e.Why = "the file is empty: a container runtime has probably masked it"
	e.Do = "run it on the host itself, or in a container with /proc unmasked; " + dumpInstead
	return e
}

// lockedDown reports whether the lockdown file names confidentiality as the mode
// in force, as in "none integrity [confidentiality]".
func (h hostPaths) lockedDown() bool {
	b, err := os.ReadFile(h.lockdown)
	return err == nil && strings.Contains(string(b), "[confidentiality]")
}

var errHiddenSymbols = errors.New("addresses are hidden")

// hiddenSymbols explains /proc/kallsyms with all addresses 0.
func (h hostPaths) hiddenSymbols() *HostError {
	why, do := privilege.AtStart().WhyHidden()
	return &HostError{
		What: "cannot read the running kernel's symbols (" + h.kallsyms + ")",
		Why:  why + ", and the kernel's own tables were not found in its memory",
		Do:   do,
		Err:  errHiddenSymbols,
	}
}

// noSymbols explains /proc/kallsyms that cannot be read.
func (h hostPaths) noSymbols(err error) *HostError {
	return &HostError{
		What: "cannot read the running kernel's symbols",
		Why:  fmt.Sprint(err),
		Do:   "the kernel needs CONFIG_KALLSYMS and a mounted /proc",
		Err:  err,
	}
}
