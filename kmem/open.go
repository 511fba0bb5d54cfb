package kmem

import (
	"io"
	"os"
	"path/filepath"
)

// Open opens a dump of an x86-64 kernel: an ELF core (kexec's vmcore, QEMU's
// dump-guest-memory, a snapshot of ours) or a kdump-compressed one, each also
// flattened, and compressed with zstd (up to 1 GiB unpacked, as that is held in memory).
// A kdump-compressed dump may be split over several files, in any order.
// "/proc/kcore" is [OpenLive]. A file that is no such dump gets a [*FormatError].
func Open(path string, more ...string) (*Image, error) {
	if len(more) == 0 && filepath.Clean(path) == defaultHost.kcore {
		return OpenLive()
	}
	var sources sourceFiles
	for _, path := range append([]string{path}, more...) {
		s, err := openSource(path)
		if err != nil {
			_ = sources.Close()
			return nil, err
		}
		sources = append(sources, s)
	}
	return openSources(sources)
}

// OpenReaderAt opens a dump of size bytes, as [Open] does; name stands for the
// file in messages. The caller keeps r open until it has closed the image.
func OpenReaderAt(r io.ReaderAt, size int64, name string) (*Image, error) {
	s, err := newSource(r, size, name)
	if err != nil {
		return nil, err
	}
	return openSources([]*dumpSource{s})
}

func fileKind(m os.FileMode) string {
	switch {
	case m.IsDir():
		return "directory"
	case m&os.ModeNamedPipe != 0:
		return "pipe"
	case m&os.ModeSocket != 0:
		return "socket"
	default:
		return "device"
	}
}
