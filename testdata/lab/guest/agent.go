package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"kinspect/testdata/lab/wire"
)

// prelude makes `ip` and its friends iproute2's: busybox ash prefers the
// applets of the same names, which know neither -j nor half of the link types.
const prelude = `set -eu
ip() { /usr/sbin/ip "$@"; }
tc() { /usr/sbin/tc "$@"; }
`

// agent runs scripts for the orchestrator until the port closes.
func agent([]string) error {
	port, err := openPort(10 * time.Second)
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(port, 1<<16)
	for {
		req, err := wire.ReadRequest(in)
		if err != nil {
			return fmt.Errorf("reading a request: %w", err)
		}
		out := bufio.NewWriterSize(port, 1<<18)
		if err := wire.WriteResponse(out, runScript(req)); err != nil {
			return fmt.Errorf("writing a response: %w", err)
		}
		if err := out.Flush(); err != nil {
			return fmt.Errorf("writing a response: %w", err)
		}
	}
}

// kernelLog is the end of what the kernel has logged.
func kernelLog() string {
	log, err := exec.Command("dmesg").Output()
	if err != nil {
		return fmt.Sprintf(" (no dmesg: %v)", err)
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return "; the kernel's last lines:\n" + strings.Join(lines[max(0, len(lines)-8):], "\n")
}

// openPort waits for the port, which appears some time after its driver.
func openPort(patience time.Duration) (*os.File, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if names, _ := filepath.Glob("/dev/vport*p1"); len(names) > 0 {
			return os.OpenFile(names[0], os.O_RDWR, 0)
		}
		if time.Now().After(deadline) {
			return nil, errors.New("no /dev/vport*p1: is virtio_console loaded?")
		}
	}
}

// runScript runs one script in a process group of its own, so that a timeout
// ends what the script started too. Output goes through files: a pipe would
// keep us waiting for as long as a background child holds it open.
func runScript(req wire.Request) wire.Response {
	var files [2]*os.File
	for i := range files {
		f, err := os.CreateTemp("/tmp", "agent")
		if err != nil {
			return wire.Response{Exit: -1, Failure: err.Error()}
		}
		defer f.Close()
		defer os.Remove(f.Name())
		files[i] = f
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(req.TimeoutMS)*time.Millisecond)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", prelude+req.Script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(req.Stdin), files[0], files[1]
	if len(req.Stdin) == 0 {
		cmd.Stdin = nil
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	resp := wire.Response{Exit: cmd.ProcessState.ExitCode(), TimedOut: ctx.Err() != nil}
	switch exit := (*exec.ExitError)(nil); {
	case err == nil || resp.TimedOut:
	case !errors.As(err, &exit):
		resp.Exit, resp.Failure = -1, err.Error()
	case !exit.Exited(): // by a signal, which says nothing: the kernel may have
		resp.Failure = exit.String() + kernelLog()
	}
	resp.Stdout, _ = os.ReadFile(files[0].Name())
	resp.Stderr, _ = os.ReadFile(files[1].Name())
	return resp
}
