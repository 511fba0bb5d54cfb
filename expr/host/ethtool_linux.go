package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Numbers of include/uapi/linux/ethtool.h and if.h.
const (
	ethtoolGStrings  = 0x1b
	ethtoolGStats    = 0x1d
	ethtoolGSSetInfo = 0x37
	ethSSStats       = 1
	ethGStringLen    = 32
	maxEthtoolStats  = 1 << 16
)

// EthtoolStats implements [Facts] with the ioctls of `ethtool -S`. A driver that has no statistics of its own
// gives none.
func (l *Live) EthtoolStats(netns uint64, device string) ([]EthtoolStat, error) {
	if len(device) >= unix.IFNAMSIZ {
		return nil, fmt.Errorf("%q is no device's name", device)
	}
	fd, err := openSocket(netns, func() (int, error) {
		return unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	})
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	ask := func(data []byte) error { return ethtoolIoctl(fd, device, data) }

	set := make([]byte, 16+4) // struct ethtool_sset_info, with one u32 behind it
	binary.NativeEndian.PutUint32(set, ethtoolGSSetInfo)
	binary.NativeEndian.PutUint64(set[8:], 1<<ethSSStats)
	if err := ask(set); err != nil {
		if errors.Is(err, unix.EOPNOTSUPP) {
			return nil, nil
		}
		return nil, fmt.Errorf("asking the driver of %q for its statistics: %w", device, err)
	}
	n := binary.NativeEndian.Uint32(set[16:])
	if binary.NativeEndian.Uint64(set[8:]) == 0 || n == 0 {
		return nil, nil
	}
	if n > maxEthtoolStats {
		return nil, fmt.Errorf("the driver of %q claims %d statistics", device, n)
	}
	names := make([]byte, 12+int(n)*ethGStringLen) // struct ethtool_gstrings
	binary.NativeEndian.PutUint32(names, ethtoolGStrings)
	binary.NativeEndian.PutUint32(names[4:], ethSSStats)
	binary.NativeEndian.PutUint32(names[8:], n)
	values := make([]byte, 8+int(n)*8) // struct ethtool_stats
	binary.NativeEndian.PutUint32(values, ethtoolGStats)
	binary.NativeEndian.PutUint32(values[4:], n)
	if err := errors.Join(ask(names), ask(values)); err != nil {
		return nil, fmt.Errorf("asking the driver of %q for its statistics: %w", device, err)
	}
	if binary.NativeEndian.Uint32(names[8:]) != n || binary.NativeEndian.Uint32(values[4:]) != n {
		return nil, fmt.Errorf("the statistics of %q changed while they were read", device)
	}
	stats := make([]EthtoolStat, n)
	for i := range stats {
		name := names[12+i*ethGStringLen:][:ethGStringLen]
		if end := bytes.IndexByte(name, 0); end >= 0 {
			name = name[:end]
		}
		stats[i] = EthtoolStat{string(name), binary.NativeEndian.Uint64(values[8+8*i:])}
	}
	return stats, nil
}

// ifreq is struct ifreq with a pointer (include/uapi/linux/if.h).
type ifreq struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

func ethtoolIoctl(fd int, device string, data []byte) error {
	req := ifreq{data: unsafe.Pointer(&data[0])}
	copy(req.name[:], device)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return errno
	}
	return nil
}
