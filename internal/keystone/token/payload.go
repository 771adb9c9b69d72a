// Package token packs what a Keystone token says into upstream's Fernet payloads and reads it back
// (keystone/token/token_formatters.py, payload versions 0 to 10).
//
// It owns the wire format only: a payload that unpacks may be expired, revoked or speak of a user long gone.
package token

import (
	"errors"
	"time"
)

// ErrMalformed is returned for bytes that are no payload of a known version.
var ErrMalformed = errors.New("token: malformed payload")

// Payload is what a token says. Ids that do not apply are empty; which are set selects the version on the wire.
type Payload struct {
	UserID    string
	Methods   []string
	AuditIDs  []string // the token's own, then that of the first token of its chain if it was rescoped
	ExpiresAt time.Time

	System    string // "all" for the system scope
	ProjectID string
	DomainID  string

	TrustID                 string
	AccessTokenID           string // OAuth 1.0a
	ApplicationCredentialID string
	Thumbprint              string // OAuth 2.0 mutual TLS

	Federated          bool
	FederatedGroupIDs  []string
	IdentityProviderID string
	ProtocolID         string
}

// AuditID is the token's own audit id.
func (p *Payload) AuditID() string {
	if len(p.AuditIDs) == 0 {
		return ""
	}
	return p.AuditIDs[0]
}

// ChainID is the audit id of the first token of the chain: the token's own when it was not rescoped.
func (p *Payload) ChainID() string {
	if len(p.AuditIDs) == 0 {
		return ""
	}
	return p.AuditIDs[len(p.AuditIDs)-1]
}

// Unscoped reports that the token carries no scope and so no roles.
func (p *Payload) Unscoped() bool {
	return p.System == "" && p.ProjectID == "" && p.DomainID == "" && p.TrustID == ""
}

// The payload versions of upstream.
const (
	versionUnscoped = iota
	versionDomain
	versionProject
	versionTrust
	versionFederatedUnscoped
	versionFederatedProject
	versionFederatedDomain
	versionOAuth1
	versionSystem
	versionApplicationCredential
	versionOAuth2MTLS
)

// version chooses the format as upstream's Fernet provider does: what delegates comes before what scopes.
func (p *Payload) version() int {
	switch {
	case p.AccessTokenID != "":
		return versionOAuth1
	case p.TrustID != "":
		return versionTrust
	case p.Federated && p.ProjectID != "":
		return versionFederatedProject
	case p.Federated && p.DomainID != "":
		return versionFederatedDomain
	case p.Federated && p.System == "":
		return versionFederatedUnscoped
	case p.ApplicationCredentialID != "":
		return versionApplicationCredential
	case p.Thumbprint != "":
		return versionOAuth2MTLS
	case p.ProjectID != "":
		return versionProject
	case p.DomainID != "":
		return versionDomain
	case p.System != "":
		return versionSystem
	default:
		return versionUnscoped
	}
}

// shapes lists the fields of each version in their order on the wire, after the version number.
var shapes = [...][]field{
	versionUnscoped:              {userID, methods, expiresAt, auditIDs},
	versionDomain:                {userID, methods, bareDomainID, expiresAt, auditIDs},
	versionProject:               {userID, methods, projectID, expiresAt, auditIDs},
	versionTrust:                 {userID, methods, projectID, expiresAt, auditIDs, bareTrustID},
	versionFederatedUnscoped:     {userID, methods, groupIDs, providerID, protocolID, expiresAt, auditIDs},
	versionFederatedProject:      {userID, methods, projectID, groupIDs, providerID, protocolID, expiresAt, auditIDs},
	versionFederatedDomain:       {userID, methods, domainID, groupIDs, providerID, protocolID, expiresAt, auditIDs},
	versionOAuth1:                {userID, methods, projectID, accessTokenID, expiresAt, auditIDs},
	versionSystem:                {userID, methods, system, expiresAt, auditIDs},
	versionApplicationCredential: {userID, methods, projectID, expiresAt, auditIDs, applicationCredentialID},
	versionOAuth2MTLS:            {userID, methods, projectID, domainID, expiresAt, auditIDs, thumbprint},
}
