package nova

import (
	"context"
	"crypto/md5" //nolint:gosec // the fingerprint that OpenSSH and the API show; not a protection
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // likewise, of certificates
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/secret"
	"gostack/internal/store"
)

// The types of key pairs.
const (
	KeySSH  = "ssh"
	KeyX509 = "x509"
)

// KeyPair returns a user's key pair.
func (s *Service) KeyPair(ctx context.Context, userID, name string) (*KeyPair, error) {
	k, err := db.GetKeyPair(ctx, s.DB.Read(ctx), userID, name)
	if store.IsNotFound(err) {
		return nil, rest.NotFound("Keypair %s not found for user %s", name, userID)
	}
	return k, err
}

// KeyPairs returns a user's key pairs after the marker, by name.
func (s *Service) KeyPairs(ctx context.Context, userID, marker string, limit int) ([]*KeyPair, error) {
	if marker != "" {
		if _, err := db.GetKeyPair(ctx, s.DB.Read(ctx), userID, marker); err != nil {
			if store.IsNotFound(err) {
				return nil, rest.BadRequest("marker [%s] not found", marker)
			}
			return nil, err
		}
	}
	return db.ListKeyPairs(ctx, s.DB.Read(ctx), userID, marker, limit)
}

// ImportKeyPair stores a public key.
func (s *Service) ImportKeyPair(ctx context.Context, c *policy.Caller, k *KeyPair) error {
	fingerprint, err := fingerprint(k.Type, k.PublicKey)
	if err != nil {
		return rest.BadRequest("Keypair data is invalid: failed to generate fingerprint").Because(err)
	}
	k.Fingerprint = fingerprint
	return s.storeKeyPair(ctx, c, k)
}

// GenerateKeyPair makes a key pair and returns the private key, which is kept nowhere.
func (s *Service) GenerateKeyPair(ctx context.Context, c *policy.Caller, k *KeyPair) (secret.String, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return secret.String{}, err
	}
	var text []byte
	if k.Type == KeyX509 {
		cert, err := certificate(private, k.UserID, s.Now())
		if err != nil {
			return secret.String{}, err
		}
		k.PublicKey = string(cert)
		der, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			return secret.String{}, err
		}
		text = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	} else {
		public, err := ssh.NewPublicKey(&private.PublicKey)
		if err != nil {
			return secret.String{}, err
		}
		k.PublicKey = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))) + " Generated-by-Nova"
		text = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})
	}
	if k.Fingerprint, err = fingerprint(k.Type, k.PublicKey); err != nil {
		return secret.String{}, err
	}
	return secret.New(string(text)), s.storeKeyPair(ctx, c, k)
}

// storeKeyPair counts the user's key pairs and takes the limit of the caller's project, as upstream does.
func (s *Service) storeKeyPair(ctx context.Context, c *policy.Caller, k *KeyPair) error {
	k.CreatedAt = s.Now()
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		limits, err := s.limits(ctx, tx, c.ProjectID, c.UserID)
		if err != nil {
			return err
		}
		n, err := db.CountKeyPairs(ctx, tx, k.UserID)
		if err != nil {
			return err
		}
		if limit := limits["key_pairs"]; limit >= 0 && n >= limit {
			return s.over("key_pairs", limit, n, 1, "Quota exceeded, too many key pairs.")
		}
		k.Seq = 0
		if err := db.Insert(ctx, tx, k); err != nil {
			if store.IsUnique(err) {
				return rest.Conflict("Key pair '%s' already exists.", k.Name)
			}
			return err
		}
		return nil
	})
}

// DeleteKeyPair removes a user's key pair. Servers made with it keep their copy.
func (s *Service) DeleteKeyPair(ctx context.Context, userID, name string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		err := db.DeleteKeyPair(ctx, tx, userID, name)
		if store.IsNotFound(err) {
			return rest.NotFound("Keypair %s not found for user %s", name, userID)
		}
		return err
	})
}

// fingerprint is the MD5 of an SSH key, or the SHA-1 of a certificate, in pairs of hexadecimal digits.
func fingerprint(kind, public string) (string, error) {
	var sum []byte
	if kind == KeyX509 {
		block, _ := pem.Decode([]byte(public))
		if block == nil {
			return "", x509.ErrUnsupportedAlgorithm
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return "", err
		}
		h := sha1.Sum(block.Bytes) //nolint:gosec // see above
		sum = h[:]
	} else {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(public))
		if err != nil {
			return "", err
		}
		h := md5.Sum(key.Marshal()) //nolint:gosec // see above
		sum = h[:]
	}
	digits := hex.EncodeToString(sum)
	pairs := make([]string, 0, len(sum))
	for i := 0; i < len(digits); i += 2 {
		pairs = append(pairs, digits[i:i+2])
	}
	return strings.Join(pairs, ":"), nil
}

// certificate signs a user's own key for client authentication over WinRM: the subject alternative name is the user's principal name.
func certificate(key *rsa.PrivateKey, user string, now time.Time) ([]byte, error) {
	upn, err := asn1.Marshal(struct {
		ID   asn1.ObjectIdentifier
		Name asn1.RawValue
	}{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: utf8String(user + "@localhost")}})
	if err != nil {
		return nil, err
	}
	// otherName of a GeneralName is [0] IMPLICIT.
	upn[0] = 0xa0
	san, err := asn1.Marshal([]asn1.RawValue{{FullBytes: upn}})
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: user}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: san}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func utf8String(s string) []byte {
	b, _ := asn1.MarshalWithParams(s, "utf8")
	return b
}
