package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"kinspect/expr/value"
	"kinspect/kmem/privilege"
)

// license is what the kernel is told: helpers that read its memory are for programs under the GPL alone.
const license = "Dual BSD/GPL"

// ErrNotLive is of a probe on a dump.
var ErrNotLive = errors.New("nothing happens in a dump any more: a live probe needs the running kernel")

// ready makes sure that this process can load programs.
func ready(k *value.Kernel) error {
	if k.Image == nil || !k.Image.Live() {
		return ErrNotLive
	}
	// Up to 5.10 maps count as locked memory. Where that cannot be raised, the map that is refused tells. Package rlimit
	// would ask the kernel by making a map when the program starts, whatever the command is.
	_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
	return nil
}

// maxVerifier bounds what is shown of the verifier's words.
const maxVerifier = 300

// refusal says what was tried, what the kernel answered, and what to do.
func refusal(what string, err error) error {
	var verifier *ebpf.VerifierError
	switch {
	case errors.As(err, &verifier):
		last := ""
		for _, l := range verifier.Log {
			if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "processed ") {
				last = l
			}
		}
		if last != "" {
			if len(last) > maxVerifier {
				last = last[:maxVerifier] + "…"
			}
			return fmt.Errorf("%s: the kernel's BPF verifier refuses the program: %s (%w)", what, value.Printable(last), verifier.Cause)
		}
	case errors.Is(err, unix.EPERM), errors.Is(err, fs.ErrPermission):
		why, do := privilege.AtStart().WhyBPF()
		var errno unix.Errno
		if errors.As(err, &errno) { // without the library's advice to programmers
			err = errno
		}
		return fmt.Errorf("%s: the kernel refuses BPF: %w: %s\n%s", what, err, why, do)
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%s: this kernel has no bpf system call (CONFIG_BPF_SYSCALL), or a seccomp filter refuses it: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
