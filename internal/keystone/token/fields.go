package token

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// field says how one element of a payload goes onto the wire and comes back.
type field struct {
	pack   func(*msgpack.Encoder, *Payload) error
	unpack func(any, *Payload) error
}

var (
	userID                  = tagged(func(p *Payload) *string { return &p.UserID })
	projectID               = tagged(func(p *Payload) *string { return &p.ProjectID })
	domainID                = tagged(func(p *Payload) *string { return &p.DomainID })
	providerID              = tagged(func(p *Payload) *string { return &p.IdentityProviderID })
	accessTokenID           = tagged(func(p *Payload) *string { return &p.AccessTokenID })
	applicationCredentialID = tagged(func(p *Payload) *string { return &p.ApplicationCredentialID })
	thumbprint              = tagged(func(p *Payload) *string { return &p.Thumbprint })
	bareDomainID            = bare(func(p *Payload) *string { return &p.DomainID })
	bareTrustID             = bare(func(p *Payload) *string { return &p.TrustID })
	system                  = text(func(p *Payload) *string { return &p.System })
	protocolID              = text(func(p *Payload) *string { return &p.ProtocolID })

	methods = field{
		pack: func(e *msgpack.Encoder, p *Payload) error {
			mask, err := methodMask(p.Methods)
			if err != nil {
				return err
			}
			return e.EncodeInt(int64(mask))
		},
		unpack: func(v any, p *Payload) (err error) {
			mask, ok := v.(int64)
			if !ok {
				return errors.New("methods are no number")
			}
			p.Methods, err = methodNames(mask)
			return err
		},
	}

	expiresAt = field{
		// Seconds since 1970 as a double, microseconds in the fraction.
		pack: func(e *msgpack.Encoder, p *Payload) error {
			return e.EncodeFloat64(float64(p.ExpiresAt.UnixMicro()) / 1e6)
		},
		unpack: func(v any, p *Payload) error {
			seconds, ok := v.(float64)
			if n, whole := v.(int64); whole {
				seconds, ok = float64(n), true
			}
			if !ok || math.IsNaN(seconds) || math.Abs(seconds) > 1<<40 {
				return errors.New("expiry is no time")
			}
			p.ExpiresAt = time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC()
			return nil
		},
	}

	auditIDs = field{
		pack: func(e *msgpack.Encoder, p *Payload) error {
			if err := e.EncodeArrayLen(len(p.AuditIDs)); err != nil {
				return err
			}
			for _, id := range p.AuditIDs {
				raw, err := base64.RawURLEncoding.DecodeString(id)
				if err != nil {
					return fmt.Errorf("audit id: %w", err)
				}
				if err := e.EncodeBytes(raw); err != nil {
					return err
				}
			}
			return nil
		},
		unpack: func(v any, p *Payload) error {
			items, ok := v.([]any)
			if !ok || len(items) == 0 {
				return errors.New("no audit ids")
			}
			for _, item := range items {
				raw, ok := asBytes(item)
				if !ok {
					return errors.New("audit id is not bytes")
				}
				p.AuditIDs = append(p.AuditIDs, base64.RawURLEncoding.EncodeToString(raw))
			}
			return nil
		},
	}

	groupIDs = field{
		pack: func(e *msgpack.Encoder, p *Payload) error {
			if err := e.EncodeArrayLen(len(p.FederatedGroupIDs)); err != nil {
				return err
			}
			for _, id := range p.FederatedGroupIDs {
				if err := packTagged(e, id); err != nil {
					return err
				}
			}
			return nil
		},
		unpack: func(v any, p *Payload) error {
			items, ok := v.([]any)
			if !ok {
				return errors.New("groups are no list")
			}
			for _, item := range items {
				id, err := unpackTagged(item)
				if err != nil {
					return err
				}
				p.FederatedGroupIDs = append(p.FederatedGroupIDs, id)
			}
			return nil
		},
	}
)

// tagged is an id written as the pair (is it 16 bytes, value): a UUID in hexadecimal shrinks to its bytes, any other id stays text.
func tagged(of func(*Payload) *string) field {
	return field{
		pack: func(e *msgpack.Encoder, p *Payload) error { return packTagged(e, *of(p)) },
		unpack: func(v any, p *Payload) (err error) {
			*of(p), err = unpackTagged(v)
			return err
		},
	}
}

func packTagged(e *msgpack.Encoder, id string) error {
	if err := e.EncodeArrayLen(2); err != nil {
		return err
	}
	raw, small := shrink(id)
	if err := e.EncodeBool(small); err != nil {
		return err
	}
	switch {
	case small:
		return e.EncodeBytes(raw)
	case id == "":
		return e.EncodeNil()
	}
	return e.EncodeString(id)
}

func unpackTagged(v any) (string, error) {
	pair, ok := v.([]any)
	if !ok || len(pair) != 2 {
		return "", errors.New("id is no pair")
	}
	small, ok := pair[0].(bool)
	if !ok {
		return "", errors.New("id has no tag")
	}
	if pair[1] == nil {
		return "", nil
	}
	raw, ok := asBytes(pair[1])
	switch {
	case !ok:
		return "", errors.New("id is no text")
	case !small:
		return string(raw), nil
	case len(raw) != 16:
		return "", errors.New("id is not 16 bytes")
	}
	return hex.EncodeToString(raw), nil
}

// bare is an id without a tag: 16 bytes are a UUID, all else is text. The default domain's id is one that is text.
func bare(of func(*Payload) *string) field {
	return field{
		pack: func(e *msgpack.Encoder, p *Payload) error {
			if raw, ok := shrink(*of(p)); ok {
				return e.EncodeBytes(raw)
			}
			return e.EncodeString(*of(p))
		},
		unpack: func(v any, p *Payload) error {
			switch v := v.(type) {
			case string:
				*of(p) = v
			case []byte:
				if len(v) == 16 {
					*of(p) = hex.EncodeToString(v)
				} else {
					*of(p) = string(v)
				}
			default:
				return errors.New("id is no text")
			}
			return nil
		},
	}
}

func text(of func(*Payload) *string) field {
	return field{
		pack: func(e *msgpack.Encoder, p *Payload) error { return e.EncodeString(*of(p)) },
		unpack: func(v any, p *Payload) error {
			raw, ok := asBytes(v)
			if !ok {
				return errors.New("not text")
			}
			*of(p) = string(raw)
			return nil
		},
	}
}

// shrink returns the 16 bytes of an id of 32 small hexadecimal digits. Other spellings of a UUID would not come back the same, so
// they stay text.
func shrink(id string) ([]byte, bool) {
	if len(id) != 32 {
		return nil, false
	}
	raw, err := hex.DecodeString(id)
	if err != nil || hex.EncodeToString(raw) != id {
		return nil, false
	}
	return raw, true
}

// asBytes accepts both string types of MessagePack: before its version 1.0 Python wrote bytes as text and text as bytes.
func asBytes(v any) ([]byte, bool) {
	switch v := v.(type) {
	case []byte:
		return v, true
	case string:
		return []byte(v), true
	}
	return nil, false
}
