package cloudca

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Ticket is a permission that control gives: this holder may do this with this subject, until then. It proves nothing about who shows it; that is for
// the certificate of the connection, which must be the holder's.
type Ticket struct {
	Service string    `json:"svc"` // of hostlink
	Subject string    `json:"sub"` // an image's id, a server's id, …
	Holder  string    `json:"hld"` // name of the host that may use it
	Until   time.Time `json:"exp"`
}

// ticketContext keeps signatures of tickets apart from all others of the same key (RFC 8032 section 8.3).
const ticketContext = "gostack ticket 1"

// ErrTicket says that a ticket permits nothing of the kind. The text around it says why.
var ErrTicket = errors.New("the ticket does not permit this")

// Ticket signs a ticket.
func (a *Authority) Ticket(t Ticket) (string, error) {
	t.Until = t.Until.UTC().Truncate(time.Second)
	body, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	sig, err := a.key.Sign(nil, body, &ed25519.Options{Hash: crypto.Hash(0), Context: ticketContext})
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	return enc.EncodeToString(body) + "." + enc.EncodeToString(sig), nil
}

// CheckTicket verifies that the ticket is the authority's and lets holder use service with subject now.
func (r *Roots) CheckTicket(text string, now time.Time, service, subject, holder string) error {
	head, tail, _ := strings.Cut(text, ".")
	enc := base64.RawURLEncoding.Strict()
	body, err1 := enc.DecodeString(head)
	sig, err2 := enc.DecodeString(tail)
	public, ok := r.cert.PublicKey.(ed25519.PublicKey)
	if text == "" || err1 != nil || err2 != nil || !ok {
		return fmt.Errorf("%w: it is none", ErrTicket)
	}
	if ed25519.VerifyWithOptions(public, body, sig, &ed25519.Options{Context: ticketContext}) != nil {
		return fmt.Errorf("%w: it is not signed by this cloud", ErrTicket)
	}
	var t Ticket
	if err := json.Unmarshal(body, &t); err != nil {
		return fmt.Errorf("%w: %w", ErrTicket, err)
	}
	switch {
	case t.Holder != holder || holder == "":
		return fmt.Errorf("%w: it is for host %s, and host %s shows it", ErrTicket, t.Holder, holder)
	case t.Service != service || t.Subject != subject:
		return fmt.Errorf("%w: it is for %s of %s", ErrTicket, t.Service, t.Subject)
	case !now.Before(t.Until):
		return fmt.Errorf("%w: it was good until %s", ErrTicket, t.Until.Format(time.RFC3339))
	}
	return nil
}
