package nova

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"gostack/internal/neutron"
	"gostack/internal/nova/db"
	"gostack/internal/nova/metadata"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/secret"
	"gostack/internal/store"
)

// MetadataReply is the answer for a guest that asks its metadata service.
type MetadataReply struct {
	Status      int
	ContentType string
	Body        []byte
}

// Metadata answers a guest's question. Who asks is known by the network and address that the request came from; the host
// that forwards it must be the one the guest's port is bound to, so a host can read only the metadata of its own guests.
func (s *Service) Metadata(ctx context.Context, host, networkID, remoteIP, path string) (MetadataReply, error) {
	srv, err := s.guestAt(ctx, host, networkID, remoteIP)
	if err != nil {
		return MetadataReply{}, err
	}
	if srv == nil {
		return plainReply(http.StatusNotFound), nil
	}
	m, err := s.MetadataOf(ctx, srv, nil)
	if err != nil {
		return MetadataReply{}, err
	}
	m.RemoteIP = remoteIP
	r, err := m.Lookup(path)
	if errors.Is(err, metadata.ErrNotFound) {
		return plainReply(http.StatusNotFound), nil
	}
	return MetadataReply{Status: http.StatusOK, ContentType: r.Type, Body: r.Body}, err
}

func plainReply(status int) MetadataReply {
	return MetadataReply{Status: status, ContentType: "text/plain; charset=utf-8", Body: fmt.Appendf(nil, "%d %s\n", status, http.StatusText(status))}
}

// guestAt is the server behind an address on a network, if its port is bound to host; nil otherwise.
func (s *Service) guestAt(ctx context.Context, host, networkID, remoteIP string) (*Server, error) {
	port, err := s.Network.PortByAddress(ctx, networkID, remoteIP)
	if rest.IsNotFound(err) || err == nil && (port == nil || port.DeviceID == "" || port.Host != host) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	srv, err := db.GetServer(ctx, s.DB.Read(ctx), port.DeviceID)
	if store.IsNotFound(err) {
		return nil, nil
	}
	return srv, err
}

// PostMetadata takes what a guest posts to its metadata service: its encrypted administrator's password, once.
func (s *Service) PostMetadata(ctx context.Context, host, networkID, remoteIP, path string, body []byte) (MetadataReply, error) {
	srv, err := s.guestAt(ctx, host, networkID, remoteIP)
	switch {
	case err != nil:
		return MetadataReply{}, err
	case srv == nil:
		return plainReply(http.StatusNotFound), nil
	case !metadata.IsPassword(path):
		return plainReply(http.StatusMethodNotAllowed), nil
	case len(body) > metadata.MaxPassword:
		return plainReply(http.StatusBadRequest), nil
	}
	status := http.StatusOK
	err = s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		now, err := db.GetServer(ctx, tx, srv.ID)
		if err != nil {
			return err
		}
		if now.Requested.Password != "" {
			status = http.StatusConflict
			return nil
		}
		now.Requested.Password = string(body)
		return db.UpdateServer(ctx, tx, now, "requested")
	})
	return plainReply(status), err
}

// ClearPassword forgets the password that a guest posted, so that it may post another.
func (s *Service) ClearPassword(ctx context.Context, c *policy.Caller, id string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		srv, err := s.serverFor(ctx, tx, c, id)
		if err != nil {
			return err
		}
		srv.Requested.Password = ""
		return db.UpdateServer(ctx, tx, srv, "requested")
	})
}

// MetadataOf is what a server can learn of itself. vifs are its ports; nil: they are looked up.
func (s *Service) MetadataOf(ctx context.Context, srv *Server, vifs []neutron.VIF) (*metadata.Server, error) {
	if vifs == nil {
		var err error
		if vifs, err = s.Network.NetworkInfo(ctx, srv.ID); err != nil {
			return nil, err
		}
	}
	ports, err := s.Network.PortsOf(ctx, []string{srv.ID})
	if err != nil {
		return nil, err
	}
	m := &metadata.Server{
		UUID: srv.ID, Name: srv.Name, Hostname: srv.Hostname, Domain: "novalocal", ProjectID: srv.ProjectID, AvailabilityZone: srv.AvailabilityZone,
		LaunchIndex: srv.LaunchIndex, Metadata: srv.Metadata, AdminPass: secret.New(srv.Requested.AdminPass), Password: srv.Requested.Password, NICs: vifs,
		EC2ID: fmt.Sprintf("i-%08x", srv.Seq), EC2ImageID: fmt.Sprintf("ami-%08x", srv.Seq), ReservationID: srv.ReservationID, FlavorName: srv.Flavor.Name, RootDevice: srv.RootDeviceName,
		Places: srv.TaggedDevices,
	}
	if srv.KeyName != nil {
		m.Key = &metadata.Key{Name: *srv.KeyName, Type: srv.KeyData.Type, Data: srv.KeyData.PublicKey}
	}
	if srv.UserData != nil {
		if m.UserData, err = rest.Base64(*srv.UserData); err != nil {
			return nil, err
		}
	}
	if srv.Requested.Devices {
		devices, err := db.BlockDevicesOf(ctx, s.DB.Read(ctx), srv.ID)
		if err != nil {
			return nil, err
		}
		for _, d := range devices {
			if d.Tag != "" {
				m.Disks = append(m.Disks, d.Tag)
			}
		}
	}
	for _, f := range srv.Requested.Files {
		m.Files = append(m.Files, metadata.File{Path: f.Path, Data: f.Data})
	}
	for _, p := range ports[srv.ID] {
		for _, g := range p.SecurityGroups {
			m.SecurityGroups = append(m.SecurityGroups, g.Name)
		}
		for _, ip := range p.FixedIPs {
			if m.FloatingIP == "" && len(ip.FloatingIPs) > 0 {
				m.FloatingIP = ip.FloatingIPs[0]
			}
		}
	}
	return m, nil
}
