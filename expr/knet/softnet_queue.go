package knet

import (
	"fmt"

	"kinspect/expr/value"
)

// SoftnetQueue is what /proc/net/softnet_stat says of a CPU beyond [Softnet] (net/core/net-procfs.c:
// softnet_seq_show).
type SoftnetQueue struct {
	Softnet
	TimeSqueeze uint64 // how often polling ended with work left: budget or time were used up
	ReceivedRPS uint64 // how often another CPU woke this one for frames of RPS
	Input       uint64 // frames that wait in input_pkt_queue now
	Process     uint64 // frames that are taken out of the backlog now
}

// SoftnetQueues reads every possible CPU's softnet_data.
func (s *Stack) SoftnetQueues() ([]SoftnetQueue, error) {
	base, err := s.Softnets()
	if err != nil {
		return nil, err
	}
	sd, err := s.K.Global("softnet_data")
	if err != nil {
		return nil, err
	}
	out := make([]SoftnetQueue, 0, len(base))
	err = s.K.EachCPU(sd, func(_ int, v value.Value) error {
		q := SoftnetQueue{Softnet: base[len(out)]}
		for _, m := range []struct {
			path string
			to   *uint64
		}{
			{"time_squeeze", &q.TimeSqueeze},
			{"received_rps", &q.ReceivedRPS},
			{"input_pkt_queue.qlen", &q.Input},
			{"process_queue.qlen", &q.Process},
		} {
			n, err := v.UintPath(m.path)
			if err != nil {
				return err
			}
			*m.to = n
		}
		out = append(out, q)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading softnet_data: %w", err)
	}
	return out, nil
}

// SoftnetSettings are the numbers of net.core that bound the receive softirq.
type SoftnetSettings struct {
	MaxBacklog  uint64 // netdev_max_backlog: frames that a CPU's backlog holds
	Budget      uint64 // netdev_budget: frames that one run of the softirq takes
	BudgetUsecs uint64 // netdev_budget_usecs: how long it lasts, in µs
	Weight      uint64 // dev_weight × dev_weight_rx_bias: frames of a backlog at a time
}

// SoftnetSettings reads the settings.
func (s *Stack) SoftnetSettings() (set SoftnetSettings, err error) {
	for _, m := range []struct {
		member, global string
		to             *uint64
	}{
		{"max_backlog", "netdev_max_backlog", &set.MaxBacklog},
		{"netdev_budget", "netdev_budget", &set.Budget},
		{"netdev_budget_usecs", "netdev_budget_usecs", &set.BudgetUsecs},
		{"dev_rx_weight", "dev_rx_weight", &set.Weight},
	} {
		if *m.to, err = s.netSetting(m.member, m.global); err != nil {
			return set, err
		}
	}
	return set, nil
}

// RPSQueue is a receive queue whose frames RPS spreads over CPUs
// (/sys/class/net/DEV/queues/rx-N/rps_cpus).
type RPSQueue struct {
	Queue int
	CPUs  []int
}

// RPS lists the receive queues of a device that RPS is on for.
func (d Device) RPS() (out []RPSQueue, err error) {
	err = d.eachRxQueue(func(i int, q value.Value, rpsMap uint64) error {
		if rpsMap == 0 {
			return nil
		}
		count, err := q.UintPath("rps_map.len")
		if err != nil {
			return err
		}
		cpus, err := q.Path("rps_map.cpus")
		if err != nil {
			return err
		}
		queue := RPSQueue{Queue: i}
		for j := range int64(min(count, maxQueues)) {
			c, err := cpus.Index(j)
			if err != nil {
				return err
			}
			cpu, err := c.Uint()
			if err != nil {
				return err
			}
			queue.CPUs = append(queue.CPUs, int(cpu))
		}
		out = append(out, queue)
		return nil
	})
	return out, err
}
