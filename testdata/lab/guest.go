package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kinspect/testdata/lab/wire"
)

// runTime bounds one script in the guest, unless the caller says otherwise.
const runTime = time.Minute

// A guest is a booted machine with its agent.
type guest struct {
	*qemu
	in   *bufio.Reader
	lost error // why no answer can be told from an earlier one's
}

// startGuest boots m and waits for the agent's first answer.
func startGuest(ctx context.Context, m machine) (*guest, error) {
	q, err := boot(ctx, m)
	if err != nil {
		return nil, err
	}
	g := &guest{qemu: q, in: bufio.NewReaderSize(q.agent, 1<<18)}
	if _, err := g.runFor(bootTime, "true"); err != nil {
		g.kill()
		return nil, err
	}
	return g, nil
}

// try runs a shell script in the guest and returns how it ended; a script
// that fails is no error here. Ours are deadline, panic and a lost agent.
//
// Behind an answer that did not come in time the next one could be taken for it: such a guest is asked no more.
func (g *guest) try(limit time.Duration, script string) (wire.Response, error) {
	if g.lost != nil {
		return wire.Response{}, fmt.Errorf("not asked: %w", g.lost)
	}
	// The agent ends the script at its own limit; the host waits longer, and
	// emulated time is slow.
	if err := g.agent.SetDeadline(time.Now().Add(limit + 30*time.Second)); err != nil {
		return wire.Response{}, err
	}
	err := wire.WriteRequest(g.agent, wire.Request{Script: script, TimeoutMS: limit.Milliseconds()})
	if err != nil {
		return wire.Response{}, g.failure("the guest takes no request: " + err.Error())
	}
	resp, err := wire.ReadResponse(g.in)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		<-g.done
		return resp, g.failure("the guest ended while it ran: " + firstLine(script))
	case err != nil:
		g.lost = g.failure(fmt.Sprintf("no answer to %q: %v", firstLine(script), err))
		return resp, g.lost
	case resp.TimedOut:
		return resp, g.failure(fmt.Sprintf("no end after %v: %s", limit, firstLine(script)))
	case resp.Failure != "":
		return resp, fmt.Errorf("%s: %s", firstLine(script), resp.Failure)
	}
	return resp, nil
}

// post starts a script that will never answer.
func (g *guest) post(script string) error {
	return wire.WriteRequest(g.agent, wire.Request{Script: script, TimeoutMS: runTime.Milliseconds()})
}

// run runs a script that has to succeed, and returns its stdout.
func (g *guest) run(script string) ([]byte, error) { return g.runFor(runTime, script) }

func (g *guest) runFor(limit time.Duration, script string) ([]byte, error) {
	resp, err := g.try(limit, script)
	if err != nil {
		return nil, err
	}
	if resp.Exit != 0 {
		return nil, fmt.Errorf("exit %d of:\n%s\nstderr: %s", resp.Exit, strings.TrimSpace(script), bytes.TrimSpace(resp.Stderr))
	}
	return resp.Stdout, nil
}

// load loads modules and what they depend on, those that are not there yet.
func (g *guest) load(names ...string) error {
	_, err := g.run(`for name in ` + strings.Join(names, " ") + `; do
	test -e /modules/$name.ko || continue   # built in
	for m in $(cat /modules/$name.deps); do
		test -e /sys/module/$m && continue
		case $m in
		bonding) insmod /modules/$m.ko max_bonds=0;; # no bond0 but ours
		nf_conntrack) insmod /modules/$m.ko enable_hooks=1;; # in every namespace, not when it is needed
		dummy) insmod /modules/$m.ko numdummies=0;;
		ifb) insmod /modules/$m.ko numifbs=0;;
		*) insmod /modules/$m.ko;;
		esac
	done
done`)
	return err
}

// fetchDir copies a directory of the guest to this machine.
func (g *guest) fetchDir(from, to string) error {
	out, err := g.run("tar c -C " + from + " .")
	if err != nil {
		return err
	}
	return untar(bytes.NewReader(out), to)
}

// untar unpacks an archive into a directory of this machine.
func untar(archive io.Reader, to string) error {
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		path := filepath.Join(to, filepath.Clean("/"+h.Name))
		if h.FileInfo().IsDir() {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = writeFrom(r, path)
		}
		if err != nil {
			return err
		}
	}
}

func writeFrom(r io.Reader, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// fetchFile copies one file of the guest to this machine.
func (g *guest) fetchFile(from, to string) error {
	out, err := g.run("cat " + from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, out, 0o644)
}

func firstLine(s string) string {
	line, _, more := strings.Cut(strings.TrimSpace(s), "\n")
	if more {
		line += " ..."
	}
	return line
}
