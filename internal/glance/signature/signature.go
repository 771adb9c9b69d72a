// Package signature verifies the signatures of images (https://docs.openstack.org/glance/latest/user/signature.html): four properties of an
// image say what was signed and by whom, and the certificate comes from a directory of the operator's.
//
// It knows the properties' words and cryptography, and neither images nor files of data.
package signature

import (
	"crypto"
	"crypto/dsa" //nolint:staticcheck // images may be signed with it
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // the hash methods
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"hash"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// The properties that say that an image is signed, when all are there.
const (
	Value       = "img_signature"                  // in base64
	HashMethod  = "img_signature_hash_method"      // SHA-224, SHA-256, SHA-384 or SHA-512
	KeyType     = "img_signature_key_type"         // RSA-PSS, DSA, or ECC_ and one of six curves
	Certificate = "img_signature_certificate_uuid" // of whoever signed
)

// Error says why a signature is not good, in cursive's words. It is safe to show to the image's owner.
type Error struct{ Reason string }

func (e *Error) Error() string { return e.Reason }

func failed(format string, args ...any) error {
	return &Error{"Signature verification for the image failed: " + fmt.Sprintf(format, args...) + "."}
}

var (
	hashMethods = map[string]crypto.Hash{"SHA-224": crypto.SHA224, "SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512}
	curves      = map[string]elliptic.Curve{"ECC_SECP384R1": elliptic.P384(), "ECC_SECP521R1": elliptic.P521()}
	uuidForm    = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

// Verifier takes the signed data and judges it.
type Verifier struct {
	hash.Hash
	method crypto.Hash
	check  func(digest []byte) bool
}

// New returns the verifier of an image with the given properties; nil when it is not signed. Certificates are files UUID.pem in dir.
func New(properties map[string]string, dir string, now time.Time) (*Verifier, error) {
	for _, name := range []string{Value, HashMethod, KeyType, Certificate} {
		if _, there := properties[name]; !there {
			return nil, nil //nolint:nilnil // there is nothing to verify
		}
	}
	value, err := base64.StdEncoding.DecodeString(properties[Value])
	if err != nil {
		return nil, failed("The signature data was not properly encoded using base64")
	}
	method, known := hashMethods[properties[HashMethod]]
	if !known {
		return nil, failed("Invalid signature hash method: %s", properties[HashMethod])
	}
	kind := properties[KeyType]
	if !verifiable(kind) {
		return nil, failed("Invalid signature key type: %s", kind)
	}
	cert, err := read(dir, properties[Certificate])
	if err != nil {
		return nil, err
	}
	switch {
	case now.Before(cert.notBefore):
		return nil, failed("Certificate is not valid before: %s UTC", cert.notBefore.UTC().Format(time.DateTime))
	case now.After(cert.notAfter):
		return nil, failed("Certificate is not valid after: %s UTC", cert.notAfter.UTC().Format(time.DateTime))
	}
	check := checker(kind, cert.key, method, value)
	if check == nil {
		return nil, failed("Invalid public key type for signature key type: %s", kind)
	}
	return &Verifier{method.New(), method, check}, nil
}

// Verify judges what has been written.
func (v *Verifier) Verify() error {
	if !v.check(v.Sum(nil)) {
		return &Error{"Signature verification failed"}
	}
	return nil
}

// largest is how long a certificate's file may be.
const largest = 64 << 10

// certificate is what of one counts here.
type certificate struct {
	key                 any
	notBefore, notAfter time.Time
}

func read(dir, id string) (*certificate, error) {
	absent := failed("Unable to retrieve certificate with ID: %s", id)
	if dir == "" || !uuidForm.MatchString(id) {
		return nil, absent
	}
	f, err := os.Open(filepath.Join(dir, strings.ToLower(id)+".pem"))
	if err != nil {
		return nil, absent
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, largest))
	if err != nil {
		return nil, absent
	}
	if block, _ := pem.Decode(text); block != nil {
		text = block.Bytes
	}
	if cert, err := x509.ParseCertificate(text); err == nil {
		return &certificate{cert.PublicKey, cert.NotBefore, cert.NotAfter}, nil
	}
	cert, err := parseBinary(text)
	if err != nil {
		return nil, failed("Unable to load certificate with ID: %s", id)
	}
	return cert, nil
}

// checker is how a key of a type judges a digest; nil when the key is not of that type.
func checker(kind string, key any, method crypto.Hash, value []byte) func(digest []byte) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if kind == "RSA-PSS" {
			return func(digest []byte) bool {
				return rsa.VerifyPSS(key, method, digest, value, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}) == nil
			}
		}
	case *dsa.PublicKey:
		if kind == "DSA" {
			return func(digest []byte) bool { return verifyDSA(key, digest, value) }
		}
	case *binaryKey:
		if binaryCurves[kind] == key.curve {
			return func(digest []byte) bool { return key.verify(digest, value) }
		}
	case *ecdsa.PublicKey:
		if curves[kind] == key.Curve {
			return func(digest []byte) bool { return ecdsa.VerifyASN1(key, digest, value) }
		}
	}
	return nil
}

// verifyDSA takes as much of the digest as the key is long (FIPS 186-4, 4.7).
func verifyDSA(key *dsa.PublicKey, digest, value []byte) bool {
	var parts struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(value, &parts); err != nil || len(rest) > 0 {
		return false
	}
	if n := (key.Q.BitLen() + 7) / 8; len(digest) > n {
		digest = digest[:n]
	}
	return dsa.Verify(key, digest, parts.R, parts.S)
}
