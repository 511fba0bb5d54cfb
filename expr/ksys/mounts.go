package ksys

import (
	"fmt"
	"strings"

	"kinspect/btf"
	"kinspect/expr/ktask"
	"kinspect/expr/value"
)

// Mount is a mount, as /proc/PID/mounts lists it.
type Mount struct {
	Value  value.Value // struct mount
	ID     uint64
	Source string
	Target string
	FSType string
	Flags  string // those that all file systems know: "rw,nosuid,relatime"
}

const maxMounts = 1 << 20

// mntCursor marks what readers of /proc/mounts have put into the list of mounts, up to
// 6.7 (include/linux/mount.h, MNT_CURSOR).
const mntCursor = 0x10000000

// Flags of file systems and mounts, in the order of fs/proc_namespace.c.
var (
	sbFlags = []struct {
		bit  uint64
		word string
	}{{1 << 4, "sync"}, {1 << 7, "dirsync"}, {1 << 6, "mand"}, {1 << 25, "lazytime"}}
	mntFlags = []struct {
		bit  uint64
		word string
	}{
		{0x01, "nosuid"},
		{0x02, "nodev"},
		{0x04, "noexec"},
		{0x08, "noatime"},
		{0x10, "nodiratime"},
		{0x20, "relatime"},
		{0x80, "nosymfollow"},
	}
)

const (
	sbReadOnly  = 0x01
	mntReadOnly = 0x40
)

// EachMount calls visit with the mounts of a mount namespace, in the order of their
// making: a list up to 6.7, a red-black tree since (fs/namespace.c). Where visit returns
// [value.Stop] the walk ends.
func EachMount(ns value.Value, visit func(Mount) error) error {
	k := ns.Kernel()
	st, err := k.Struct("mount")
	if err != nil {
		return err
	}
	each := func(v value.Value) error {
		m, ok, err := readMount(v)
		if err != nil || !ok {
			return err
		}
		return visit(m)
	}
	if !ns.Has("list") {
		root, err := ns.Member("mounts")
		if err != nil {
			return err
		}
		if t, ok := btf.Underlying(root.Type()).(*btf.Struct); !ok || t.Name != "rb_root" {
			return fmt.Errorf("the mounts of %s are %s, which is not known here", ns.Type(), root.Type())
		}
		return value.EachRB(root, st, "mnt_node", maxMounts, each)
	}
	head, err := ns.Member("list")
	if err != nil {
		return err
	}
	return value.EachEntry(head, st, "mnt_list", maxMounts, each)
}

// readMount reads a mount; ok is false for what is none.
func readMount(v value.Value) (m Mount, ok bool, err error) {
	m.Value = v
	flags, err := v.UintPath("mnt.mnt_flags")
	if err != nil || flags&mntCursor != 0 && !v.Has("mnt_node") {
		return m, false, err
	}
	if m.ID, err = v.UintPath("mnt_id"); err != nil {
		return m, false, err
	}
	m.Source = "none"
	if p, err := v.PointerPath("mnt_devname"); err != nil {
		return m, false, err
	} else if p != 0 {
		if m.Source, err = v.StringPath("mnt_devname"); err != nil {
			return m, false, err
		}
	}
	if m.FSType, err = v.StringPath("mnt.mnt_sb.s_type.name"); err != nil {
		return m, false, err
	}
	if p, err := v.PointerPath("mnt.mnt_sb.s_subtype"); err == nil && p != 0 {
		sub, err := v.StringPath("mnt.mnt_sb.s_subtype")
		if err != nil {
			return m, false, err
		}
		m.FSType += "." + sub
	}
	sb, err := v.UintPath("mnt.mnt_sb.s_flags")
	if err != nil {
		return m, false, err
	}
	words := []string{"rw"}
	if sb&sbReadOnly != 0 || flags&mntReadOnly != 0 {
		words[0] = "ro"
	}
	for _, f := range sbFlags {
		if sb&f.bit != 0 {
			words = append(words, f.word)
		}
	}
	for _, f := range mntFlags {
		if flags&f.bit != 0 {
			words = append(words, f.word)
		}
	}
	m.Flags = strings.Join(words, ",")
	m.Target, err = ktask.MountPath(v)
	return m, err == nil, err
}
