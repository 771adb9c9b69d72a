package jws

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Keys are what tokens are signed with and known by.
type Keys struct {
	private *ecdsa.PrivateKey
	public  []*ecdsa.PublicKey
}

// Repository is two directories of keys in PEM, as upstream has them ([jwt_tokens] jws_private_key_repository, jws_public_key_repository): the
// first holds private.pem, the second any number of public keys. Files that come and go are noticed.
type Repository struct {
	Private, Public string

	mu         sync.Mutex
	seen       []os.FileInfo
	settled    bool // what was seen had been there long enough that a later change shows
	generation uint64
	keys       *Keys
}

// privateFile is the name upstream looks for.
const privateFile = "private.pem"

// Keys returns the keys that lie there now, and a number that changes with them.
func (r *Repository) Keys() (*Keys, uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	begin := time.Now()
	var now []os.FileInfo
	settled := true
	for _, name := range []string{filepath.Join(r.Private, privateFile), r.Public} {
		info, err := os.Stat(name)
		if err != nil {
			return nil, 0, fmt.Errorf("keys of tokens: %w; gostack keystone create-jws-keypair makes a pair", err)
		}
		now = append(now, info)
		settled = settled && begin.Sub(info.ModTime()) > granularity
	}
	if r.settled && slices.EqualFunc(now, r.seen, func(a, b os.FileInfo) bool { return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) }) {
		return r.keys, r.generation, nil
	}
	keys, err := read(filepath.Join(r.Private, privateFile), r.Public)
	if err != nil {
		return nil, 0, err
	}
	r.seen, r.settled = now, settled
	if r.keys == nil || !keys.equal(r.keys) {
		r.keys = keys
		r.generation++
	}
	return r.keys, r.generation, nil
}

// granularity is more than the step in which any file system counts time: two changes within it may look like one.
const granularity = 2 * time.Second

func (k *Keys) equal(other *Keys) bool {
	return k.private.Equal(other.private) && slices.EqualFunc(k.public, other.public, func(a, b *ecdsa.PublicKey) bool { return a.Equal(b) })
}

func read(private, public string) (*Keys, error) {
	text, err := os.ReadFile(private)
	if err != nil {
		return nil, err
	}
	k := &Keys{}
	if k.private, err = jwt.ParseECPrivateKeyFromPEM(text); err != nil {
		return nil, fmt.Errorf("%s: %w", private, err)
	}
	files, err := filepath.Glob(filepath.Join(public, "*"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		key, err := jwt.ParseECPublicKeyFromPEM(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if key.Curve != elliptic.P256() {
			return nil, fmt.Errorf("%s: ES256 takes keys of the curve P-256", name)
		}
		k.public = append(k.public, key)
	}
	if !slices.ContainsFunc(k.public, func(p *ecdsa.PublicKey) bool { return p.Equal(&k.private.PublicKey) }) {
		return nil, fmt.Errorf("no key in %s belongs to %s: tokens of this host would be good nowhere", public, private)
	}
	return k, nil
}

// CreatePair writes private.pem, readable by its owner, and public.pem into a directory (keystone-manage create_jws_keypair). Files that exist
// are kept unless force is set.
func CreatePair(dir string, force bool) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	files := []struct {
		name, kind string
		data       []byte
		mode       os.FileMode
	}{{privateFile, "PRIVATE KEY", private, 0o600}, {"public.pem", "PUBLIC KEY", public, 0o644}}
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.name)); err == nil && !force {
			return fmt.Errorf("%s exists already; --force replaces it", filepath.Join(dir, f.name))
		} else if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for _, f := range files {
		name := filepath.Join(dir, f.name)
		if err := errors.Join(os.WriteFile(name+".new", pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.data}), f.mode), os.Rename(name+".new", name)); err != nil {
			return err
		}
	}
	return nil
}
