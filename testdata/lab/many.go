package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// What there is much of in the boot many, of which testdata/bench takes its dumps.
const (
	manyDevices = 2000
	manyTasks   = 1000
	// manyNodes holds the lists that the bench grafts into the dump: the kernel has this
	// memory in its direct map, and keeps its hands off it.
	manyNodes  = "crashkernel=272M"
	manyMemory = 1280
	manyTime   = 10 * time.Minute
)

// many makes a dump with many devices and tasks, for measurements. Nothing is compared.
func (r *runner) many(ctx context.Context) error {
	g, err := r.boot(ctx, "many", machine{memory: manyMemory, cmdline: manyNodes})
	if err != nil {
		return err
	}
	defer g.kill()
	if err := g.load("dummy"); err != nil {
		return err
	}
	if _, err := g.runFor(manyTime, fmt.Sprintf(`
for i in $(seq %d); do echo "link add d$i type dummy"; done | ip -batch -
for i in $(seq %d); do
	sleep 1000000 </dev/null >/dev/null 2>&1 &
done
sleep 1
test "$(ls /sys/class/net | grep -c '^d[0-9]')" = %d`, manyDevices, manyTasks, manyDevices)); err != nil {
		return err
	}
	// Facts of each task would take minutes, and nothing is compared with them.
	// So the dump stands apart from those that tests compare with facts.
	facts, dump := filepath.Join(r.dir, "facts", "many"), filepath.Join(r.dir, "many", "devices.elf")
	return errors.Join(
		os.RemoveAll(dump), // it must never stand beside another boot's facts
		os.MkdirAll(facts, 0o755),
		os.MkdirAll(filepath.Dir(dump), 0o755),
		g.fetchFile("/proc/version", filepath.Join(facts, "version")),
		g.dumpMemory(dump),
		digHoles(dump),
	)
}
