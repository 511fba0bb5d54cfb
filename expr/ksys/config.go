package ksys

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"kinspect/expr/value"
)

const (
	maxPacked = 4 << 20
	maxConfig = 16 << 20
)

// ErrNoConfig says that a kernel does not carry its configuration.
var ErrNoConfig = errors.New("this kernel does not carry its configuration (CONFIG_IKCONFIG is off, or its module configs is not loaded): distributions have it in the file /boot/config-RELEASE")

// Config is the configuration that a kernel was built with, where it carries it: packed
// with gzip between two symbols, in vmlinux or in the module configs (kernel/configs.c).
// Options that are off are not in it.
func Config(k *value.Kernel) (map[string]string, error) {
	first, ok1 := k.LookupSymbol("kernel_config_data")
	end, ok2 := k.LookupSymbol("kernel_config_data_end")
	if !ok1 || !ok2 {
		return nil, ErrNoConfig
	}
	if end.Addr <= first.Addr || end.Addr-first.Addr > maxPacked {
		return nil, fmt.Errorf("kernel_config_data %s and kernel_config_data_end %s do not enclose a configuration", first.Addr, end.Addr)
	}
	packed := make([]byte, end.Addr-first.Addr)
	if err := k.ReadMem(first.Addr, packed); err != nil {
		return nil, fmt.Errorf("reading the kernel's configuration: %w", err)
	}
	return parseConfig(packed)
}

func parseConfig(packed []byte) (map[string]string, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("the kernel's configuration is damaged: %w", err)
	}
	z.Multistream(false) // what follows is the marker of its end
	limited := &io.LimitedReader{R: z, N: maxConfig}
	lines := bufio.NewScanner(limited)
	out := map[string]string{}
	for lines.Scan() {
		name, v, ok := strings.Cut(lines.Text(), "=")
		if ok && !strings.HasPrefix(name, "#") {
			out[name] = strings.Trim(v, `"`)
		}
	}
	if err = lines.Err(); err == nil && limited.N == 0 {
		err = fmt.Errorf("it is longer than %d bytes", maxConfig)
	}
	if err != nil {
		return nil, fmt.Errorf("the kernel's configuration is damaged: %w", err)
	}
	return out, nil
}
