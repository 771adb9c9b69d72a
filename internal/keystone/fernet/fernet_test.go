package fernet

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

// The values of generate.json and verify.json of github.com/fernet/spec.
const (
	specSecret = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
	specToken  = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="
	specNow    = "1985-10-26T01:20:00-07:00"
)

func specKey(t *testing.T) Key {
	t.Helper()
	k, err := ParseKey(specSecret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestEncryptGivesTheVectorOfTheSpecification(t *testing.T) {
	now, err := time.Parse(time.RFC3339, specNow)
	if err != nil {
		t.Fatal(err)
	}
	iv := make([]byte, 16)
	for i := range iv {
		iv[i] = byte(i)
	}
	got, err := encrypt(bytes.NewReader(iv), specKey(t), []byte("hello"), now)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimRight(specToken, "="); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDecryptOpensTheVectorOfTheSpecification(t *testing.T) {
	for _, text := range []string{specToken, strings.TrimRight(specToken, "=")} {
		message, sealed, err := Decrypt([]Key{specKey(t)}, text)
		if err != nil {
			t.Fatal(err)
		}
		if string(message) != "hello" {
			t.Errorf("message %q", message)
		}
		if got := sealed.Format(time.RFC3339); got != "1985-10-26T08:20:00Z" {
			t.Errorf("sealed at %s", got)
		}
	}
}

func TestDecryptRefusesWhatItCannotTrust(t *testing.T) {
	key := specKey(t)
	raw, err := base64.URLEncoding.DecodeString(specToken)
	if err != nil {
		t.Fatal(err)
	}
	resign := func(signed []byte) string {
		return base64.RawURLEncoding.EncodeToString(append(bytes.Clone(signed), sign(key, signed)...))
	}
	change := func(i int) []byte {
		b := bytes.Clone(raw)
		b[i] ^= 1
		return b
	}
	signed := raw[:len(raw)-32]
	other, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		text string
		keys []Key
	}{
		"empty":                    {"", []Key{key}},
		"not base64":               {"%%%" + specToken[3:], []Key{key}},
		"too short":                {specToken[:60], []Key{key}},
		"wrong signature":          {base64.RawURLEncoding.EncodeToString(change(len(raw) - 1)), []Key{key}},
		"changed time":             {base64.RawURLEncoding.EncodeToString(change(5)), []Key{key}},
		"changed body":             {base64.RawURLEncoding.EncodeToString(change(30)), []Key{key}},
		"other version":            {resign(append([]byte{0x81}, signed[1:]...)), []Key{key}},
		"body not whole blocks":    {resign(append(bytes.Clone(signed), 1, 2, 3)), []Key{key}},
		"iv gives wrong padding":   {resign(change(24)[:len(raw)-32]), []Key{key}},
		"no body":                  {resign(signed[:headerSize]), []Key{key}},
		"other key":                {specToken, []Key{other}},
		"no key":                   {specToken, nil},
		"padding inside the words": {specToken[:20] + "=" + specToken[20:], []Key{key}},
	}
	for name, c := range cases {
		if message, _, err := Decrypt(c.keys, c.text); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %q, %v", name, message, err)
		}
	}
}

func TestDecryptTriesEveryKey(t *testing.T) {
	other, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	message, _, err := Decrypt([]Key{other, specKey(t)}, specToken)
	if err != nil || string(message) != "hello" {
		t.Errorf("got %q, %v", message, err)
	}
}

func TestEveryLengthComesBack(t *testing.T) {
	key := specKey(t)
	for n := range 70 {
		in := bytes.Repeat([]byte{7}, n)
		text, err := Encrypt(key, in, time.Unix(1_700_000_000, 0))
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := Decrypt([]Key{key}, text)
		if err != nil || !bytes.Equal(in, out) {
			t.Fatalf("length %d: %v", n, err)
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	key, err := ParseKey(specSecret)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(specToken)
	f.Add("gAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		message, _, err := Decrypt([]Key{key}, text)
		if err == nil && string(message) != "hello" {
			t.Errorf("%q opened as %q", text, message)
		}
	})
}
