package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// bootTime bounds the time until the agent answers; 8 to 15 s are usual, minutes on a
// machine that is busy with other things.
const bootTime = 10 * time.Minute

// cmdline is every guest's. A panic ends the guest, and with it the wait for
// its answer. IPv6 stays a protocol that the kernel handles, but sends no
// frames of its own into every new device, in no namespace: the sysctl of the
// same name is not inherited by new ones.
const cmdline = "console=ttyS0 panic=-1 quiet loglevel=4 ipv6.disable_ipv6=1"

// A machine is what to boot.
type machine struct {
	kernel  *kernel
	initrd  string
	memory  int      // MiB
	cpu     string   // "" for max
	cmdline string   // added to the usual one
	disks   []string // raw images for /dev/vda, /dev/vdb
	qemu    string   // program, "" for Debian's
	noinfo  bool     // without the device that tells QEMU of VMCOREINFO
	console string   // file that takes the serial console
	icount  bool     // the guest's clock counts instructions, a nanosecond each, and does not wait
}

// A qemu is one running guest.
type qemu struct {
	cmd     *exec.Cmd
	machine machine
	sockets string // directory of the two sockets
	agent   net.Conn
	qmp     net.Conn
	qmpIn   *bufio.Reader
	done    chan struct{} // closed when the process has ended
	exit    error         // how, valid once done is closed
	stderr  bytes.Buffer
}

// boot starts a guest and waits until its agent's port is connected. QEMU
// connects to sockets that we listen on, so nothing polls for their names.
func boot(ctx context.Context, m machine) (*qemu, error) {
	dir, err := os.MkdirTemp("", "kinspect-lab-") // not in the cache: a socket's path has 107 bytes
	if err != nil {
		return nil, err
	}
	q := &qemu{machine: m, sockets: dir, done: make(chan struct{})}
	if err := q.start(ctx); err != nil {
		q.kill()
		return nil, err
	}
	return q, nil
}

func (q *qemu) start(ctx context.Context) error {
	var listeners [2]net.Listener
	for i, name := range []string{"agent", "qmp"} {
		l, err := net.Listen("unix", filepath.Join(q.sockets, name))
		if err != nil {
			return err
		}
		defer l.Close()
		listeners[i] = l
	}
	m := q.machine
	cpu := m.cpu
	if cpu == "" {
		cpu = "max"
	}
	args := []string{
		// thread=multi is a little faster, and sometimes panics the guest
		// inside the kernel's self-patching (QEMU 7.2).
		"-accel", "tcg,thread=single", "-cpu", cpu, "-smp", "2", "-m", strconv.Itoa(m.memory),
		"-nodefaults", "-display", "none", "-nic", "none", "-no-reboot",
		"-serial", "file:" + m.console,
		"-chardev", "socket,id=qmp,path=" + filepath.Join(q.sockets, "qmp"), "-mon", "chardev=qmp,mode=control",
		"-device", "virtio-serial-pci",
		"-chardev", "socket,id=agent,path=" + filepath.Join(q.sockets, "agent"),
		"-device", "virtserialport,chardev=agent,name=agent",
		"-kernel", m.kernel.image, "-initrd", m.initrd,
		"-append", strings.TrimSpace(cmdline + " " + m.cmdline),
	}
	if !m.noinfo {
		args = append(args, "-device", "vmcoreinfo")
	}
	for _, disk := range m.disks {
		args = append(args, "-drive", "if=virtio,format=raw,cache=unsafe,file="+disk)
	}
	if m.icount {
		args = append(args, "-icount", "shift=0,sleep=off")
	}
	program := "qemu-system-x86_64"
	if m.qemu != "" {
		program, args = m.qemu, append(args, firmware...)
	}
	q.cmd = exec.CommandContext(ctx, program, args...)
	q.cmd.Stderr = &q.stderr
	if err := q.cmd.Start(); err != nil {
		return err
	}
	go func() {
		q.exit = q.cmd.Wait()
		for _, l := range listeners {
			l.Close() // ends an Accept that QEMU will never meet
		}
		close(q.done)
	}()
	conns := [2]net.Conn{}
	for i, l := range listeners {
		c, err := l.Accept()
		if err != nil {
			<-q.done
			return q.failure("QEMU ended before the guest ran")
		}
		conns[i] = c
	}
	q.agent, q.qmp = conns[0], conns[1]
	q.qmpIn = bufio.NewReader(q.qmp)
	_, err := q.command("qmp_capabilities", nil)
	return err
}

