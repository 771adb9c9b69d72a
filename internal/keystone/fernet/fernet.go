// Package fernet encrypts and signs small messages in the Fernet format (github.com/fernet/spec, version 0x80) and keeps
// the directory of keys that Keystone rotates.
//
// It owns the cipher and the key directory. It knows nothing about tokens: what a message means is package token's affair,
// and it never decides whether a message is too old.
package fernet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// ErrInvalid is returned for every message that cannot be trusted: wrong shape, wrong signature, wrong padding, no key.
var ErrInvalid = errors.New("fernet: invalid message")

const (
	version     = 0x80
	headerSize  = 1 + 8 + aes.BlockSize
	minimumSize = headerSize + aes.BlockSize + sha256.Size
)

// Key is one Fernet key: 128 bits to sign with, then 128 bits to encrypt with.
type Key [32]byte

// NewKey draws a key from the system's randomness.
func NewKey() (Key, error) {
	var k Key
	if _, err := rand.Read(k[:]); err != nil {
		return Key{}, fmt.Errorf("draw fernet key: %w", err)
	}
	return k, nil
}

// ParseKey reads the base64url form of a key as key files hold it, with or without padding.
func ParseKey(text string) (Key, error) {
	raw, err := decode(strings.TrimSpace(text))
	if err != nil || len(raw) != len(Key{}) {
		return Key{}, errors.New("fernet: a key is 32 bytes in base64url")
	}
	return Key(raw), nil
}

// Encode returns the padded base64url form that key files hold.
func (k Key) Encode() string { return base64.URLEncoding.EncodeToString(k[:]) }

func (k Key) String() string { return "***" }

// Encrypt seals message under k. The result is base64url without padding, as Keystone sends it in headers.
func Encrypt(k Key, message []byte, now time.Time) (string, error) {
	return encrypt(rand.Reader, k, message, now)
}

func encrypt(random io.Reader, k Key, message []byte, now time.Time) (string, error) {
	block, err := aes.NewCipher(k[16:])
	if err != nil {
		return "", err
	}
	padding := aes.BlockSize - len(message)%aes.BlockSize
	out := make([]byte, headerSize, headerSize+len(message)+padding+sha256.Size)
	out[0] = version
	binary.BigEndian.PutUint64(out[1:9], uint64(now.Unix()))
	if _, err := io.ReadFull(random, out[9:headerSize]); err != nil {
		return "", fmt.Errorf("draw fernet iv: %w", err)
	}
	out = append(out, message...)
	for range padding {
		out = append(out, byte(padding))
	}
	cipher.NewCBCEncrypter(block, out[9:headerSize]).CryptBlocks(out[headerSize:], out[headerSize:])
	out = append(out, sign(k, out)...)
	return base64.RawURLEncoding.EncodeToString(out), nil
}

// Decrypt opens text with the first of keys whose signature fits and returns the message and the second at which it was sealed.
// Text may carry padding or not. The age is not judged.
func Decrypt(keys []Key, text string) (message []byte, sealed time.Time, err error) {
	raw, err := decode(text)
	if err != nil || len(raw) < minimumSize || raw[0] != version {
		return nil, time.Time{}, ErrInvalid
	}
	signed, mac := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	body := signed[headerSize:]
	if len(body)%aes.BlockSize != 0 {
		return nil, time.Time{}, ErrInvalid
	}
	for _, k := range keys {
		if !hmac.Equal(mac, sign(k, signed)) {
			continue
		}
		block, err := aes.NewCipher(k[16:])
		if err != nil {
			return nil, time.Time{}, err
		}
		plain := make([]byte, len(body))
		cipher.NewCBCDecrypter(block, signed[9:headerSize]).CryptBlocks(plain, body)
		plain, ok := unpad(plain)
		if !ok {
			return nil, time.Time{}, ErrInvalid
		}
		return plain, time.Unix(int64(binary.BigEndian.Uint64(signed[1:9])), 0).UTC(), nil
	}
	return nil, time.Time{}, ErrInvalid
}

func sign(k Key, signed []byte) []byte {
	h := hmac.New(sha256.New, k[:16])
	h.Write(signed)
	return h.Sum(nil)
}

// unpad removes PKCS #7 padding (RFC 5652 section 6.3). The signature was checked before, so timing tells nothing.
func unpad(plain []byte) ([]byte, bool) {
	n := int(plain[len(plain)-1])
	if n == 0 || n > aes.BlockSize {
		return nil, false
	}
	for _, b := range plain[len(plain)-n:] {
		if int(b) != n {
			return nil, false
		}
	}
	return plain[:len(plain)-n], true
}

func decode(text string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
}
