package cloudca

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Roots is what everybody knows of the authority: enough to verify its certificates and tickets.
type Roots struct {
	cert *x509.Certificate
	pool *x509.CertPool
}

// LoadRoots reads the authority's certificate.
func LoadRoots(certPEM []byte) (*Roots, error) {
	der, err := block(certPEM, "CERTIFICATE")
	if err != nil {
		return nil, fmt.Errorf("the authority's certificate: %w", err)
	}
	return newRoots(der)
}

// RootsOf takes the authority's certificate from a chain, when it has the fingerprint that is expected. It is how a machine that knows nothing
// but a fingerprint finds the authority.
func RootsOf(chain []*x509.Certificate, expected string) (*Roots, error) {
	for _, c := range chain {
		if fingerprint(c.Raw) == expected {
			return newRoots(c.Raw)
		}
	}
	return nil, errors.New("whoever answers does not show the certificate authority that the token names: it is another cloud, or somebody in between")
}

func newRoots(der []byte) (*Roots, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if !cert.IsCA {
		return nil, errors.New("the certificate is not an authority's")
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &Roots{cert: cert, pool: pool}, nil
}

// CertPEM is the authority's certificate.
func (r *Roots) CertPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.cert.Raw})
}

// Fingerprint is the SHA-256 of the authority's certificate, in hexadecimal.
func (r *Roots) Fingerprint() string { return fingerprint(r.cert.Raw) }

// Errors of Verify that callers tell apart.
var (
	ErrForeign = errors.New("the certificate is not of this cloud")
	ErrExpired = errors.New("the certificate has expired")
	ErrEarly   = errors.New("the certificate is not good yet: the clocks of the two machines differ")
)

// Verify tells whose certificate it is, when the authority has issued it and it is good now.
func (r *Roots) Verify(cert *x509.Certificate, now time.Time) (Identity, error) {
	// Judged at a moment inside its life first, so that a wrong moment is told apart from a wrong certificate.
	_, err := cert.Verify(x509.VerifyOptions{
		Roots: r.pool, CurrentTime: cert.NotBefore.Add(time.Second), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	id := identityOf(cert)
	switch {
	case id == Identity{}:
		return id, fmt.Errorf("%w: it names nobody", ErrForeign)
	case now.After(cert.NotAfter):
		return Identity{}, fmt.Errorf("%w: that of %s at %s (it is %s)", ErrExpired, id, cert.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case now.Before(cert.NotBefore):
		return Identity{}, fmt.Errorf("%w: that of %s begins at %s (it is %s)", ErrEarly, id, cert.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return id, nil
}

// identityOf reads the identity of a certificate that has been verified.
func identityOf(cert *x509.Certificate) (id Identity) {
	for _, u := range cert.URIs {
		switch {
		case u.Scheme != scheme:
		case u.Host == "control":
			id.Control = true
		case u.Host == "host":
			id.Host = strings.TrimPrefix(u.Path, "/")
		}
	}
	return id
}