// command runs one QMP command and waits for its return, skipping events.
func (q *qemu) command(name string, arguments any) (json.RawMessage, error) {
	request, err := json.Marshal(map[string]any{"execute": name, "arguments": arguments})
	if arguments == nil {
		request, err = json.Marshal(map[string]any{"execute": name})
	}
	if err != nil {
		return nil, err
	}
	if err := q.qmp.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return nil, err
	}
	if _, err := q.qmp.Write(append(request, '\n')); err != nil {
		return nil, fmt.Errorf("QMP %s: %w", name, err)
	}
	for {
		line, err := q.qmpIn.ReadBytes('\n')
		if err != nil {
			return nil, fmt.Errorf("QMP %s: %w", name, err)
		}
		var reply struct {
			Return json.RawMessage `json:"return"`
			Error  *struct {
				Desc string `json:"desc"`
			} `json:"error"`
		}
		if err := json.Unmarshal(line, &reply); err != nil {
			return nil, fmt.Errorf("QMP %s: %w", name, err)
		}
		if reply.Error != nil {
			return nil, fmt.Errorf("QMP %s: %s", name, reply.Error.Desc)
		}
		if reply.Return != nil {
			return reply.Return, nil
		}
	}
}

// dumpMemory writes the guest's memory as an ELF core with physical addresses
// alone; the guest stands still meanwhile.
func (q *qemu) dumpMemory(path string) error { return q.dumpAs(path, "elf", false) }

// dumpAs writes the guest's memory in a format of dump-guest-memory.
func (q *qemu) dumpAs(path, format string, paging bool) error {
	part := path + ".part" // whoever reads the last run's dump keeps it
	if _, err := q.command("dump-guest-memory", map[string]any{"paging": paging, "protocol": "file:" + part, "format": format}); err != nil {
		return err
	}
	return errors.Join(os.Chmod(part, 0o644), os.Rename(part, path))
}

// failure is an error that shows the end of the console: after a panic or a
// silence there is no other witness.
func (q *qemu) failure(what string) error {
	tail := consoleTail(q.machine.console, 30)
	select {
	case <-q.done:
		what += fmt.Sprintf(" (QEMU ended: %v %s)", q.exit, strings.TrimSpace(q.stderr.String()))
	default:
	}
	return errors.New(what + "\n" + tail)
}

// cpu is what QEMU has taken of this machine's time so far, in the hundredths of a second of /proc/PID/stat.
func (q *qemu) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", q.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	fields := strings.Fields(string(rest)) // from the third on, the state
	if len(fields) < 13 {
		return 0
	}
	var ticks int64
	for _, f := range fields[11:13] { // utime and stime
		n, _ := strconv.ParseInt(f, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// kill ends the guest and removes its sockets.
func (q *qemu) kill() {
	if q.cmd != nil && q.cmd.Process != nil {
		q.cmd.Process.Kill()
		<-q.done
	}
	for _, c := range []net.Conn{q.agent, q.qmp} {
		if c != nil {
			c.Close()
		}
	}
	os.RemoveAll(q.sockets)
}

// consoleTail returns the last lines of a console, indented.
func consoleTail(path string, lines int) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return "    | no console: " + err.Error()
	}
	return lastLines(content, lines)
}

// lastLines returns the last lines of a text, indented.
func lastLines(text []byte, lines int) string {
	all := strings.Split(strings.TrimRight(strings.ReplaceAll(string(text), "\r", ""), "\n"), "\n")
	all = all[max(len(all)-lines, 0):]
	return "    | " + strings.Join(all, "\n    | ")
}
