package oauthsign

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"gostack/internal/secret"
)

// signed is a request whose header names a method and a signature.
func signed(t *testing.T, method, signature string) *Request {
	t.Helper()
	now := time.Unix(1_000_000, 0)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://example.com/v3/OS-OAUTH1/request_token", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", fmt.Sprintf(`OAuth oauth_consumer_key="c", oauth_nonce="n", oauth_signature_method="%s", oauth_timestamp="%d", oauth_signature="%s"`,
		method, now.Unix(), url.PathEscape(signature)))
	read, err := Read(r, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestMethods(t *testing.T) {
	const address = "http://example.com/v3/OS-OAUTH1/request_token"
	consumer, token := secret.New("con&sumer"), secret.New("to ken")
	base := "POST&http%3A%2F%2Fexample.com%2Fv3%2FOS-OAUTH1%2Frequest_token&oauth_consumer_key%3Dc%26oauth_nonce%3Dn%26oauth_signature_method%3DHMAC-SHA512%26oauth_timestamp%3D1000000"
	h := hmac.New(sha512.New, []byte("con%26sumer&to%20ken"))
	h.Write([]byte(base))
	for _, c := range []struct {
		method, signature string
		fits              bool
	}{
		{"PLAINTEXT", "con%26sumer&to%20ken", true},
		{"PLAINTEXT", "con%26sumer&", false},
		{"PLAINTEXT", "con%26sumer&to%20keno", false},
		{"HMAC-SHA512", base64.StdEncoding.EncodeToString(h.Sum(nil)), true},
		{"HMAC-SHA256", base64.StdEncoding.EncodeToString(h.Sum(nil)), false},
		{"RSA-SHA1", "con%26sumer&to%20ken", false},
	} {
		if got := signed(t, c.method, c.signature).Fits(consumer, token, address); got != c.fits {
			t.Errorf("%s %s fits: %t", c.method, c.signature, got)
		}
	}
}
