package check

import (
	"fmt"
	"slices"
	"strings"

	"kinspect/expr/knet"
	"kinspect/expr/ktask"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// socketOwners are the processes that have sockets open, and what else an answer on many devices reads once. To find
// them takes all tasks' files: they are read when the first tap is seen.
type socketOwners struct {
	read bool
	of   map[kmem.Addr][]knet.Owner
	err  error

	thrown map[uint64]string // by inode number of a namespace, what [thrownAway] says: it reads counters of all CPUs
}

// maxOwners bounds how many owners of a tap are named: a socket may be open in every process of a pool.
const maxOwners = 4

// openedBy names the processes that have a packet socket open, " of tcpdump, PID 123", and says so where none has; it
// is empty where that is not known.
func (sc *scene) openedBy(h knet.Handler) string {
	socks, err := sc.s.HandlerSockets(h)
	if err != nil {
		sc.remark("which sockets are in the tap's group could not be read: %v", err)
		return ""
	}
	if len(socks) == 0 {
		return ""
	}
	o := sc.owners
	if !o.read {
		o.read = true
		o.of, o.err = sc.s.Owners()
	}
	if o.err != nil {
		sc.remark("which process has the tap open could not be read: %v", o.err)
		return ""
	}
	var who []string
	for _, sk := range socks {
		for _, o := range o.of[sk] {
			text := fmt.Sprintf("%s, PID %d", value.Printable(o.Comm), o.PID)
			if where, err := sc.elsewhere(o, h); err != nil {
				sc.remark("the namespaces of PID %d could not be read: %v", o.PID, err)
			} else if where != "" {
				text += " (" + where + ")"
			}
			if !slices.Contains(who, text) {
				who = append(who, text)
			}
		}
	}
	if len(who) == 0 {
		return " that no process has as an open file: it may lie in a message between two of them (SCM_RIGHTS), or be known to io_uring alone"
	}
	if more := len(who) - maxOwners; more > 0 {
		who = append(who[:maxOwners], fmt.Sprintf("%d more", more))
	}
	return " of " + strings.Join(who, " and ")
}

// elsewhere says in which namespaces a tap's owner is, where a look from the device's own would not find it: its PID is
// another one in a container, and `ss` asks one network namespace.
func (sc *scene) elsewhere(o knet.Owner, h knet.Handler) (string, error) {
	var parts []string
	nr, pidns, err := ktask.InnerPID(o.Task)
	if err != nil {
		return "", err
	}
	if pidns != 0 {
		parts = append(parts, fmt.Sprintf("PID %d in pid:[%d]", nr, pidns))
	}
	ns, ok, err := ktask.Namespace(o.Task, "net")
	if err != nil || !ok {
		return strings.Join(parts, ", "), err
	}
	of := sc.dev.NS.Inum
	if h.NetNS.Value.Valid() {
		of = h.NetNS.Inum
	}
	inum, err := ns.UintPath("ns.inum")
	if err != nil {
		return "", err
	}
	if inum != of {
		parts = append(parts, fmt.Sprintf("in net:[%d]", inum))
	}
	return strings.Join(parts, ", "), nil
}

// remark notes what could not be seen and leaves the answer whole, once.
func (sc *scene) remark(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(sc.notes, text) {
		sc.notes = append(sc.notes, text)
	}
}
