// Package cloudca is the certificate authority of one cloud: small, and for nobody but its own processes.
//
// It makes the authority, issues certificates to control and to hosts, reads them back, and signs tickets: permissions for one host to do one
// thing until a moment. It keeps nothing; package hosts keeps the authority in the database and knows who was removed. Keys are Ed25519
// (RFC 8032), certificates X.509 (RFC 5280) with the identity as a URI of their own scheme, so that no public name can be mistaken for one.
package cloudca

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"gostack/internal/secret"
)

// Backdate is how long before its making a certificate begins to be good: clocks of hosts differ a little.
const Backdate = 5 * time.Minute

// authorityLife is how long the authority itself is good.
const authorityLife = 20 * 365 * 24 * time.Hour

// Authority issues certificates and tickets.
type Authority struct {
	Roots
	key ed25519.PrivateKey
}

// Create makes a new authority; name tells people what it is for: the region, or a part of it.
func Create(name string, now time.Time) (*Authority, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "gostack " + name}, NotBefore: now.Add(-Backdate), NotAfter: now.Add(authorityLife),
		IsCA: true, MaxPathLenZero: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return nil, err
	}
	return load(der, private)
}

// Load reads an authority that CertPEM and KeyPEM gave.
func Load(certPEM []byte, key secret.String) (*Authority, error) {
	der, err := block(certPEM, "CERTIFICATE")
	if err != nil {
		return nil, fmt.Errorf("the authority's certificate: %w", err)
	}
	private, err := parseKey([]byte(key.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("the authority's key: %w", err)
	}
	return load(der, private)
}

func load(der []byte, key ed25519.PrivateKey) (*Authority, error) {
	roots, err := newRoots(der)
	if err != nil {
		return nil, err
	}
	if public, ok := roots.cert.PublicKey.(ed25519.PublicKey); !ok || !public.Equal(key.Public()) {
		return nil, errors.New("the authority's certificate and key do not belong together")
	}
	return &Authority{Roots: *roots, key: key}, nil
}

// KeyPEM is the private key in PKCS #8.
func (a *Authority) KeyPEM() (secret.String, error) { return keyPEM(a.key) }

// Issue makes a certificate for a public key. The identity is what the caller has verified; nothing of it comes from the holder.
func (a *Authority) Issue(id Identity, key crypto.PublicKey, now time.Time, life time.Duration) ([]byte, error) {
	if err := id.verify(); err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: id.commonName()}, NotBefore: now.Add(-Backdate), NotAfter: now.Add(life),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, URIs: id.uris(),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key, a.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// newSerial is a random serial number (RFC 5280 section 4.1.2.2: at most 20 octets).
func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

func block(text []byte, kind string) ([]byte, error) {
	b, _ := pem.Decode(text)
	if b == nil || b.Type != kind {
		return nil, fmt.Errorf("no %s in PEM", kind)
	}
	return b.Bytes, nil
}

func parseKey(text []byte) (ed25519.PrivateKey, error) {
	der, err := block(text, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("a key of type %T, not Ed25519", key)
	}
	return private, nil
}

func keyPEM(key ed25519.PrivateKey) (secret.String, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return secret.String{}, err
	}
	return secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))), nil
}

// Fingerprint is the SHA-256 of what it is given, in hexadecimal.
func fingerprint(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// KeyFingerprint names a public key, whatever certificate it is in: the SHA-256 of its SubjectPublicKeyInfo.
func KeyFingerprint(cert *x509.Certificate) string { return fingerprint(cert.RawSubjectPublicKeyInfo) }

// scheme is the scheme of identities in certificates.
const scheme = "gostack"

// uris are the identity in a certificate.
func (i Identity) uris() (list []*url.URL) {
	if i.Control {
		list = append(list, &url.URL{Scheme: scheme, Host: "control"})
	}
	if i.Host != "" {
		list = append(list, &url.URL{Scheme: scheme, Host: "host", Path: "/" + i.Host})
	}
	return list
}
