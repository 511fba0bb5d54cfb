package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"kinspect/expr"
	"kinspect/expr/doctor"
	"kinspect/expr/host"
	"kinspect/expr/knet"
	"kinspect/expr/value"
	"kinspect/kmem"
)

// target is the kernel that the command is about.
type target struct {
	image    *kmem.Image
	kernel   *value.Kernel
	stack    *knet.Stack
	memory   *kmem.Recorder // of a run that is kept, else nil
	facts    *host.Recorder // the same
	liveHost *host.Live     // of the running kernel, else nil
}

// open opens the kernel that the flags name, once.
func (a *app) open() (*target, error) {
	if a.target != nil {
		return a.target, nil
	}
	var img *kmem.Image
	var err error
	if files := a.options.core; len(files) > 0 {
		img, err = a.openFiles(files)
	} else {
		img, err = a.openRunning()
	}
	if err == nil {
		err = a.keep()
	}
	if err != nil {
		return nil, err
	}
	return a.use(img)
}

// openFiles opens a dump, and shows how far it is unpacked. Ctrl-C ends that, and its temporary file.
func (a *app) openFiles(files []string) (*kmem.Image, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	p := a.newProgress("reading")
	if p == nil {
		return kmem.OpenFiles(ctx, files, nil)
	}
	defer p.done()
	return kmem.OpenFiles(ctx, files, p.step)
}

// use makes an opened image the target.
func (a *app) use(img *kmem.Image) (*target, error) {
	t := &target{image: img}
	for _, remark := range img.Remarks() {
		fmt.Fprintln(a.stderr, "kinspect: note:", value.Scrub(remark))
	}
	var facts host.Facts = host.None{}
	switch snap := img.Snapshot(); {
	case img.Live():
		t.liveHost = host.NewLive()
		facts = t.liveHost
		if note := doctor.HiddenSymbols(img); note != "" {
			fmt.Fprintln(a.stderr, "kinspect: note:", note)
		}
	case snap != nil && snap.Facts[host.FactsKey] != nil:
		recorded, err := host.NewRecorded(snap.Facts[host.FactsKey])
		if err != nil {
			_ = img.Close()
			return nil, err
		}
		facts = recorded
	}
	var memory kmem.Reader = img
	if a.record {
		t.memory, t.facts = kmem.NewRecorder(img), host.NewRecorder(facts)
		if a.options.redact {
			t.memory.KeepAskedOnly()
		}
		memory, facts = t.memory, t.facts
	}
	t.kernel = value.New(img, memory)
	t.stack = knet.New(t.kernel, facts)
	if err := a.useFiles(t); err != nil {
		t.close()
		return nil, err
	}
	a.target = t
	return t, nil
}

// useFiles takes symbols, types and lines from the files that the flags name.
func (a *app) useFiles(t *target) error {
	if name := a.options.symbols; name != "" {
		f, err := kmem.OpenSymbolFile(name)
		if err != nil {
			return err
		}
		if err := t.image.UseSymbols(f); err != nil {
			return err
		}
	}
	if name := a.options.btf; name != "" {
		if err := t.kernel.UseTypes(name); err != nil {
			return err
		}
	}
	if names := a.options.vmlinux; len(names) > 0 {
		return a.useVmlinux(t, names)
	}
	return nil
}

// useVmlinux takes lines and, where the kernel has none, types from files with debug information. How far these are read
// is shown.
func (a *app) useVmlinux(t *target, names []string) error {
	p := a.newProgress("reading types of")
	var step kmem.Progress
	if p != nil {
		step = p.step
		defer p.done()
	}
	for _, name := range names {
		if err := t.kernel.UseVmlinux(context.Background(), name, step); err != nil {
			return err
		}
	}
	if p == nil {
		return nil
	}
	// Now, while there is a line for the progress. Commands may do without types, but not without what was asked for.
	if _, err := t.kernel.Types(); err != nil && t.kernel.TypesFromVmlinux() {
		return err
	}
	return nil
}

func (t *target) close() {
	if t.liveHost != nil {
		t.liveHost.Close()
	}
	t.kernel.CloseFiles()
	_ = t.image.Close()
}

// session is the language on the target.
func (a *app) session() (*expr.Session, error) {
	t, err := a.open()
	if err != nil {
		return nil, err
	}
	if a.options.netns != "" {
		if _, err := t.stack.ResolveNS(a.options.netns); err != nil {
			return nil, err
		}
	}
	s := expr.NewSession(t.kernel, t.stack, expr.Options{NetNS: a.options.netns})
	registerChecks(s, t.stack, a.options.netns)
	return s, nil
}

// namespaces are those that --netns names, or fallback where it names none.
func (a *app) namespaces(t *target, fallback string) ([]knet.NetNS, error) {
	spec := a.options.netns
	if spec == "" {
		spec = fallback
	}
	return t.stack.ResolveNS(spec)
}

// device finds a device in the namespaces that --netns names.
func (a *app) device(t *target, name string) (knet.Device, error) {
	return deviceIn(t.stack, name, a.options.netns)
}

func deviceIn(s *knet.Stack, name, netns string) (knet.Device, error) {
	nss, err := s.ResolveNS(netns)
	if err != nil {
		return knet.Device{}, err
	}
	var found []knet.Device
	var first error
	for _, ns := range nss {
		d, err := s.Device(name, ns)
		var none *knet.NoDeviceError
		switch {
		case err == nil:
			found = append(found, d)
		case first == nil || !errors.As(err, &none):
			first = err
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return knet.Device{}, first
	}
	where := ""
	for i, d := range found {
		if i > 0 {
			where += ", "
		}
		where += fmt.Sprint(d.NS.Inum)
	}
	return knet.Device{}, fmt.Errorf("%d network namespaces have a device %s: choose one with --netns: %s", len(found), value.Quote(name), where)
}
