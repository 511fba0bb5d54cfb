package kmem

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"kinspect/kmem/packed"
)

// Open opens a dump of an x86-64 kernel: an ELF core (kexec's vmcore, QEMU's
// dump-guest-memory, a snapshot of ours) or a kdump-compressed one, each also
// flattened, and compressed with zstd, gzip or xz: a large one is then unpacked to a temporary
// file in $TMPDIR or /var/tmp. A kdump-compressed dump may be split over several files, in any order.
// "/proc/kcore" is [OpenLive]. A file that is no such dump gets a [*FormatError].
func Open(path string, more ...string) (*Image, error) {
	return OpenFiles(context.Background(), append([]string{path}, more...), nil)
}

// Progress is told how many of a file's bytes have been unpacked.
type Progress = packed.Progress

// OpenFiles is [Open] for the files of one dump, of which there is at least one. progress, which may
// be nil, is called while a large file is unpacked, and while one that does not say where its
// kernel is is searched for it. Both end when ctx does, with its error.
func OpenFiles(ctx context.Context, paths []string, progress Progress) (*Image, error) {
	if len(paths) == 0 {
		return nil, errors.New("no dump is named")
	}
	if path := paths[0]; len(paths) == 1 && filepath.Clean(path) == defaultHost.kcore {
		return OpenLive()
	}
	var sources sourceFiles
	for _, path := range paths {
		s, err := openSource(ctx, path, progress)
		if err != nil {
			_ = sources.Close()
			return nil, err
		}
		sources = append(sources, s)
	}
	return openSources(ctx, sources, progress)
}

// OpenReaderAt opens a dump of size bytes, as [Open] does; name stands for the
// file in messages. The caller keeps r open until it has closed the image.
func OpenReaderAt(r io.ReaderAt, size int64, name string) (*Image, error) {
	s, err := newSource(context.Background(), r, size, name, nil)
	if err != nil {
		return nil, err
	}
	return openSources(context.Background(), []*dumpSource{s}, nil)
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
