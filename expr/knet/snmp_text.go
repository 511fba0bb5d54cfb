package knet

import (
	"errors"
	"fmt"
	"strings"
)

// messagesPerLine is how many types of messages a line of IcmpMsg has (net/ipv4/proc.c: icmpmsg_put).
const messagesPerLine = 16

// Text is one of [SNMPFiles] as the kernel prints it, byte for byte. A file that could not be rebuilt in
// full is an error.
func (t *SNMP) Text(file string) (string, error) {
	var b strings.Builder
	var errs []error
	found := false
	for _, g := range t.Groups {
		if g.File != file {
			continue
		}
		found = true
		if g.Err != nil {
			errs = append(errs, g.Err)
			continue
		}
		g.write(&b)
	}
	switch {
	case len(errs) > 0:
		return "", errors.Join(errs...)
	case !found && file == SNMP6File:
		return "", errors.New("there is no /proc/net/snmp6 here: IPv6 is not in this kernel, or off since boot")
	case !found:
		return "", fmt.Errorf("there is no /proc/net/%s here", file)
	}
	return b.String(), nil
}

func (g *SNMPGroup) write(b *strings.Builder) {
	if g.File == SNMP6File {
		for _, c := range g.Counters {
			fmt.Fprintf(b, "%-32s\t%s\n", c.Name, c)
		}
		return
	}
	rest := g.Counters
	for {
		line := rest
		if g.Name == "IcmpMsg" {
			if len(rest) == 0 {
				return
			}
			line = rest[:min(len(rest), messagesPerLine)]
		}
		rest = rest[len(line):]
		b.WriteString(g.Name + ":")
		for _, c := range line {
			b.WriteString(" " + c.Name)
		}
		b.WriteString("\n" + g.Name + ":")
		for _, c := range line {
			b.WriteString(" " + c.String())
		}
		b.WriteString("\n")
		if len(rest) == 0 {
			return
		}
	}
}

// Has reports whether the namespace has one of [SNMPFiles].
func (t *SNMP) Has(file string) bool {
	for _, g := range t.Groups {
		if g.File == file {
			return true
		}
	}
	return false
}
