// Package awssign checks the signatures that clients of Amazon's EC2 and S3 APIs put on requests: versions 0, 1, 2 and 4 of EC2's scheme
// (AWS General Reference, "Signing AWS API requests"), and version 2 and 4 of S3's on a string that the object store has prepared.
//
// It knows no credentials: the secret comes with the question.
package awssign

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // versions 0 to 2 of the scheme are made of it
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"gostack/internal/secret"
)

// Request is what a client signed.
type Request struct {
	Verb, Host, Path string
	Params, Headers  map[string]string
	BodyHash         string // SHA-256 of the body in hexadecimal, for version 4
}

const algorithm = "AWS4-HMAC-SHA256"

// Verify tells whether signature is that of the request by the holder of key. Some clients leave the port out of the host they sign.
func (r *Request) Verify(key secret.String, signature string) (bool, error) {
	want, err := r.sign(key)
	if err != nil {
		return false, err
	}
	if equal(want, signature) {
		return true, nil
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		return false, nil //nolint:nilerr // there is no port to leave out
	}
	bare := *r
	bare.Host = host
	if want, err = bare.sign(key); err != nil {
		return false, err
	}
	return equal(want, signature), nil
}

// Timestamp is when the request says it was made, or "".
func (r *Request) Timestamp() string {
	for _, s := range []string{r.Params["Timestamp"], r.Headers["X-Amz-Date"], r.Params["X-Amz-Date"]} {
		if s != "" {
			return s
		}
	}
	return ""
}

// ParseTime reads a Timestamp in any of ISO 8601's forms that the schemes use; without a zone it is UTC.
func ParseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "20060102T150405Z0700", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("not a time in ISO 8601")
}

func (r *Request) sign(key secret.String) (string, error) {
	switch version, given := r.Params["SignatureVersion"]; {
	case version == "0":
		return b64(mac(sha1.New, key.Reveal(), r.Params["Action"]+r.Params["Timestamp"])), nil
	case version == "1":
		return r.version1(key), nil
	case version == "2":
		return r.version2(key), nil
	case strings.HasPrefix(r.Headers["Authorization"], algorithm), r.Params["X-Amz-Algorithm"] == algorithm:
		return r.version4(key)
	case given:
		return "", errors.New("unknown signature version")
	}
	return "", errors.New("unexpected signature format")
}

func (r *Request) version1(key secret.String) string {
	names := sorted(r.Params)
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	var text strings.Builder
	for _, n := range names {
		text.WriteString(n + r.Params[n])
	}
	return b64(mac(sha1.New, key.Reveal(), text.String()))
}

func (r *Request) version2(key secret.String) string {
	params := map[string]string{}
	for k, v := range r.Params {
		params[k] = v
	}
	algo := sha256.New
	switch params["SignatureMethod"] {
	case "":
		params["SignatureMethod"] = "HmacSHA256"
	case "HmacSHA1":
		algo = sha1.New
	}
	return b64(mac(algo, key.Reveal(), r.Verb+"\n"+r.Host+"\n"+r.Path+"\n"+query(params)))
}

// param reads a part of version 4's authorization, from the header or the query.
func (r *Request) param(name string) string {
	if header, ok := r.Headers["Authorization"]; ok {
		_, after, _ := strings.Cut(header, name+"=")
		value, _, _ := strings.Cut(after, ",")
		return value
	}
	return r.Params["X-Amz-"+name]
}

func (r *Request) version4(key secret.String) (string, error) {
	lower := map[string]string{}
	for k, v := range r.Headers {
		lower[strings.ToLower(strings.TrimSpace(k))] = strings.TrimSpace(v)
	}
	if _, signed := lower["host"]; signed {
		lower["host"] = withoutPort(lower["host"], r.Host)
	}
	headers := ""
	for h := range strings.SplitSeq(r.param("SignedHeaders"), ";") {
		if v, ok := lower[h]; ok {
			headers += h + ":" + v + "\n"
		}
	}
	if headers == "" {
		headers = "\n"
	}
	parameters := ""
	if !strings.EqualFold(r.Verb, "POST") { // whose parameters are in the body
		rest := map[string]string{}
		for k, v := range r.Params {
			if k != "X-Amz-Signature" {
				rest[k] = v
			}
		}
		parameters = query(rest)
	}
	canonical := strings.Join([]string{strings.ToUpper(r.Verb), r.Path, parameters, headers, r.param("SignedHeaders"), r.BodyHash}, "\n")
	parts := strings.Split(r.param("Credential"), "/")
	if len(parts) < 4 {
		return "", errors.New("the credential has no scope")
	}
	date := r.Headers["X-Amz-Date"]
	if date == "" {
		date = r.Params["X-Amz-Date"]
	}
	if !strings.HasPrefix(date, parts[1]) {
		return "", errors.New("the date of the request is not that of the credential")
	}
	sum := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{algorithm, date, strings.Join(parts[1:], "/"), hex.EncodeToString(sum[:])}, "\n")
	return hex.EncodeToString(mac(sha256.New, string(derived(key, parts[1], parts[2], parts[3])), text)), nil
}

// withoutPort is the host header without its port when the host asked about has none: old clients sign it so.
func withoutPort(header, host string) string {
	if bare, _, err := net.SplitHostPort(header); err == nil && bare == host {
		return bare
	}
	return header
}

// VerifyS3 tells whether signature is that of a string that S3's scheme signs.
func VerifyS3(key secret.String, text []byte, signature string) bool {
	if !strings.HasPrefix(string(text), "AWS4") {
		return equal(b64(mac(sha1.New, key.Reveal(), string(text))), signature)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 || lines[0] != algorithm {
		return false
	}
	scope := strings.Split(lines[2], "/")
	if len(scope) != 4 || scope[3] != "aws4_request" || !slices.Contains([]string{"s3", "iam", "sts"}, scope[2]) {
		return false
	}
	return equal(hex.EncodeToString(mac(sha256.New, string(derived(key, scope[0], scope[1], scope[2])), string(text))), signature)
}

// derived is the key of one day, region and service.
func derived(key secret.String, date, region, service string) []byte {
	k := mac(sha256.New, "AWS4"+key.Reveal(), date)
	for _, part := range []string{region, service, "aws4_request"} {
		k = mac(sha256.New, string(k), part)
	}
	return k
}

func mac(algo func() hash.Hash, key, text string) []byte {
	h := hmac.New(algo, []byte(key))
	h.Write([]byte(text))
	return h.Sum(nil)
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// equal compares in a time that tells nothing (OSSA-2014-002).
func equal(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

func query(params map[string]string) string {
	var pairs []string
	for _, k := range sorted(params) {
		pairs = append(pairs, escape(k)+"="+escape(params[k]))
	}
	return strings.Join(pairs, "&")
}

// escape is RFC 3986's: only unreserved characters stay.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func sorted(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
