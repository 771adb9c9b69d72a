// Package oauthsign reads and checks requests signed as OAuth 1.0a says (RFC 5849) with HMAC-SHA1, HMAC-SHA256,
// HMAC-SHA512 or PLAINTEXT, which upstream (oauthlib) takes besides RSA; no consumer of Keystone has a key for that.
//
// It knows no consumers and no tokens: their secrets come with the question.
package oauthsign

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the method that RFC 5849 names
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gostack/internal/secret"
)

// Lifetime is how far a request's timestamp may be off.
const Lifetime = 10 * time.Minute

// Request is a signed request: what it says of itself, and what was signed.
type Request struct {
	ConsumerKey, Token, Verifier string

	method    string
	query     url.Values
	form      url.Values
	oauth     map[string]string
	signature string
}

// ErrUnsigned is returned for requests without OAuth's authorization, or with half of it.
var ErrUnsigned = errors.New("the request is not signed as OAuth 1.0a says")

// Read takes the authorization from the header, or the form of a body. What it could read it returns with an error too.
func Read(r *http.Request, form url.Values, now time.Time) (*Request, error) {
	out := &Request{method: r.Method, query: r.URL.Query(), form: form, oauth: map[string]string{}}
	header, ok := strings.CutPrefix(r.Header.Get("Authorization"), "OAuth ")
	if ok {
		for part := range strings.SplitSeq(header, ",") {
			key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			k, err := url.PathUnescape(key)
			if err != nil {
				return out, ErrUnsigned
			}
			if out.oauth[k], err = url.PathUnescape(strings.Trim(value, `"`)); err != nil {
				return out, ErrUnsigned
			}
		}
	} else {
		for k, v := range form {
			if strings.HasPrefix(k, "oauth_") {
				out.oauth[k] = v[0]
			}
		}
	}
	out.ConsumerKey, out.Token, out.Verifier = out.oauth["oauth_consumer_key"], out.oauth["oauth_token"], out.oauth["oauth_verifier"]
	out.signature = out.oauth["oauth_signature"]
	stamp, err := strconv.ParseInt(out.oauth["oauth_timestamp"], 10, 64)
	if out.ConsumerKey == "" || out.signature == "" || out.oauth["oauth_nonce"] == "" || err != nil {
		return out, ErrUnsigned
	}
	if v, ok := out.oauth["oauth_version"]; ok && v != "1.0" {
		return out, ErrUnsigned
	}
	if age := now.Sub(time.Unix(stamp, 0)); age > Lifetime || age < -Lifetime {
		return out, errors.New("the timestamp is too far off")
	}
	return out, nil
}

// Fits tells whether the request was signed with these secrets for one of some addresses: a client behind a proxy signs the one it knows.
func (r *Request) Fits(consumer, token secret.String, addresses ...string) bool {
	algo := sha1.New
	switch r.oauth["oauth_signature_method"] {
	case "HMAC-SHA1":
	case "HMAC-SHA256":
		algo = sha256.New
	case "HMAC-SHA512":
		algo = sha512.New
	case "PLAINTEXT": // the secrets themselves
		return hmac.Equal([]byte(r.signature), key(consumer, token))
	default:
		return false
	}
	given, err := base64.StdEncoding.DecodeString(r.signature)
	if err != nil {
		return false
	}
	fits := false
	for _, a := range addresses {
		fits = hmac.Equal(given, sign(algo, consumer, token, r.base(a))) || fits
	}
	return fits
}

// key is what a request is signed with (section 3.4.2).
func key(consumer, token secret.String) []byte {
	return []byte(Escape(consumer.Reveal()) + "&" + Escape(token.Reveal()))
}

func sign(algo func() hash.Hash, consumer, token secret.String, base string) []byte {
	h := hmac.New(algo, key(consumer, token))
	h.Write([]byte(base))
	return h.Sum(nil)
}

// base is the signature base string (section 3.4.1).
func (r *Request) base(address string) string {
	var pairs []string
	add := func(k, v string) { pairs = append(pairs, Escape(k)+"="+Escape(v)) }
	for k, v := range r.oauth {
		if k != "oauth_signature" && k != "realm" {
			add(k, v)
		}
	}
	for _, from := range []url.Values{r.query, r.form} {
		for k, list := range from {
			if strings.HasPrefix(k, "oauth_") {
				continue
			}
			for _, v := range list {
				add(k, v)
			}
		}
	}
	slices.Sort(pairs)
	return strings.ToUpper(r.method) + "&" + Escape(normal(address)) + "&" + Escape(strings.Join(pairs, "&"))
}

// normal is an address without the port that its scheme implies, in small letters up to the path (section 3.4.1.2).
func normal(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	for scheme, port := range map[string]string{"http": ":80", "https": ":443"} {
		if u.Scheme == scheme {
			u.Host = strings.TrimSuffix(u.Host, port)
		}
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String()
}

// Escape is RFC 3986's percent-encoding of all but unreserved characters (section 3.6).
func Escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
