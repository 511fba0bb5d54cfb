package ksys

import (
	"errors"
	"fmt"

	"kinspect/expr/value"
	"kinspect/kmem"
)

// Module is a loaded module, as /proc/modules lists it.
type Module struct {
	Value  value.Value // struct module
	Name   string
	Size   uint64   // bytes of code and data
	Refs   int64    // who uses it
	UsedBy []string // the modules among them
	State  string   // Live, Loading, Unloading
	Args   string   // its parameters, as they were given; "" where the kernel does not keep them
}

const maxUsers = 4096

// moduleStates are the words of /proc/modules, by the enumerators of enum module_state.
var moduleStates = map[string]string{
	"MODULE_STATE_LIVE": "Live", "MODULE_STATE_COMING": "Loading",
	"MODULE_STATE_GOING": "Unloading", "MODULE_STATE_UNFORMED": "Unformed",
}

// EachModule calls visit with the loaded modules, the newest first (kernel/module/procfs.c).
// Where one cannot be read, it goes on with the next.
func EachModule(k *value.Kernel, visit func(Module) error) error {
	list, err := k.Modules()
	if err != nil {
		return err
	}
	var faults value.Faults
	for _, l := range list {
		m, err := readModule(l.Value, l.Name)
		if err != nil {
			if err := faults.Keep(fmt.Errorf("module %s: %w", value.Printable(l.Name), err)); err != nil {
				return err
			}
			continue
		}
		if err := visit(m); err != nil {
			return err
		}
	}
	return faults.Err()
}

func readModule(v value.Value, name string) (Module, error) {
	m := Module{Value: v, Name: name}
	var err error
	if m.Size, err = moduleSize(v); err != nil {
		return m, err
	}
	refs, err := v.UintPath("refcnt.counter")
	if err != nil {
		return m, err
	}
	m.Refs = int64(int32(refs)) - 1 // MODULE_REF_BASE: it holds one itself
	state, err := v.Member("state")
	if err != nil {
		return m, err
	}
	if m.State, err = state.Bare(value.DefaultFormat); err != nil {
		return m, err
	}
	if word, ok := moduleStates[m.State]; ok {
		m.State = word
	}
	if v.Has("args") { // which 7.3 does not keep
		args, err := v.PointerPath("args")
		if err != nil {
			return m, err
		}
		if args != 0 {
			if m.Args, _, err = kmem.ReadCString(v.Kernel(), args, maxCommandLine); err != nil {
				return m, err
			}
		}
	}
	users, err := v.Member("source_list")
	if err != nil {
		return m, err
	}
	use, err := v.Kernel().Struct("module_use")
	if err != nil {
		return m, err
	}
	err = value.EachEntry(users, use, "source_list", maxUsers, func(u value.Value) error {
		name, err := u.StringPath("source.name")
		m.UsedBy = append(m.UsedBy, name)
		return err
	})
	return m, err
}

// moduleSize adds up a module's memory: an array of regions since 6.4, two layouts before.
func moduleSize(v value.Value) (uint64, error) {
	if !v.Has("mem") {
		core, err1 := v.UintPath("core_layout.size")
		init, err2 := v.UintPath("init_layout.size")
		return core + init, errors.Join(err1, err2)
	}
	mem, err := v.Member("mem")
	if err != nil {
		return 0, err
	}
	n, _ := mem.Len()
	var sum uint64
	for i := range min(n, 64) {
		region, err := mem.Index(int64(i))
		if err != nil {
			return 0, err
		}
		size, err := region.UintPath("size")
		if err != nil {
			return 0, err
		}
		sum += size
	}
	return sum, nil
}
