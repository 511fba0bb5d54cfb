package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// measured are the questions that are timed both ways, in the boot "memory", as whole processes.
var measured = []struct{ name, args string }{
	{"eval of one field", `eval "netdev('bond0').rx_dropped"`},
	{"explain bond0", "explain bond0"},
	{"a walk over all tasks", `eval "tasks('all') | filter(.prio > 0) | map(.comm) | count()"`},
	{"a byte of each of 2,048 pages", `eval "0..2047 | map(cast('unsigned char *', addr('_stext') + # * 4096)[0]) | sum()"`},
	{"16 MiB, 64 KiB at a time", `eval "0..255 | map(mem(addr('_stext') + # % 128 * 65536, 65536)) | len()"`},
}

// measureRuns is how often each is asked in each way, in turns, so that other load meets both alike.
const measureRuns = 9

// memory measures what a live kernel's answers take through /proc/kcore and through BPF. Under emulation,
// the figures are worth their ratio alone. Nothing fails for a time.
func (r *runner) memory(ctx context.Context) error {
	g, err := r.boot(ctx, "memory", machine{memory: sharedMemory})
	if err != nil {
		return err
	}
	defer g.kill()
	var t truth
	if err := playAll(g, &t, []func(*guest, *truth) error{incident}); err != nil {
		return err
	}
	ways := []string{"kcore", throughBPF}
	fmt.Printf("%s, live in the guest, under emulation: whole processes, min / median of %d\n\n| | /proc/kcore | BPF |\n|---|---|---|\n", r.kernel.series, measureRuns)
	for _, m := range measured {
		times := map[string][]time.Duration{}
		for range measureRuns {
			for _, way := range ways {
				// The shell in the guest tells hundredths of a second; its uptime does, too, without a process.
				out, err := g.runFor(kinspectTime, fmt.Sprintf(`read a b </proc/uptime
kinspect --memory %s %s >/tmp/out || test $? = 1
read c d </proc/uptime
echo $a $c`, way, m.args))
				if err != nil {
					return err
				}
				took, err := uptimes(string(out))
				if err != nil {
					return err
				}
				times[way] = append(times[way], took)
			}
		}
		fmt.Printf("| %s |", m.name)
		for _, way := range ways {
			slices.Sort(times[way])
			fmt.Printf(" %.2f / %.2f s |", times[way][0].Seconds(), times[way][measureRuns/2].Seconds())
		}
		fmt.Println()
	}
	return nil
}

// uptimes is the time between two of /proc/uptime.
func uptimes(text string) (time.Duration, error) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return 0, fmt.Errorf("want two uptimes, got %q", text)
	}
	from, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return 0, err
	}
	to, err := strconv.ParseFloat(fields[1], 64)
	return time.Duration((to - from) * float64(time.Second)), err
}
