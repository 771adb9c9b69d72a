package freeport

import (
	"net"
	"testing"
)

func TestPorts(t *testing.T) {
	ports, err := Ports(50)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, port := range ports {
		if seen[port] {
			t.Errorf("port %s comes twice", port)
		}
		seen[port] = true
	}
	address, err := Address()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}
