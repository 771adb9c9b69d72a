package keystone

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what RFC 6238's clients compute
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/secret"
	"gostack/internal/store"
)

// totpCredential is the type of credentials whose blob is the secret, in base32, of a user's one-time passwords.
const totpCredential = "totp"

// TOTPLogin says who wants in, and shows a one-time password (RFC 6238).
type TOTPLogin struct {
	User     PasswordLogin // without a password
	Passcode secret.String
}

const totpWindow = 30 * time.Second

// proveTOTP accepts the password of this half minute or the one before (upstream's [totp] included_previous_windows), from any of the user's
// secrets. Wrong ones count as wrong passwords do: six digits would be tried out soon.
func (s *Service) proveTOTP(ctx context.Context, l *TOTPLogin) (*db.UserInDomain, error) {
	u, err := db.FindUser(ctx, s.db.Read(ctx), l.User.key())
	if store.IsNotFound(err) || err == nil && (!u.Enabled || !u.DomainEnabled || s.locked(&u.User) || s.Inactive(&u.User)) {
		return nil, Unauthorized(errors.New("no such user, disabled or locked"))
	}
	if err != nil {
		return nil, err
	}
	list, err := s.Credentials(ctx, ListOptions{}.Equals("c.user_id", u.ID).Equals("c.type", totpCredential))
	if err != nil {
		return nil, err
	}
	now, right := s.clock.Now(), 0
	for _, c := range list {
		for _, at := range []time.Time{now, now.Add(-totpWindow)} {
			if code, ok := TOTP(c.Blob, at); ok {
				right |= subtle.ConstantTimeCompare([]byte(code), []byte(l.Passcode.Reveal()))
			}
		}
	}
	if right == 1 {
		return u, nil
	}
	if err := s.noteFailure(ctx, &u.User); err != nil {
		return nil, err
	}
	return nil, rest.Unauthorized("Invalid username or TOTP passcode")
}

// TOTP computes the one-time password of a secret in base32 at a moment: six digits for each half minute.
func TOTP(words secret.String, at time.Time) (string, bool) {
	text := strings.TrimRight(strings.ToUpper(strings.ReplaceAll(words.Reveal(), " ", "")), "=")
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
	if err != nil {
		return "", false
	}
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(at.Unix()/int64(totpWindow/time.Second)))
	h := hmac.New(sha1.New, key)
	h.Write(counter[:])
	sum := h.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[offset:])&0x7fffffff%1_000_000), true
}
