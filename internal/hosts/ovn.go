package hosts

import (
	"context"
	"crypto/tls"
	"time"

	"gostack/internal/cloudca"
	"gostack/internal/hosts/db"
)

// OVN's databases know nobody but holders of certificates. Two authorities keep the sides apart, since ovsdb-server lets in everybody whom its authority has
// signed, and ovn-controller takes every such certificate for the database's:
//
//   - the southbound database lets in whom the cloud's authority has signed, hosts and control, and gives them the role ovn-controller: a client writes the rows
//     of the chassis that has its name, and what OVN's roles allow everybody (ovn-sb(5), RBAC_Role);
//   - the northbound database, which has no roles, lets in whom the second authority has signed: control;
//   - the second authority signs the servers themselves, and no host.

// ServerLife is how long the certificate of OVN's servers is good; an operator puts it in place by hand.
const ServerLife = 2 * 365 * 24 * time.Hour

// OVNAuthority signs the servers of OVN's databases, and control as their client. It is made at first need.
func (s *Service) OVNAuthority(ctx context.Context) (*cloudca.Authority, error) {
	return s.loadAuthority(ctx, db.OVNAuthority, s.Region+" OVN")
}

// OVNServer is what the machine of OVN's databases needs, in PEM.
type OVNServer struct {
	Key         string    `json:"key"` // secret
	Certificate string    `json:"certificate"`
	HostsCA     string    `json:"hosts_ca"`   // clients of the southbound database
	ControlCA   string    `json:"control_ca"` // clients of the northbound database
	Until       time.Time `json:"until"`
}

// OVNServer makes a key and a certificate for OVN's databases. They are kept nowhere.
func (s *Service) OVNServer(ctx context.Context, life time.Duration) (*OVNServer, error) {
	central, err := s.OVNAuthority(ctx)
	if err != nil {
		return nil, err
	}
	cloud, err := s.Authority(ctx)
	if err != nil {
		return nil, err
	}
	holder, err := cloudca.NewHolder()
	if err != nil {
		return nil, err
	}
	key, err := holder.KeyPEM()
	if err != nil {
		return nil, err
	}
	now := s.now()
	cert, err := central.Issue(cloudca.Identity{Control: true}, holder.Public(), now, life)
	return &OVNServer{Key: key.Reveal(), Certificate: string(cert), HostsCA: string(cloud.CertPEM()), ControlCA: string(central.CertPEM()), Until: now.Add(life)}, err
}

// NorthboundTLS is how control talks to the northbound database.
func (s *Service) NorthboundTLS() *tls.Config {
	return cloudca.OVSDB(s.ovnRoots, func(ctx context.Context) (*tls.Certificate, error) { return s.client(ctx, s.OVNAuthority) }, s.now)
}

// SouthboundTLS is how control talks to the southbound database, where it reads, and writes what every client may.
func (s *Service) SouthboundTLS() *tls.Config {
	return cloudca.OVSDB(s.ovnRoots, func(ctx context.Context) (*tls.Certificate, error) { return s.client(ctx, s.Authority) }, s.now)
}

// client is control's certificate from an authority, and a new one in time.
func (s *Service) client(ctx context.Context, from func(context.Context) (*cloudca.Authority, error)) (*tls.Certificate, error) {
	a, err := from(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.ovnClient[a.Fingerprint()]; c != nil && s.now().Before(RenewTime(c)) {
		return c, nil
	}
	c, err := s.issueTo(a, cloudca.Identity{Control: true})
	if err != nil {
		return nil, err
	}
	if s.ovnClient == nil {
		s.ovnClient = map[string]*tls.Certificate{}
	}
	s.ovnClient[a.Fingerprint()] = c
	return c, nil
}

// ChassisTLS is how control takes a chassis that is no more out of the southbound database: in its name, since only a chassis may remove itself.
func (s *Service) ChassisTLS(chassis string) *tls.Config {
	return cloudca.OVSDB(s.ovnRoots, func(ctx context.Context) (*tls.Certificate, error) {
		cloud, err := s.Authority(ctx)
		if err != nil {
			return nil, err
		}
		return s.issueTo(cloud, cloudca.Identity{Host: chassis})
	}, s.now)
}

// issueTo makes a key with a certificate for this process.
func (s *Service) issueTo(a *cloudca.Authority, id cloudca.Identity) (*tls.Certificate, error) {
	key, err := cloudca.NewHolder()
	if err != nil {
		return nil, err
	}
	text, err := a.Issue(id, key.Public(), s.now(), CertificateLife)
	if err != nil {
		return nil, err
	}
	return key.Certificate(text, &a.Roots)
}

func (s *Service) ovnRoots(ctx context.Context) (*cloudca.Roots, error) {
	a, err := s.OVNAuthority(ctx)
	if err != nil {
		return nil, err
	}
	return &a.Roots, nil
}
