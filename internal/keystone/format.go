package keystone

import (
	"gostack/internal/keystone/fernet"
	"gostack/internal/keystone/jws"
	"gostack/internal/keystone/token"
)

// tokenFormat writes tokens and reads them, with the keys of the moment (upstream: [token] provider). Either format reads its own tokens only: the
// other's are no good after a change.
type tokenFormat interface {
	// seal writes the token's ID.
	seal(t *Token) error
	// open reads a text. What it says may be expired, revoked or long gone. Errors are ErrInvalidToken.
	open(text string) (*Token, error)
}

// format is the format of this cloud's tokens, and a number that changes with its keys.
func (s *Service) format() (tokenFormat, uint64, error) {
	if s.signed != nil {
		keys, generation, err := s.signed.Keys()
		return jwsFormat{keys}, generation, err
	}
	keys, generation, err := s.keys.Keys()
	return fernetFormat(keys), generation, err
}

type fernetFormat []fernet.Key

func (f fernetFormat) seal(t *Token) error {
	packed, err := token.Pack(&t.Payload)
	if err != nil {
		return err
	}
	t.ID, err = fernet.Encrypt(f[0], packed, t.IssuedAt)
	return err
}

func (f fernetFormat) open(text string) (*Token, error) {
	packed, issuedAt, err := fernet.Decrypt(f, text)
	if err != nil {
		return nil, invalid("%v", err)
	}
	p, err := token.Unpack(packed)
	if err != nil {
		return nil, invalid("%v", err)
	}
	return &Token{ID: text, Payload: *p, IssuedAt: issuedAt}, nil
}

type jwsFormat struct{ *jws.Keys }

func (f jwsFormat) seal(t *Token) (err error) {
	t.ID, err = f.Sign(&t.Payload, t.IssuedAt)
	return err
}

func (f jwsFormat) open(text string) (*Token, error) {
	p, issuedAt, err := f.Read(text)
	if err != nil {
		return nil, invalid("%v", err)
	}
	return &Token{ID: text, Payload: *p, IssuedAt: issuedAt}, nil
}
