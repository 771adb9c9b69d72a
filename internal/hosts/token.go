package hosts

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"gostack/internal/cloudca"
	"gostack/internal/hosts/db"
	"gostack/internal/secret"
	"gostack/internal/store"
)

// Token is what a new machine needs to join, once: where control is, how to be sure that it is control, and a secret.
type Token struct {
	Host        string   `json:"h"`
	Control     []string `json:"c"` // hostlink addresses, host:port
	Fingerprint string   `json:"f"` // of the authority's certificate
	Secret      string   `json:"s"`
}

// tokenPrefix names the format, for people and for scanners of leaked secrets.
const tokenPrefix = "gostack-join-1-"

// Text is the token as people carry it.
func (t Token) Text() secret.String {
	b, _ := json.Marshal(t) // strings alone
	return secret.New(tokenPrefix + base64.RawURLEncoding.EncodeToString(b))
}

// ErrNoToken says that a text is not a join token.
var ErrNoToken = errors.New("this is not a join token; gostack token create --host NAME on a control machine makes one")

// ParseToken reads what Text made.
func ParseToken(text string) (Token, error) {
	var t Token
	body, ok := strings.CutPrefix(strings.TrimSpace(text), tokenPrefix)
	if !ok {
		return t, ErrNoToken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil {
		return t, fmt.Errorf("%w (a part of it is missing?)", ErrNoToken)
	}
	if err := json.Unmarshal(b, &t); err != nil || t.Secret == "" || t.Fingerprint == "" || len(t.Control) == 0 || cloudca.CheckHost(t.Host) != nil {
		return t, fmt.Errorf("%w (a part of it is missing?)", ErrNoToken)
	}
	return t, nil
}

// TokenLife is how long a token may be used unless its maker says otherwise, and the longest it can be asked for.
const (
	TokenLife    = time.Hour
	maxTokenLife = 7 * 24 * time.Hour
)

// ErrInvalid says that what an operator asks for makes no sense. The text around it says why.
var ErrInvalid = errors.New("invalid")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}

// NewToken is what CreateToken answers.
type NewToken struct {
	Host      string    `json:"host"`
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
	// Member tells that a host of that name has joined: it loses its access when the token is used.
	Member bool `json:"member"`
}

// CreateToken makes a token for one host; it ends tokens made for that name before. Only a hash of it is kept.
func (s *Service) CreateToken(ctx context.Context, host string, life time.Duration, addresses []string) (*NewToken, error) {
	if err := cloudca.CheckHost(host); err != nil {
		return nil, invalid("%v", err)
	}
	if life == 0 {
		life = TokenLife
	}
	if life < time.Minute || life > maxTokenLife {
		return nil, invalid("a token lives from a minute to %s, not %s", maxTokenLife, life)
	}
	if s.Broker == nil {
		return nil, invalid("this cloud cannot take hosts in: its message bus is inside one process; set bus and bus_admin in the configuration of control (RabbitMQ)")
	}
	if len(addresses) == 0 {
		addresses = s.Settings.Control
	}
	for _, a := range addresses {
		ip, _, err := net.SplitHostPort(a)
		if err != nil || ip == "" {
			return nil, invalid("%q is not host:port", a)
		}
	}
	a, err := s.Authority(ctx)
	if err != nil {
		return nil, err
	}
	t := Token{Host: host, Control: addresses, Fingerprint: a.Fingerprint(), Secret: rand.Text()}
	made := &NewToken{Host: host, Token: t.Text().Reveal(), ExpiresAt: s.now().Add(life)}
	err = s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := db.DeleteTokens(ctx, tx, host, s.now().Add(-maxTokenLife)); err != nil {
			return err
		}
		_, err := db.GetMember(ctx, tx, host)
		if made.Member = err == nil; err != nil && !store.IsNotFound(err) {
			return err
		}
		return db.Insert(ctx, tx, &db.Token{Hash: hashOf(t.Secret), Host: host, CreatedAt: s.now(), ExpiresAt: made.ExpiresAt})
	})
	return made, err
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
