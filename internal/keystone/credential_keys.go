package keystone

import (
	"context"
	"crypto/sha1" //nolint:gosec // upstream's name for a key; it protects nothing
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"gostack/internal/keystone/db"
	"gostack/internal/keystone/fernet"
	"gostack/internal/rest"
	"gostack/internal/secret"
	"gostack/internal/store"
)

// Credentials are encrypted with Fernet keys of their own, which outlive those of tokens: a credential stays for years. A rotation keeps
// three keys, as upstream's credential provider does; what an older key encrypted must be migrated before the next rotation.
const activeCredentialKeys = 3

// migrateBatch is how many credentials one transaction encrypts anew.
const migrateBatch = 200

// credentialKeys are the keys in force, the primary first.
type credentialKeys []fernet.Key

// setupCredentialKeys makes the first keys where there are none.
func (s *Service) setupCredentialKeys(ctx context.Context) error {
	have, err := db.ListCredentialKeys(ctx, s.db.Read(ctx))
	if err != nil || len(have) > 0 {
		return err
	}
	fresh := map[int]fernet.Key{}
	for _, n := range []int{0, 1} {
		if fresh[n], err = fernet.NewKey(); err != nil {
			return err
		}
	}
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		have, err := db.ListCredentialKeys(ctx, tx)
		if err != nil || len(have) > 0 {
			return err
		}
		return s.replaceCredentialKeys(ctx, tx, fresh)
	})
}

func (s *Service) replaceCredentialKeys(ctx context.Context, tx store.Tx, keys map[int]fernet.Key) error {
	rows := make([]*db.CredentialKey, 0, len(keys))
	for n, key := range keys {
		rows = append(rows, &db.CredentialKey{Number: int64(n), Key: key.Encode(), CreatedAt: s.clock.Now()})
	}
	return db.ReplaceCredentialKeys(ctx, tx, rows)
}

func parseCredentialKeys(rows []*db.CredentialKey) (credentialKeys, error) {
	keys := credentialKeys{}
	for _, r := range rows {
		k, err := fernet.ParseKey(r.Key)
		if err != nil {
			return nil, fmt.Errorf("credential key %d: %w", r.Number, err)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("there are no credential keys in the database; they are made when gostack starts")
	}
	slices.Reverse(keys)
	return keys, nil
}

func (s *Service) credentialKeys(ctx context.Context) (credentialKeys, error) {
	rows, err := db.ListCredentialKeys(ctx, s.db.Read(ctx))
	if err != nil {
		return nil, err
	}
	return parseCredentialKeys(rows)
}

// hash names a key in the rows that it encrypts.
func (k credentialKeys) hash() string {
	sum := sha1.Sum([]byte(k[0].Encode())) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// seal encrypts a blob into a row.
func (k credentialKeys) seal(s *Service, c *db.Credential, blob secret.String) (err error) {
	c.KeyHash = k.hash()
	c.Blob, err = fernet.Encrypt(k[0], []byte(blob.Reveal()), s.clock.Now())
	return err
}

// open decrypts the blob of a row.
func (k credentialKeys) open(c *db.Credential) (secret.String, error) {
	plain, _, err := fernet.Decrypt(k, c.Blob)
	if err != nil {
		return secret.String{}, rest.Fail(500, "Credential could not be decrypted. Please contact the administrator").
			Because(fmt.Errorf("credential %s: no key there is opens it: %w", c.ID, err))
	}
	return secret.New(string(plain)), nil
}

// outdated returns the keys and at most so many credentials that the primary one did not encrypt.
func outdated(ctx context.Context, tx store.Tx, limit int64) ([]*db.CredentialKey, credentialKeys, []*db.Credential, error) {
	rows, err := db.ListCredentialKeys(ctx, tx)
	if err != nil {
		return nil, nil, nil, err
	}
	keys, err := parseCredentialKeys(rows)
	if err != nil {
		return nil, nil, nil, err
	}
	old, err := db.OtherKeyCredentials(ctx, tx, keys.hash(), limit)
	return rows, keys, old, err
}

// RotateCredentialKeys makes the staged key the one that new credentials are encrypted with. It refuses while a credential is still encrypted with
// an older key: after one more rotation nobody could read it (keystone-manage credential_rotate refuses likewise).
func (s *Service) RotateCredentialKeys(ctx context.Context) error {
	fresh, err := fernet.NewKey()
	if err != nil {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		rows, keys, old, err := outdated(ctx, tx, 1)
		if err != nil {
			return err
		}
		if len(old) > 0 {
			return errors.New("some credentials are not encrypted with the primary key yet: run credential-migrate first")
		}
		have := map[int]fernet.Key{}
		for i, r := range rows {
			have[int(r.Number)] = keys[len(keys)-1-i]
		}
		return s.replaceCredentialKeys(ctx, tx, fernet.Rotated(have, fresh, activeCredentialKeys))
	})
}

// MigrateCredentials encrypts every credential with the primary key, and returns how many were not. It can be cut short and run again.
func (s *Service) MigrateCredentials(ctx context.Context) (migrated int, err error) {
	for {
		n := 0
		err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
			_, keys, old, err := outdated(ctx, tx, migrateBatch)
			if err != nil {
				return err
			}
			n = len(old)
			for _, c := range old {
				blob, err := keys.open(c)
				if err != nil {
					return err
				}
				if err := keys.seal(s, c, blob); err != nil {
					return err
				}
				if err := db.Update(ctx, tx, c); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || n == 0 {
			return migrated, err
		}
		migrated += n
	}
}
