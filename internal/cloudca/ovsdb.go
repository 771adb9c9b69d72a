package cloudca

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// OVSDB is how a client of OVN's databases talks TLS. Their servers show certificates without names, from an authority of their own (central), which signs
// nothing for hosts: so no host can pass for a server. Both functions are asked for every connection, so renewed certificates count at once.
func OVSDB(central func(context.Context) (*Roots, error), own func(context.Context) (*tls.Certificate, error), now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection judges by the authority of OVN's servers instead of names
		VerifyConnection: func(state tls.ConnectionState) error {
			roots, err := central(context.Background())
			if err != nil {
				return err
			}
			if len(state.PeerCertificates) == 0 {
				return errors.New("the database shows no certificate")
			}
			id, err := roots.Verify(state.PeerCertificates[0], now())
			if err == nil && !id.Control {
				err = fmt.Errorf("%w: %s answers instead of OVN's database", ErrForeign, id)
			}
			return err
		},
		GetClientCertificate: func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) { return own(r.Context()) },
	}
}
