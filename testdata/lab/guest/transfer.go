package main

import (
	"fmt"
	"io"
	"net"
	"strconv"
)

// transfer sends over a TCP connection to itself, with as many writes as it is told, of 1000 bytes.
func transfer(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want a number of writes, got %q", args)
	}
	writes, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	sent := make(chan error, 1)
	go func() {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			sent <- err
			return
		}
		buf := make([]byte, 1000)
		for range writes {
			if _, err = c.Write(buf); err != nil {
				break
			}
		}
		_ = c.Close()
		sent <- err
	}()
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	n, err := io.Copy(io.Discard, c)
	if err != nil {
		return err
	}
	if n != int64(1000*writes) {
		return fmt.Errorf("%d bytes came, of %d", n, 1000*writes)
	}
	return <-sent
}
