package knet

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"kinspect/btf"
	"kinspect/expr/value"
)

const (
	maxNamespaces = 1 << 16
	maxTasks      = 1 << 22
)

// NetNS is a network namespace.
type NetNS struct {
	Value value.Value // struct net
	Inum  uint64      // inode number, as in /proc/PID/ns/net
	Name  string      // its name in `ip netns`, where known
	Init  bool        // init_net
}

// String names the namespace for people: init_net, its name, or its number.
func (n NetNS) String() string {
	switch {
	case n.Init:
		return "init_net"
	case n.Name != "":
		return value.Printable(n.Name)
	}
	return fmt.Sprintf("net:[%d]", n.Inum)
}

// NSName is what --netns takes for a namespace: init_net, its name of `ip netns`, which may have any bytes and outlives
// the namespace when that is made again, or its inode number.
func (s *Stack) NSName(ns NetNS) string {
	if first, err := s.InitNS(); err == nil && first.Inum == ns.Inum {
		return "init_net"
	}
	name := ns.Name
	if name == "" {
		all, _ := s.Namespaces() // of what the list did not tell, the number stands
		for _, other := range all {
			if other.Inum == ns.Inum {
				name = other.Name
			}
		}
	}
	switch name {
	case "", "all", "init", "init_net": // the latter mean something else
		return strconv.FormatUint(ns.Inum, 10)
	}
	return name
}

// Namespaces lists all network namespaces, init_net first.
func (s *Stack) Namespaces() ([]NetNS, error) {
	if s.nss == nil && s.ssErr == nil {
		s.nss, s.ssErr = s.readNamespaces()
	}
	return s.nss, s.ssErr
}

func (s *Stack) readNamespaces() ([]NetNS, error) {
	head, err := s.K.Global("net_namespace_list")
	if err != nil {
		return nil, err
	}
	st, err := s.K.Struct("net")
	if err != nil {
		return nil, err
	}
	initNet, err := s.K.Global("init_net")
	if err != nil {
		return nil, err
	}
	initAddr, _ := initNet.Addr()
	names := map[uint64]string{}
	if named, err := s.Facts.NamedNetNS(); err == nil {
		for name, inum := range named {
			// Of several names of one namespace the first in order stands.
			if old, ok := names[inum]; !ok || name < old {
				names[inum] = name
			}
		}
	}
	var out []NetNS
	err = value.EachEntry(head, st, "list", maxNamespaces, func(v value.Value) error {
		inum, err := v.UintPath("ns.inum")
		if err != nil {
			return err
		}
		a, _ := v.Addr()
		out = append(out, NetNS{v, inum, names[inum], a == initAddr})
		return nil
	})
	sort.SliceStable(out, func(i, j int) bool { return out[i].Init && !out[j].Init })
	if err != nil {
		return out, fmt.Errorf("walking the list of network namespaces: %w", err)
	}
	return out, nil
}

// InitNS is init_net.
func (s *Stack) InitNS() (NetNS, error) {
	v, err := s.K.Global("init_net")
	if err != nil {
		return NetNS{}, err
	}
	inum, err := v.UintPath("ns.inum")
	return NetNS{Value: v, Inum: inum, Init: true}, err
}

// DefaultNS is the caller's own namespace on a live kernel, the one that was the
// default when a snapshot was taken, and init_net on a dump.
func (s *Stack) DefaultNS() (NetNS, error) {
	inum, err := s.Facts.SelfNetNS()
	if err != nil {
		return s.InitNS()
	}
	ns, err := s.InitNS()
	if err != nil || ns.Inum == inum {
		return ns, err
	}
	return s.namespaceByInum(inum, "your own network namespace")
}

func (s *Stack) namespaceByInum(inum uint64, what string) (NetNS, error) {
	all, err := s.Namespaces()
	for _, ns := range all {
		if ns.Inum == inum {
			return ns, nil
		}
	}
	if err != nil {
		return NetNS{}, err
	}
	return NetNS{}, fmt.Errorf("%s, net:[%d], is not among this kernel's %d network namespaces: %s", what, inum, len(all), nsList(all))
}

// ResolveNS finds namespaces by what the user writes: "all", a name of `ip
// netns`, a process's number, an inode number (as 4026531840 or
// net:[4026531840]), or "init_net". A number that is both a process and an inode
// number means the process.
func (s *Stack) ResolveNS(spec string) ([]NetNS, error) {
	one := func(ns NetNS, err error) ([]NetNS, error) {
		if err != nil {
			return nil, err
		}
		return []NetNS{ns}, nil
	}
	switch spec {
	case "all":
		return s.Namespaces()
	case "":
		return one(s.DefaultNS())
	case "init_net", "init":
		return one(s.InitNS())
	}
	if named, err := s.Facts.NamedNetNS(); err == nil {
		if inum, ok := named[spec]; ok {
			return one(s.namespaceByInum(inum, "the namespace "+value.Quote(spec)))
		}
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(spec, "net:["), "]")
	n, err := strconv.ParseUint(bare, 10, 64)
	all, nserr := s.Namespaces()
	if err != nil {
		if nserr != nil {
			return nil, nserr
		}
		return nil, fmt.Errorf("no network namespace %s: names are known on a live host and in its snapshots alone; here are %s", value.Quote(spec), nsList(all))
	}
	if bare == spec {
		if ns, ok, err := s.namespaceOfPID(n); err != nil || ok {
			return one(ns, err)
		}
	}
	for _, ns := range all {
		if ns.Inum == n {
			return one(ns, nil)
		}
	}
	if nserr != nil {
		return nil, nserr
	}
	return nil, fmt.Errorf("no process and no network namespace has the number %d; here are %s", n, nsList(all))
}

// namespaceOfPID finds the namespace of a process: from /proc live, else by
// walking the tasks from init_task (include/linux/sched.h: tasks, nsproxy).
func (s *Stack) namespaceOfPID(pid uint64) (NetNS, bool, error) {
	if pid > 1<<22 {
		return NetNS{}, false, nil
	}
	if inum, err := s.Facts.PIDNetNS(int(pid)); err == nil {
		ns, err := s.namespaceByInum(inum, fmt.Sprintf("the namespace of process %d", pid))
		return ns, true, err
	}
	head, err := s.K.Global("init_task")
	if err != nil {
		return NetNS{}, false, nil
	}
	tasks, err := head.Path("tasks")
	if err != nil {
		return NetNS{}, false, err
	}
	st, _ := head.Type().(*btf.Struct)
	var found NetNS
	var ok bool
	err = value.EachEntry(tasks, st, "tasks", maxTasks, func(t value.Value) error {
		p, err := t.UintPath("pid")
		if err != nil || p != pid {
			return err
		}
		netns, err := t.Path("nsproxy.net_ns")
		if err != nil {
			return fmt.Errorf("process %d has no namespaces any more: it is exiting", pid)
		}
		inum, err := netns.UintPath("ns.inum")
		if err != nil {
			return err
		}
		if found, err = s.namespaceByInum(inum, fmt.Sprintf("the namespace of process %d", pid)); err != nil {
			return err
		}
		ok = true
		return value.Stop()
	})
	return found, ok, err
}

// nsList names namespaces for an error, a few of them.
func nsList(all []NetNS) string {
	var out []string
	for i, ns := range all {
		if i == 8 {
			out = append(out, fmt.Sprintf("… (%d in all)", len(all)))
			break
		}
		text := ns.String()
		if !strings.HasPrefix(text, "net:[") {
			text += fmt.Sprintf(" (%d)", ns.Inum)
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}
