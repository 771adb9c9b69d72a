package libvirt

import (
	"context"
	"fmt"

	rpc "github.com/digitalocean/go-libvirt"
)

// Migration is a peer-to-peer migration: libvirtd here talks to libvirtd there.
type Migration struct {
	Connect    string // URI of the other libvirtd, as this libvirtd reaches it
	Memory     string // URI of the memory's channel
	Disks      string // URI of the disks' channel; empty: none are copied
	XML        string // definition for the other side; empty: as it is
	PersistXML string // the definition that it keeps
	Bandwidth  uint64 // MiB/s; 0: no bound
	Flags      rpc.DomainMigrateFlags
}

// MigratePostcopyResume mends a migration whose channel broke after the switch to post-copy (libvirt 8.5, virDomainMigrateFlags).
const MigratePostcopyResume rpc.DomainMigrateFlags = 1 << 19

// Migrate moves a running domain and returns when it has ended. It has a connection of its own, for as long as ctx allows, and is never
// repeated; when ctx ends, the migration goes on.
func (c *Client) Migrate(ctx context.Context, dom rpc.Domain, m Migration) error {
	cn, err := dial(ctx, c.socket, c.uri)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer cn.close()
	params := []rpc.TypedParam{}
	text := func(field, value string) {
		if value != "" {
			params = append(params, rpc.TypedParam{Field: field, Value: *rpc.NewTypedParamValueString(value)})
		}
	}
	text(rpc.MigrateParamURI, m.Memory)
	text(rpc.MigrateParamDisksURI, m.Disks)
	text(rpc.MigrateParamDestXML, m.XML)
	text(rpc.MigrateParamPersistXML, m.PersistXML)
	if m.Bandwidth > 0 {
		params = append(params, rpc.TypedParam{Field: rpc.MigrateParamBandwidth, Value: *rpc.NewTypedParamValueUllong(m.Bandwidth)})
	}
	done := make(chan error, 1)
	go func() {
		_, err := cn.rpc.DomainMigratePerform3Params(dom, rpc.OptString{m.Connect}, params, nil, m.Flags)
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Socket is where the client's libvirtd listens.
func (c *Client) Socket() string { return c.socket }
