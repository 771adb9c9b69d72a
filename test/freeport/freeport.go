// Package freeport finds ports of loopback for programs that must be told theirs before they listen, and that may listen again on the same one after they were killed.
//
// A port that the kernel chooses for ":0" is free when it is looked at; before the program listens, or while it is away, the kernel may give it to another listener of
// any test that runs at the same time. Below the range that the kernel chooses from nobody takes a port without being told to.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports to choose from: below 32768, where Linux's own choice begins (ip_local_port_range), and above those of well-known programs.
const first, last = 16384, 32767

// Ports returns n different ports on which nobody listens at 127.0.0.1.
func Ports(n int) ([]string, error) {
	var held []net.Listener // until all are found, so that they differ
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	var ports []string
	for range 100 * n {
		if len(ports) == n {
			break
		}
		port := strconv.Itoa(first + rand.IntN(last-first+1))
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			continue
		}
		held, ports = append(held, l), append(ports, port)
	}
	if len(ports) < n {
		return nil, errors.New("no free ports at 127.0.0.1")
	}
	return ports, nil
}

// Address returns 127.0.0.1 with such a port.
func Address() (string, error) {
	ports, err := Ports(1)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", ports[0]), nil
}
