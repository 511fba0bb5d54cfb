package ksys

import (
	"errors"
	"fmt"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// Clock is what the kernel's timekeeper says (kernel/time/timekeeping.c), as of the last
// tick, in nanoseconds.
type Clock struct {
	Uptime int64 // since boot, suspended or not: CLOCK_BOOTTIME
	Boot   int64 // when that was, since 1970
}

// timekeeper finds the timekeeper. Its variable has a type without a name up to 6.12, so
// its mirror is read, which each tick computes with and then copies; since then there is
// an array of them, and the first is the one.
func timekeeper(k *value.Kernel) (value.Value, error) {
	tk, err := k.Struct("timekeeper")
	if err != nil {
		return value.Value{}, err
	}
	if sym, ok := k.LookupSymbol("shadow_timekeeper"); ok {
		return k.Ref(tk, sym.Addr), nil
	}
	st, err := k.Struct("tk_data") // since 6.13
	if err != nil {
		return value.Value{}, err
	}
	for _, name := range []string{"timekeeper_data", "tk_core"} {
		if sym, ok := k.LookupSymbol(name); ok {
			return k.Ref(st, sym.Addr).Member("timekeeper")
		}
	}
	return value.Value{}, errors.New("cannot tell the time of this kernel: it has neither of the symbols shadow_timekeeper and timekeeper_data")
}

// maxUptime is a hundred years.
const maxUptime = 100 * 366 * 24 * 3600 * 1_000_000_000

// Now reads the clock.
func Now(k *value.Kernel) (Clock, error) {
	v, err := timekeeper(k)
	if err != nil {
		return Clock{}, err
	}
	if v, err = v.Load(); err != nil {
		return Clock{}, err
	}
	var base, nsec, shift, boot, real uint64
	for _, m := range []struct {
		path string
		to   *uint64
	}{
		{"tkr_mono.base", &base},
		{"tkr_mono.xtime_nsec", &nsec},
		{"tkr_mono.shift", &shift},
		{"offs_boot", &boot},
		{"offs_real", &real},
	} {
		if *m.to, err = v.UintPath(m.path); err != nil {
			return Clock{}, err
		}
	}
	c := Clock{Uptime: int64(base+boot) + int64(nsec>>min(shift, 63)), Boot: int64(real - boot)}
	if c.Uptime < 0 || c.Uptime > maxUptime {
		return c, value.Faultf("the kernel's timekeeper says that it has run for %d ns: it is damaged", c.Uptime)
	}
	return c, nil
}

// maxCommandLine bounds the command line; the kernel's COMMAND_LINE_SIZE is 2048, and a
// bootconfig adds to it.
const maxCommandLine = 64 << 10

// CommandLine is what the kernel was started with (saved_command_line, init/main.c).
func CommandLine(k *value.Kernel) (string, error) {
	sym, ok := k.LookupSymbol("saved_command_line")
	if !ok {
		return "", fmt.Errorf("%w: saved_command_line", value.ErrNoSymbol)
	}
	a, err := kmem.ReadAddr(k, sym.Addr)
	if err != nil {
		return "", err
	}
	s, whole, err := kmem.ReadCString(k, a, maxCommandLine)
	if err == nil && !whole {
		err = value.Faultf("the kernel's command line has no end: it is damaged")
	}
	return s, err
}
