package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceFile writes a file, which is there as a whole or not at all: who reads it meanwhile finds the one before. It
// replaces regular files alone. The file beside it that is written first begins with a dot and ends in .tmp, which
// node_exporter's textfile collector does not read. The mode is what the umask leaves, or mode where that is not 0.
func replaceFile(path string, mode fs.FileMode, write func(io.Writer) error) (err error) {
	if err := replaceable(path); err != nil {
		return err
	}
	defer func() {
		var at *fs.PathError // names the file beside it
		if errors.As(err, &at) {
			err = at.Err
		}
	}()
	dir, base := filepath.Split(path)
	temp, err := createBeside(dir, base)
	if err != nil {
		return err
	}
	err = write(temp)
	if err == nil && mode != 0 {
		err = temp.Chmod(mode)
	}
	if err == nil {
		err = temp.Sync()
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
	}
	return err
}

// replaceable refuses what no file may replace, such as /dev/null.
func replaceable(path string) error {
	if st, err := os.Lstat(path); err == nil && !st.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file, and is left as it is", path)
	}
	return nil
}

// createBeside makes a new file beside the one that it will replace. It may be read by whom the umask lets, as what a
// shell writes.
func createBeside(dir, base string) (*os.File, error) {
	const tries = 100
	var err error
	for i := range tries {
		name := filepath.Join(dir, fmt.Sprintf(".%s.%d-%d.tmp", base, os.Getpid(), i))
		var f *os.File
		if f, err = os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666); !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
	return nil, err
}
