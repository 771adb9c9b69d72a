// Package jws writes and reads tokens as JSON Web Signatures, upstream's provider "jws" (keystone/token/providers/jws/core.py): what a token says lies
// open in it and is signed with ES256, so that a replica needs the public keys of the others, and its private key stays its own.
package jws

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gostack/internal/keystone/token"
)

// ErrInvalid is returned for texts that are no token signed with a known key. Whether a token has expired is the reader's question.
var ErrInvalid = errors.New("jws: not a token of this cloud")

// claims are a token's, under upstream's names. Times are whole seconds.
type claims struct {
	Subject   string `json:"sub"`
	IssuedAt  int64  `json:"iat"`
	ExpiresAt int64  `json:"exp"`

	Methods       []string `json:"openstack_methods"`
	AuditIDs      []string `json:"openstack_audit_ids"`
	System        string   `json:"openstack_system,omitempty"`
	DomainID      string   `json:"openstack_domain_id,omitempty"`
	ProjectID     string   `json:"openstack_project_id,omitempty"`
	TrustID       string   `json:"openstack_trust_id,omitempty"`
	GroupIDs      []string `json:"openstack_group_ids,omitempty"`
	ProviderID    string   `json:"openstack_idp_id,omitempty"`
	ProtocolID    string   `json:"openstack_protocol_id,omitempty"`
	AccessTokenID string   `json:"openstack_access_token_id,omitempty"`
	AppCredID     string   `json:"openstack_app_cred_id,omitempty"`
	Thumbprint    string   `json:"openstack_thumbprint,omitempty"`
}

// The library asks for these; expiry is judged by the caller, who may allow a window.
func (*claims) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil } //nolint:nilnil // the library's word for none
func (*claims) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil } //nolint:nilnil // the same
func (*claims) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil } //nolint:nilnil // the same
func (*claims) GetIssuer() (string, error)                   { return "", nil }
func (c *claims) GetSubject() (string, error)                { return c.Subject, nil }
func (*claims) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }

// Sign writes a token. Fractions of seconds are cut off both times, in the payload too.
func (k *Keys) Sign(p *token.Payload, issuedAt time.Time) (text string, err error) {
	p.ExpiresAt = p.ExpiresAt.UTC().Truncate(time.Second)
	return jwt.NewWithClaims(jwt.SigningMethodES256, &claims{
		Subject: p.UserID, IssuedAt: issuedAt.Unix(), ExpiresAt: p.ExpiresAt.Unix(), Methods: p.Methods, AuditIDs: p.AuditIDs, System: p.System,
		DomainID: p.DomainID, ProjectID: p.ProjectID, TrustID: p.TrustID, GroupIDs: p.FederatedGroupIDs, ProviderID: p.IdentityProviderID,
		ProtocolID: p.ProtocolID, AccessTokenID: p.AccessTokenID, AppCredID: p.ApplicationCredentialID, Thumbprint: p.Thumbprint,
	}).SignedString(k.private)
}

var parser = jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithoutClaimsValidation())

// Read checks a token's signature against every known key and says what the token holds.
func (k *Keys) Read(text string) (p *token.Payload, issuedAt time.Time, err error) {
	keys := jwt.VerificationKeySet{}
	for _, key := range k.public {
		keys.Keys = append(keys.Keys, key)
	}
	var c claims
	if _, err := parser.ParseWithClaims(text, &c, func(*jwt.Token) (any, error) { return keys, nil }); err != nil {
		return nil, issuedAt, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if c.Subject == "" || c.ExpiresAt == 0 || len(c.AuditIDs) == 0 {
		return nil, issuedAt, fmt.Errorf("%w: claims are missing", ErrInvalid)
	}
	return &token.Payload{
		UserID: c.Subject, Methods: c.Methods, AuditIDs: c.AuditIDs, ExpiresAt: time.Unix(c.ExpiresAt, 0).UTC(), System: c.System, ProjectID: c.ProjectID,
		DomainID: c.DomainID, TrustID: c.TrustID, AccessTokenID: c.AccessTokenID, ApplicationCredentialID: c.AppCredID, Thumbprint: c.Thumbprint,
		Federated: c.ProviderID != "", FederatedGroupIDs: c.GroupIDs, IdentityProviderID: c.ProviderID, ProtocolID: c.ProtocolID,
	}, time.Unix(c.IssuedAt, 0).UTC(), nil
}
