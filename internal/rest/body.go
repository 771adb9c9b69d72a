package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
)

const (
	defaultMaxBody = 114688 // oslo.middleware's max_request_body_size
	maxDepth       = 64     // nesting of JSON (OSSN-0099)
)

// readBody reads and decodes the body: limits, content type, syntax, nesting.
func (r *Request) readBody() error {
	limit := r.Service.MaxBody
	if limit == 0 {
		limit = defaultMaxBody
	}
	if r.HTTP.ContentLength > limit {
		return TooLarge("Request is too large.")
	}
	raw, err := io.ReadAll(http.MaxBytesReader(r.Writer, r.HTTP.Body, limit))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return TooLarge("Request is too large.")
		}
		return BadRequest("The request's body could not be read.").Because(err)
	}
	r.Raw = raw
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	if err := r.checkContentType(); err != nil {
		return err
	}
	if err := checkDepth(raw); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&r.Body); err != nil {
		return r.malformed(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return r.malformed(errors.New("there is more than one document"))
	}
	return nil
}

func (r *Request) malformed(err error) error {
	if r.Service.Refuse != nil {
		return r.Service.Refuse("syntax", &Violation{Message: err.Error()})
	}
	return BadRequest("Malformed request body").Because(err)
}

func (r *Request) checkContentType() error {
	ct := r.HTTP.Header.Get("Content-Type")
	if ct == "" {
		return nil
	}
	t, _, err := mime.ParseMediaType(ct)
	if err == nil && (t == "application/json" || slices.Contains(r.Service.ContentTypes, t)) {
		return nil
	}
	status := r.Service.UnsupportedType
	if status == 0 {
		status = http.StatusUnsupportedMediaType
	}
	return Fail(status, "The media type %s is not supported, use application/json", ct)
}

// checkDepth refuses documents nested so deep that a decoder's stack would hurt, and texts with the character NUL, which no database column
// can hold.
func checkDepth(raw []byte) error {
	depth, inString, escaped := 0, false, false
	for i, b := range raw {
		switch {
		case escaped:
			escaped = false
			if b == 'u' && bytes.HasPrefix(raw[i:], []byte("u0000")) {
				return BadRequest("Malformed request body: a text holds the character NUL")
			}
		case inString:
			escaped, inString = b == '\\', b != '"'
		case b == '"':
			inString = true
		case b == '{' || b == '[':
			if depth++; depth > maxDepth {
				return BadRequest("Malformed request body: nested too deep")
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return nil
}

// action returns the key of an action's body: its only member, or the first that a route knows.
func (r *Request) action(known func(string) bool) (string, error) {
	body, ok := r.Body.(map[string]any)
	if !ok || len(body) == 0 {
		return "", BadRequest("Malformed request body")
	}
	keys := sortedKeys(body)
	for _, k := range keys {
		if known(k) {
			return k, nil
		}
	}
	return keys[0], nil
}
