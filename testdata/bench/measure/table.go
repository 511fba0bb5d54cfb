package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// counts says how often a row is run.
type counts struct{ runs, slow int }

// A row is what the runs of one program needed, in seconds and bytes.
type row struct {
	Name   string  `json:"name"`
	Runs   int     `json:"runs"`
	Wall   spread  `json:"wall_s"`
	User   float64 `json:"user_s"` // mean
	System float64 `json:"sys_s"`  // mean
	RSS    int64   `json:"max_rss_bytes"`

	memory   int64   // of a scan
	leastCPU float64 // of a run
}

// A spread describes one quantity over all runs.
type spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Mean   float64 `json:"mean"`
	Max    float64 `json:"max"`
}

// measure runs all programs in rounds; before is called ahead of each run.
func (n counts) measure(programs []program, before func() error) ([]row, error) {
	samples := make([][]sample, len(programs))
	for round := range max(n.runs, 1) {
		for i, p := range programs {
			if p.slow && round >= max(n.slow, 1) {
				continue
			}
			if before != nil {
				if err := before(); err != nil {
					return nil, err
				}
			}
			s, err := p.run()
			if err != nil {
				return nil, err
			}
			samples[i] = append(samples[i], s)
		}
	}
	rows := make([]row, len(programs))
	for i, p := range programs {
		rows[i] = summarize(p.name, samples[i])
	}
	return rows, nil
}

func summarize(name string, samples []sample) row {
	r := row{Name: name, Runs: len(samples)}
	mean := func(of func(sample) time.Duration) float64 {
		var sum time.Duration
		for _, s := range samples {
			sum += of(s)
		}
		return sum.Seconds() / float64(len(samples))
	}
	slices.SortFunc(samples, func(a, b sample) int { return cmp.Compare(a.wall, b.wall) })
	last := len(samples) - 1
	r.Wall = spread{
		Min:    samples[0].wall.Seconds(),
		Median: (samples[last/2].wall + samples[(last+1)/2].wall).Seconds() / 2,
		Mean:   mean(func(s sample) time.Duration { return s.wall }),
		Max:    samples[last].wall.Seconds(),
	}
	r.User = mean(func(s sample) time.Duration { return s.user })
	r.System = mean(func(s sample) time.Duration { return s.system })
	r.memory = samples[0].memory
	for i, s := range samples {
		r.RSS = max(r.RSS, s.rss)
		if cpu := (s.user + s.system).Seconds(); i == 0 || cpu < r.leastCPU {
			r.leastCPU = cpu
		}
	}
	return r
}

// A ratio tells how many times more a peer needed.
type ratio struct {
	WallMin    float64 `json:"wall_min"`
	WallMedian float64 `json:"wall_median"`
	CPU        float64 `json:"cpu"`
	RSS        float64 `json:"max_rss"`
}

func compare(peer, ours row) ratio {
	return ratio{
		WallMin:    peer.Wall.Min / ours.Wall.Min,
		WallMedian: peer.Wall.Median / ours.Wall.Median,
		CPU:        (peer.User + peer.System) / (ours.User + ours.System),
		RSS:        float64(peer.RSS) / float64(ours.RSS),
	}
}

func find(rows []row, name string) row {
	return rows[slices.IndexFunc(rows, func(r row) bool { return r.Name == name })]
}

func printTable(rows []row) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "runs\twall min\tmedian\tmean\tuser+sys\tpeak memory\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%.1f MiB\t  %s\n", r.Runs, ms(r.Wall.Min), ms(r.Wall.Median),
			ms(r.Wall.Mean), ms(r.User+r.System), float64(r.RSS)/(1<<20), r.Name)
	}
	w.Flush()
}

func ms(seconds float64) string { return fmt.Sprintf("%.1f ms", 1000*seconds) }
