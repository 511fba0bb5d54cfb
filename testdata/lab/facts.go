package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// factsScript collects what the guest's own kernel says of itself, which is
// what kinspect is compared with. Everything about one network namespace goes
// into net/NAME, and the guest's first namespace is called "init" there.
//
// `ip -s link` comes first and is the only reader of device counters that
// matters: a bond updates its saved counters whenever they are read. ethtool is asked of few devices: that is
// a process each, and the scenarios' sockets in TIME_WAIT end after a minute. {net} stands for
// [netFacts].
const factsScript = `
rm -rf /tmp/facts
mkdir -p /tmp/facts/net /tmp/facts/btf
cd /tmp/facts
for ns in init $(ls /run/netns); do
	mkdir -p net/$ns
	in=""
	if [ $ns != init ]; then in="/usr/sbin/ip netns exec $ns"; fi
	$in /usr/sbin/ip -j -d -s -s link > net/$ns/link-stats.json
	$in cat /proc/net/dev > net/$ns/dev
	$in /usr/bin/netstat -i -a > net/$ns/netstat-i
	$in /usr/sbin/ifconfig -a > net/$ns/ifconfig
	for d in $($in ls /sys/class/net | head -n 8); do
		echo "== $d"
		$in /usr/sbin/ethtool -S $d 2>&1 || true # it may have none
	done > net/$ns/ethtool
	$in cat /proc/net/ptype > net/$ns/ptype
	$in readlink /proc/self/ns/net | tr -dc 0-9 > net/$ns/inum
{net}done
cat /proc/net/softnet_stat > softnet_stat
cat /proc/modules > modules
cat /proc/version > version
cat /proc/kallsyms > kallsyms
cat /proc/iomem > iomem
cat /proc/cmdline > cmdline
cat /sys/devices/system/cpu/possible > cpu_possible
nproc > nproc
cat /proc/net/llc/core > llc_core 2>/dev/null || rm -f llc_core
cat /proc/meminfo > meminfo
test ! -e /tmp/losses.json || cat /tmp/losses.json > losses.json
test ! -e /tmp/programs.json || cat /tmp/programs.json > programs.json
ls -l /sys/kernel/btf > btf/list
cd /tmp/facts && find . -type f > /dev/null
`

// captureFacts stores the guest's facts in dir, with the truth about what was
// injected beside them.
func (g *guest) captureFacts(dir string, t *truth) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// Some hundred programs, on a machine that may be busy with other guests.
	if _, err := g.runFor(5*time.Minute, strings.Replace(factsScript, "{net}", netFactsScript(), 1)+systemFactsScript); err != nil {
		return err
	}
	if err := g.fetchDir("/tmp/facts", dir); err != nil {
		return err
	}
	// The agent has grown with what it sent: what it is now is what the dump shows.
	if err := g.fetchFile("/proc/meminfo", filepath.Join(dir, "sys", "meminfo")); err != nil {
		return err
	}
	return t.write(filepath.Join(dir, "truth.json"))
}
