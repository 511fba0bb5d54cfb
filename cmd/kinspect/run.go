package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"

	"kinspect/expr"
)

// maxScriptFile is more than a script may have: what is read of the file.
const maxScriptFile = 2 << 20

// runScript runs a script, with the arguments behind its name.
func (a *app) runScript(args []string) (int, error) {
	src, err := a.readScript(args[0])
	if err != nil {
		return exitFailed, err
	}
	s, err := a.session()
	if err != nil {
		return exitFailed, err
	}
	name := args[0]
	if name == "-" {
		name = "stdin"
	}
	script, err := s.Script(name, src)
	if err != nil {
		return exitFailed, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := script.Run(ctx, expr.ScriptConfig{Args: args[1:], Out: a.stdout, Err: a.stderr, JSON: a.options.json, Format: a.format})
	if r.Failed > 0 {
		fmt.Fprintf(a.stderr, "kinspect: %d of %d assertions failed\n", r.Failed, r.Checked)
	}
	switch {
	case err != nil:
		return exitFailed, err
	case r.Code >= 0:
		return r.Code, nil
	case r.Failed > 0:
		return exitFinding, nil
	}
	return exitFine, nil
}

// readScript reads a file, or standard input.
func (a *app) readScript(name string) (string, error) {
	in := io.Reader(a.stdin)
	size := int64(0) // of a file
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
		if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
			size = st.Size()
		}
	}
	b, err := io.ReadAll(io.LimitReader(in, maxScriptFile))
	if err != nil {
		return "", fmt.Errorf("reading the script: %w", err)
	}
	if len(b) == maxScriptFile {
		if size > 0 {
			return "", fmt.Errorf("%s: the script is %d bytes long: %d is the limit", name, size, expr.MaxScript)
		}
		return "", fmt.Errorf("%s: the script is longer than %d bytes: %d is the limit", name, len(b)-1, expr.MaxScript)
	}
	return string(b), nil
}
