package member

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"

	"gostack/internal/cloudca"
	"gostack/internal/hosts"
)

// OVNFiles are what Open vSwitch is told of a member, for ovn-controller: where this host's key and certificate are, and who signs OVN's databases.
type OVNFiles struct{ Key, Certificate, CA string }

// OVN names the files of a member whose directory is dir, which need not exist yet.
func OVN(dir string) OVNFiles {
	return OVNFiles{Key: filepath.Join(dir, keyFile), Certificate: filepath.Join(dir, certificateFile), CA: filepath.Join(dir, ovnCAFile)}
}

// SouthboundTLS is how the agents of this host talk to OVN's southbound database: as ovn-controller does, by the host's name.
func (m *Member) SouthboundTLS() *tls.Config {
	roots := func(context.Context) (*cloudca.Roots, error) {
		text, err := os.ReadFile(filepath.Join(m.dir, ovnCAFile))
		if err != nil {
			return nil, fmt.Errorf("who signs OVN's databases control has not said yet: %w", err)
		}
		return cloudca.LoadRoots(text)
	}
	return cloudca.OVSDB(roots, func(ctx context.Context) (*tls.Certificate, error) {
		c, err := m.Credentials(ctx)
		if err != nil {
			return nil, err
		}
		return c.Certificate, nil
	}, m.clock.Now)
}

// fitForOVN tells whether the certificate is one by which OVN's southbound database knows the host. Those of hosts that joined before were not.
func (m *Member) fitForOVN(cert *x509.Certificate, host string) bool {
	_, err := os.Stat(filepath.Join(m.dir, ovnCAFile))
	return err == nil && cert.Subject.CommonName == host
}

// store keeps a renewed certificate. The key is written again too, after it: Open vSwitch and OVN read the two again only when both files have changed.
func (m *Member) store(reply hosts.RenewReply) error {
	if len(reply.OVNCA) > 0 {
		if err := writeFile(filepath.Join(m.dir, ovnCAFile), reply.OVNCA); err != nil {
			return err
		}
	}
	key, err := m.key.KeyPEM()
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(m.dir, certificateFile), reply.Certificate); err != nil {
		return err
	}
	return writeFile(filepath.Join(m.dir, keyFile), []byte(key.Reveal()))
}
