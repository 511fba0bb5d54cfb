package main

import (
	"bytes"
	"fmt"
	"os"
	"path"
)

// A cpioWriter builds an archive in the "newc" format, the one that the kernel
// unpacks as its initramfs. Written by hand because it is forty lines, needs
// no root for the device node, and gives the same bytes for the same input.
type cpioWriter struct {
	buf   bytes.Buffer
	inode int
	seen  map[string]bool
}

const (
	modeDir  = 0o040000
	modeFile = 0o100000
	modeChar = 0o020000
)

// file adds a regular file, and the directories above it; a second file of
// the same name is left out, as programs share libraries.
func (w *cpioWriter) file(name string, perm int, content []byte) {
	w.entry(name, modeFile|perm, 0, 0, content)
}

// device adds a character device.
func (w *cpioWriter) device(name string, major, minor int) {
	w.entry(name, modeChar|0o600, major, minor, nil)
}

func (w *cpioWriter) entry(name string, mode, major, minor int, content []byte) {
	if w.seen[name] {
		return
	}
	if dir := path.Dir(name); dir != "." {
		w.entry(dir, modeDir|0o755, 0, 0, nil)
	}
	w.seen[name] = true
	w.raw(name, mode, major, minor, content)
}

func (w *cpioWriter) raw(name string, mode, major, minor int, content []byte) {
	w.inode++
	fmt.Fprintf(&w.buf, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		w.inode, mode, 0, 0, 1, 0, len(content), 0, 0, major, minor, len(name)+1, 0)
	w.buf.WriteString(name + "\x00")
	w.pad()
	w.buf.Write(content)
	w.pad()
}

// pad brings the archive to the next multiple of four bytes.
func (w *cpioWriter) pad() {
	w.buf.Write(make([]byte, -w.buf.Len()&3))
}

func (w *cpioWriter) writeTo(file string) error {
	w.raw("TRAILER!!!", 0, 0, 0, nil)
	return os.WriteFile(file, w.buf.Bytes(), 0o644)
}
