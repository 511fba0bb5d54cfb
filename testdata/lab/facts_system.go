package main

// systemFactsScript collects what procfs says of the kernel as a whole and of its tasks,
// in sys. The shell's own number is there, too: what has a higher one was made by the
// collecting itself.
const systemFactsScript = `
mkdir -p /tmp/facts/sys
cd /tmp/facts/sys
echo $$ > shell
for t in /proc/[0-9]*/task/[0-9]*; do
	grep -E '^(Name|State|Tgid|Pid|PPid):' $t/status 2>/dev/null || true
done > tasks
for f in /proc/[0-9]*/fd/[0-9]*; do
	if p=$(readlink $f 2>/dev/null); then echo "$f $p"; fi
done > fds
for s in /proc/[0-9]*/task/[0-9]*; do
	echo "== ${s##*/}"
	cat $s/stack 2>/dev/null || true
done > stacks
for f in cmdline environ; do
	for p in /proc/[0-9]*; do
		echo "== ${p##*/}"
		tr '\0' '\n' 2>/dev/null < $p/$f || true
	done > ${f}s
done
cp /proc/modules modules
cp /proc/1/mounts mounts
cp /proc/slabinfo slabinfo
cp /proc/cmdline cmdline
dmesg > dmesg
grep btime /proc/stat > btime
cp /proc/interrupts interrupts
cp /proc/softirqs softirqs
cp /proc/uptime uptime
`
