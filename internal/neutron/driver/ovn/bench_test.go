package ovn

import (
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/ovn/ovntest"
	"gostack/test/machine"
)

// BenchmarkPort is one port realised in a real Northbound database, northd and ovn-controller running: alone, and with 16 callers.
// The baseline is ovn-nbctl doing the bare minimum of the same.
func BenchmarkPort(b *testing.B) {
	if os.Getenv("GOSTACK_MACHINE") == "" {
		out := machine.Start(b).Run(b, os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkPort$", "-test.benchtime=2s")
		b.Log("\n" + out)
		return
	}
	benchmarkPort(b)
}

func benchmarkPort(b *testing.B) {
	ovntest.Start(b)
	backend := Open(Config{Northbound: []string{ovntest.Northbound}, Southbound: []string{ovntest.Southbound}})
	b.Cleanup(backend.Close)
	c := newCloud()
	c.ensure(b, b.Context(), backend)
	var n atomic.Int64
	next := func() driver.PortSpec {
		p, i := c.server, n.Add(1)
		p.ID, p.MAC = uuid.NewString(), fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", i>>16&255, i>>8&255, i&255)
		p.FixedIPs = []driver.FixedIP{{SubnetID: c.aSub.ID, Address: netip.AddrFrom4([4]byte{10, 6, byte(i >> 8), byte(i)}), CIDR: c.aSub.CIDR}}
		return p
	}
	b.Run("baseline ovn-nbctl", func(b *testing.B) {
		for b.Loop() {
			id := uuid.NewString()
			ovntest.Run(b, "ovn-nbctl", "lsp-add", switchName(c.a.ID), id, "--", "lsp-set-addresses", id, "unknown")
		}
	})
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			if err := backend.EnsurePort(b.Context(), next()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("16 callers", func(b *testing.B) {
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := backend.EnsurePort(b.Context(), next()); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
