package ktask

import (
	"fmt"
	"slices"
	"strings"

	"kinspect/btf"
	"kinspect/expr/value"
	"kinspect/kmem"
)

const (
	maxComponents = 4096 // of one path
	maxName       = 4096 // of one component; NAME_MAX is 255, and pseudo files have more
)

// FilePath is the path of a struct file, as /proc/PID/fd shows it.
func FilePath(file value.Value) (string, error) {
	path, err := file.Member("f_path")
	if err != nil {
		return "", err
	}
	return PathOf(path)
}

// PathOf is the text of a struct path: from its dentry up to the root of its mount, on
// from where that is mounted, up to the root of the mount namespace (fs/d_path.c). Files
// without a path, such as sockets, have names that the kernel makes up: "socket:[4711]".
func PathOf(path value.Value) (string, error) {
	mnt, err := path.PointerPath("mnt")
	if err != nil {
		return "", err
	}
	dentry, err := path.Member("dentry")
	if err != nil {
		return "", err
	}
	a, err := dentry.Pointer()
	if err != nil {
		return "", err
	}
	if mnt == 0 || a == 0 {
		return "", fmt.Errorf("the path is not set")
	}
	if dentry, err = dentry.Deref(); err != nil {
		return "", err
	}
	if name, ok, err := madeUp(dentry); ok || err != nil {
		return name, err
	}
	vfs, err := path.Path("mnt")
	if err != nil {
		return "", err
	}
	if vfs, err = vfs.Deref(); err != nil {
		return "", err
	}
	mount, err := mountOf(vfs)
	if err != nil {
		return "", err
	}
	out, err := walkUp(mount, dentry)
	if err != nil {
		return "", err
	}
	gone, err := unlinked(dentry)
	if gone {
		out += " (deleted)"
	}
	return out, err
}

// mountOf is the struct mount around a struct vfsmount (fs/mount.h).
func mountOf(vfs value.Value) (value.Value, error) {
	st, err := vfs.Kernel().Struct("mount")
	if err != nil {
		return vfs, err
	}
	return vfs.ContainerOf(st, "mnt")
}

// at is the pointer at a path, and what it points to.
func at(v value.Value, path string) (value.Value, kmem.Addr, error) {
	p, err := v.Path(path)
	if err != nil {
		return p, 0, err
	}
	a, err := p.Pointer()
	if err != nil {
		return p, 0, err
	}
	t, ok := btf.Underlying(p.Type()).(*btf.Pointer)
	if !ok {
		return p, 0, fmt.Errorf("%s of %s is no pointer", path, v.Type())
	}
	return v.Kernel().Ref(t.Target(), a), a, nil
}

// walkUp joins the names from a dentry up to the root of its mount namespace.
func walkUp(mount, dentry value.Value) (string, error) {
	var names []string
	for range maxComponents {
		here, _ := dentry.Addr()
		_, root, err := at(mount, "mnt.mnt_root")
		if err != nil {
			return "", err
		}
		parent, up, err := at(dentry, "d_parent")
		if err != nil {
			return "", err
		}
		if here == root || here == up {
			self, _ := mount.Addr()
			above, a, err := at(mount, "mnt_parent")
			if err != nil {
				return "", err
			}
			if here != root || a == self || a == 0 {
				slices.Reverse(names)
				return "/" + strings.Join(names, "/"), nil
			}
			if dentry, _, err = at(mount, "mnt_mountpoint"); err != nil {
				return "", err
			}
			mount = above
			continue
		}
		name, err := dentryName(dentry)
		if err != nil {
			return "", err
		}
		names = append(names, name)
		dentry = parent
	}
	return "", value.Faultf("the path has more than %d parts: it is damaged, or it changed while it was read", maxComponents)
}

// dentryName is the last part of a dentry's path.
func dentryName(dentry value.Value) (string, error) {
	a, err := dentry.PointerPath("d_name.name")
	if err != nil {
		return "", err
	}
	s, ok, err := kmem.ReadCString(dentry.Kernel(), a, maxName)
	if err == nil && !ok {
		err = value.Faultf("the name of the dentry has no end: it is damaged")
	}
	return s, err
}

// unlinked reports whether a dentry has been deleted: it is not hashed, and no root
// (include/linux/dcache.h, d_unlinked).
func unlinked(dentry value.Value) (bool, error) {
	here, _ := dentry.Addr()
	_, up, err := at(dentry, "d_parent")
	if err != nil || up == here {
		return false, err
	}
	hashed, err := dentry.PointerPath("d_hash.pprev")
	return err == nil && hashed == 0, err
}

// madeUp is the name that a file system makes for a dentry that has no place in a tree
// (d_dname of its operations): of the kernel's own file systems, by the function.
func madeUp(dentry value.Value) (string, bool, error) {
	k := dentry.Kernel()
	_, ops, err := at(dentry, "d_op")
	if err != nil || ops == 0 {
		return "", false, err
	}
	f, err := dentry.PointerPath("d_op.d_dname")
	if err != nil || f == 0 {
		return "", false, err
	}
	ino := func() (uint64, error) { return dentry.UintPath("d_inode.i_ino") }
	switch k.FuncName(f) {
	case "pipefs_dname":
		n, err := ino()
		return fmt.Sprintf("pipe:[%d]", n), true, err
	case "sockfs_dname":
		n, err := ino()
		return fmt.Sprintf("socket:[%d]", n), true, err
	case "anon_inodefs_dname":
		name, err := dentryName(dentry)
		return "anon_inode:" + name, true, err
	case "simple_dname": // memfd and shared memory
		name, err := dentryName(dentry)
		return "/" + name + " (deleted)", true, err
	case "pidfs_dname":
		return "anon_inode:[pidfd]", true, nil
	case "ns_dname": // the inode leads to the namespace, which knows its kind
		st, err := k.Struct("ns_common")
		if err != nil {
			return "", true, err
		}
		a, err := dentry.PointerPath("d_inode.i_private")
		if err != nil {
			return "", true, err
		}
		name, err := k.Ref(st, a).StringPath("ops.name")
		if err != nil {
			return "", true, err
		}
		n, err := ino()
		return fmt.Sprintf("%s:[%d]", name, n), true, err
	}
	return "", false, nil
}

// MountPath is where a struct mount is mounted, from the root of its mount namespace.
func MountPath(mount value.Value) (string, error) {
	root, _, err := at(mount, "mnt.mnt_root")
	if err != nil {
		return "", err
	}
	return walkUp(mount, root)
}
