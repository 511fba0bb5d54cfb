package check

import (
	"fmt"
	"slices"
	"strings"

	"kinspect/expr/knet"
	"kinspect/expr/value"
)

// SoftnetReport is the answer of softnet. Its JSON form is stable, as that of [Report] is.
type SoftnetReport struct {
	Kernel string       `json:"kernel"`
	Source string       `json:"source"`
	PerCPU []SoftnetCPU `json:"per_cpu"`
	// The numbers of net.core; null is not known.
	MaxBacklog  *uint64  `json:"max_backlog"`
	Budget      *uint64  `json:"budget"`
	BudgetUsecs *uint64  `json:"budget_usecs"`
	Weight      *uint64  `json:"weight"`
	RPS         []RPSRow `json:"rps"`
	Findings    []string `json:"findings"`
	Notes       []string `json:"notes"`
	Missing     []string `json:"missing"`
}

// SoftnetCPU is a line of /proc/net/softnet_stat. Counters are since boot.
type SoftnetCPU struct {
	CPU         int    `json:"cpu"`
	Online      bool   `json:"online"`
	Processed   uint64 `json:"processed"`
	Dropped     uint64 `json:"dropped"`
	TimeSqueeze uint64 `json:"time_squeeze"`
	ReceivedRPS uint64 `json:"received_rps"`
	FlowLimit   uint64 `json:"flow_limit"`
	FlowOn      bool   `json:"flow_limit_on"`
	Input       uint64 `json:"input_queue"`   // frames that wait
	Process     uint64 `json:"process_queue"` // frames that are being taken
}

// RPSRow is a receive queue whose frames RPS spreads.
type RPSRow struct {
	Device string `json:"device"`
	NetNS  string `json:"netns"`
	Queue  int    `json:"queue"`
	CPUs   []int  `json:"cpus"`
}

// SoftnetOf tells how the CPUs' backlogs do.
func SoftnetOf(s *knet.Stack) (*SoftnetReport, error) {
	r := &SoftnetReport{
		Kernel: s.K.Release(), Source: value.Printable(s.K.Image.Source()),
		PerCPU: []SoftnetCPU{}, RPS: []RPSRow{}, Findings: []string{}, Notes: []string{}, Missing: []string{},
	}
	queues, err := s.SoftnetQueues()
	if err != nil {
		return nil, err
	}
	mask, err := s.K.Global("__cpu_online_mask")
	if err != nil {
		return nil, err
	}
	online, err := s.K.CPUMask(mask)
	if err != nil {
		return nil, err
	}
	for _, q := range queues {
		r.PerCPU = append(r.PerCPU, SoftnetCPU{
			q.CPU, slices.Contains(online, q.CPU), q.Processed, q.Dropped, q.TimeSqueeze, q.ReceivedRPS, q.FlowLimit, q.FlowOn, q.Input, q.Process,
		})
	}
	set, err := s.SoftnetSettings()
	if err != nil {
		r.Missing = append(r.Missing, fmt.Sprintf("net.core's settings: %v", err))
	} else {
		r.MaxBacklog, r.Budget, r.BudgetUsecs, r.Weight = num(set.MaxBacklog), num(set.Budget), num(set.BudgetUsecs), num(set.Weight)
	}
	if err := r.listRPS(s); err != nil {
		r.Missing = append(r.Missing, fmt.Sprintf("the devices' RPS: %v", err))
	}
	down, err := s.CountsDownDevices()
	if err != nil {
		return nil, err
	}
	r.judge(down)
	return r, nil
}

func (r *SoftnetReport) listRPS(s *knet.Stack) error {
	nss, err := s.Namespaces()
	if err != nil {
		return err
	}
	for _, ns := range nss {
		devices, err := s.Devices(ns)
		if err != nil {
			return err
		}
		for _, d := range devices {
			queues, err := d.RPS()
			if err != nil {
				return fmt.Errorf("%s: %w", d.Label(), err)
			}
			for _, q := range queues {
				r.RPS = append(r.RPS, RPSRow{value.Printable(d.Name), d.NS.String(), q.Queue, q.CPUs})
			}
		}
	}
	return nil
}

// judge says what the numbers mean. down: the kernel counts frames for a device that is not running as drops, too.
func (r *SoftnetReport) judge(down bool) {
	squeezed := uint64(0)
	for _, c := range r.PerCPU {
		squeezed += c.TimeSqueeze
		if c.Dropped > 0 {
			f := fmt.Sprintf("CPU %d dropped %d frames because its backlog was full (limit net.core.netdev_max_backlog, %s now)", c.CPU, c.Dropped, text(r.MaxBacklog))
			if down {
				f += ", or because their device was not running, which this kernel counts here too"
			}
			if c.FlowLimit > 0 {
				f += fmt.Sprintf("; %d of them for the flow limit, which keeps one flow from filling a backlog", c.FlowLimit)
			}
			r.Findings = append(r.Findings, f)
		}
		if r.MaxBacklog != nil && c.Input > *r.MaxBacklog {
			r.Findings = append(r.Findings, fmt.Sprintf("CPU %d's backlog is full now: %d frames wait", c.CPU, c.Input))
		}
	}
	if squeezed > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("polling ended %d times with work left (time_squeeze): net.core.netdev_budget (%s frames) or netdev_budget_usecs (%s µs) was used up. No frame is lost by that, but the queues before it grow", squeezed, text(r.Budget), text(r.BudgetUsecs)))
	}
}

// Text prints the report for people.
func (r *SoftnetReport) Text() string {
	var b strings.Builder
	w := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	w("softnet of kernel %s (%s), frames since boot", r.Kernel, r.Source)
	w("")
	w("%5s %12s %10s %12s %12s %10s %8s %8s", "CPU", "processed", "dropped", "time_squeeze", "received_rps", "flow_limit", "waiting", "taken")
	for _, c := range r.PerCPU {
		flow := "off"
		if c.FlowOn {
			flow = fmt.Sprint(c.FlowLimit)
		}
		offline := ""
		if !c.Online {
			offline = "  offline"
		}
		w("%5d %12d %10d %12d %12d %10s %8d %8d%s", c.CPU, c.Processed, c.Dropped, c.TimeSqueeze, c.ReceivedRPS, flow, c.Input, c.Process, offline)
	}
	w("")
	w("net.core: netdev_max_backlog %s, netdev_budget %s, netdev_budget_usecs %s, a backlog's weight %s", text(r.MaxBacklog), text(r.Budget), text(r.BudgetUsecs), text(r.Weight))
	if len(r.RPS) == 0 {
		w("RPS is off on every receive queue")
	}
	for _, q := range r.RPS {
		w("RPS: %s in %s, queue %d, to CPUs %s", q.Device, q.NetNS, q.Queue, numbers(q.CPUs))
	}
	section(w, "found:", r.Findings)
	section(w, "note:", r.Notes)
	section(w, unseen, r.Missing)
	return b.String()
}

func numbers(list []int) string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = fmt.Sprint(n)
	}
	return strings.Join(out, ", ")
}

// Drops reports whether a backlog was full.
func (r *SoftnetReport) Drops() bool { return len(r.Findings) > 0 }

// Partial reports whether something could not be read.
func (r *SoftnetReport) Partial() bool { return len(r.Missing) > 0 }
