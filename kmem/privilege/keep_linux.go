package privilege

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// capabilities are the sets of a thread, as capget(2) gives them: 64 bits in two halves.
type capabilities struct {
	header unix.CapUserHeader
	data   [2]unix.CapUserData
}

func (c *capabilities) get() error {
	c.header = unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return unix.Capget(&c.header, &c.data[0])
}

func (c *capabilities) permitted() Set {
	return Set(c.data[0].Permitted) | Set(c.data[1].Permitted)<<32
}

func (c *capabilities) effective() Set {
	return Set(c.data[0].Effective) | Set(c.data[1].Effective)<<32
}

func (c *capabilities) set(permitted, effective Set) {
	for i := range c.data {
		shift := 32 * i
		c.data[i] = unix.CapUserData{Permitted: uint32(permitted >> shift), Effective: uint32(effective >> shift)}
	}
}

// all sets them on all threads of the process.
func (c *capabilities) all() error {
	c.header.Pid = 0 // the thread that calls
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&c.header)), uintptr(unsafe.Pointer(&c.data[0])), 0)
	runtime.KeepAlive(c)
	if errno != 0 {
		return fmt.Errorf("giving up capabilities: %w", errno)
	}
	return nil
}

// Start is for the beginning of a program. Somebody who is not root has the program's capabilities (setcap) for what the
// program does, and not for the files that he names: only those of keep stay effective, and the others
// are so in [With] alone. Root stays root until [Keep].
func Start(keep Set) error {
	AtStart()
	if os.Geteuid() == 0 {
		return nil
	}
	var c capabilities
	if err := c.get(); err != nil || c.effective()&^keep == 0 {
		return err
	}
	c.set(c.permitted(), c.effective()&keep)
	return c.all()
}

// Keep gives up, on all threads and for good, what is neither in effective nor in permitted. What is in
// effective is so from now on, as far as it is held; what is in permitted alone can be had by [With].
func Keep(effective, permitted Set) error {
	AtStart()
	var c capabilities
	if err := c.get(); err != nil {
		return err
	}
	p, e := c.permitted()&(effective|permitted), c.permitted()&effective
	if p == c.permitted() && e == c.effective() {
		return nil
	}
	c.set(p, e)
	return c.all()
}

// With calls f on a thread where the capabilities of want are effective, as far as this process holds them. f must do what
// it does itself, and start no goroutine for it.
func With(want Set, f func()) {
	onThread(f, func(permitted, effective Set) Set { return effective | want&permitted })
}

// Without calls f on a thread where those of not are not effective.
func Without(not Set, f func()) {
	onThread(f, func(_, effective Set) Set { return effective &^ not })
}

// onThread calls f on a thread with other effective capabilities, where that can be.
func onThread(f func(), change func(permitted, effective Set) Set) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var c capabilities
	if c.get() != nil {
		f()
		return
	}
	permitted, before := c.permitted(), c.effective()
	if now := change(permitted, before); now != before {
		c.set(permitted, now)
		if unix.Capset(&c.header, &c.data[0]) == nil {
			defer func() {
				c.set(permitted, before)
				if unix.Capset(&c.header, &c.data[0]) != nil {
					runtime.LockOSThread() // the thread ends with its goroutine: it must not serve another
				}
			}()
		}
	}
	f()
}
