package main

import (
	"fmt"
	"runtime/debug"
	"time"

	"kinspect/expr/check"
)

// pageInfo is what a page says of the program and the time.
func pageInfo() check.PageInfo {
	version, commit := buildVersion()
	if len(commit) > 12 {
		commit = commit[:12]
	}
	if commit != "" {
		version += " " + commit
	}
	return check.PageInfo{Version: version, Now: time.Now()}
}

// buildVersion is the program's version, and its commit where the build tells.
func buildVersion() (version, commit string) {
	version = "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	return version, commit
}

// printPage prints an answer as its command does, and writes it as a page to the file that --html names. To standard
// output goes one of the two.
func (a *app) printPage(text string, object any, page func() *check.Page) error {
	switch {
	case a.options.html == "":
		return a.print(text, object)
	case a.options.html == "-":
		return page().Write(a.stdout)
	}
	failed := writePage(a.options.html, page())
	if err := a.print(text, object); err != nil {
		return err
	}
	return failed
}

// checkPage refuses a page that could not be written, before it takes time to make one.
func (o *options) checkPage() error {
	switch {
	case o.html == "":
		return nil
	case o.watch != "":
		return usagef("--html is a page of one answer, and --watch gives many: leave one of them out")
	case o.html == "-" && o.json:
		return usagef("--json and --html - both want standard output: name a file for the page")
	}
	return pageFile(o.html)
}

// pageFile refuses what is no place for a page.
func pageFile(path string) error {
	if path == "-" {
		return nil
	}
	if err := replaceable(path); err != nil {
		return fmt.Errorf("cannot write the page: %w", err)
	}
	return nil
}

// writePage writes a page to a file. A page is there to be passed on, and has no memory in it but the answer.
func writePage(path string, page *check.Page) error {
	if err := pageFile(path); err != nil { // again, as reading a kernel takes a while
		return err
	}
	if err := replaceFile(path, 0, page.Write); err != nil {
		return fmt.Errorf("cannot write the page to %s: %w", path, err)
	}
	return nil
}
