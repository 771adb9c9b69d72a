package cloudca

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"gostack/internal/secret"
)

// Holder is the private key of a certificate to be.
type Holder struct{ key ed25519.PrivateKey }

// NewHolder makes a key. It never leaves the machine.
func NewHolder() (*Holder, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return &Holder{key}, err
}

// LoadHolder reads a key that KeyPEM gave.
func LoadHolder(key secret.String) (*Holder, error) {
	private, err := parseKey([]byte(key.Reveal()))
	return &Holder{private}, err
}

// KeyPEM is the key in PKCS #8.
func (h *Holder) KeyPEM() (secret.String, error) { return keyPEM(h.key) }

// Public is the public half.
func (h *Holder) Public() crypto.PublicKey { return h.key.Public() }

// Request asks for a certificate: a PKCS #10 request, which proves that the key is the asker's. It names nobody.
func (h *Holder) Request() ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, h.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// RequestedKey verifies a request and returns the key it is about, with its fingerprint.
func RequestedKey(request []byte) (crypto.PublicKey, string, error) {
	der, err := block(request, "CERTIFICATE REQUEST")
	if err != nil {
		return nil, "", err
	}
	r, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, "", err
	}
	if err := r.CheckSignature(); err != nil {
		return nil, "", fmt.Errorf("the request is not signed with its key: %w", err)
	}
	if _, ok := r.PublicKey.(ed25519.PublicKey); !ok {
		return nil, "", fmt.Errorf("a key of type %T, not Ed25519", r.PublicKey)
	}
	return r.PublicKey, fingerprint(r.RawSubjectPublicKeyInfo), nil
}

// Certificate joins the key with the certificate that the authority issued, and the authority's own, ready for TLS.
func (h *Holder) Certificate(certPEM []byte, roots *Roots) (*tls.Certificate, error) {
	der, err := block(certPEM, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if public, ok := leaf.PublicKey.(ed25519.PublicKey); !ok || !public.Equal(h.key.Public()) {
		return nil, errors.New("the certificate is about another key")
	}
	return &tls.Certificate{Certificate: [][]byte{der, roots.cert.Raw}, PrivateKey: h.key, Leaf: leaf}, nil
}
