package keystone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gostack/internal/keystone/awssign"
	"gostack/internal/keystone/db"
	"gostack/internal/keystone/token"
	"gostack/internal/rest"
	"gostack/internal/secret"
	"gostack/internal/store"
)

// ec2Lifetime is upstream's [credential] auth_ttl: how old a signed request may be.
const ec2Lifetime = 15 * time.Minute

// EC2Key is an EC2 credential as the OS-EC2 API shows it.
type EC2Key struct {
	UserID, ProjectID, Access, TrustID string
	Secret                             secret.String

	by Delegation
}

func ec2Key(c *Credential) (*EC2Key, error) {
	var blob struct {
		Access        string  `json:"access"`
		Secret        string  `json:"secret"`
		TrustID       *string `json:"trust_id"`
		AppCredID     *string `json:"app_cred_id"`
		AccessTokenID *string `json:"access_token_id"`
	}
	if err := json.Unmarshal([]byte(c.Blob.Reveal()), &blob); err != nil {
		return nil, rest.BadRequest("Invalid blob in credential").Because(fmt.Errorf("credential %s: %w", c.ID, err))
	}
	text := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	k := &EC2Key{UserID: c.UserID, ProjectID: c.ProjectID, Access: blob.Access, Secret: secret.New(blob.Secret), TrustID: text(blob.TrustID)}
	k.by = Delegation{TrustID: k.TrustID, ApplicationCredentialID: text(blob.AppCredID), AccessTokenID: text(blob.AccessTokenID)}
	return k, nil
}

// CreateEC2Key makes an EC2 credential with new keys for a user and project. The API gives none of a delegation's: there were such keys when
// delegated tokens could ask for one, and they are still worth what their delegation is.
func (s *Service) CreateEC2Key(ctx context.Context, userID, projectID string, by Delegation) (*EC2Key, error) {
	if _, err := s.User(ctx, userID); err != nil {
		return nil, err
	}
	if _, err := s.Project(ctx, projectID); err != nil {
		return nil, err
	}
	access := s.newID()
	blob := map[string]any{"access": access, "secret": s.newID()}
	by.mark(blob)
	text, err := json.Marshal(blob)
	if err != nil {
		return nil, err
	}
	c := &Credential{ID: AccessKeyID(access), UserID: userID, ProjectID: projectID, Type: EC2Credential, Blob: secret.New(string(text))}
	if err := s.storeCredential(ctx, c); err != nil {
		return nil, err
	}
	return ec2Key(c)
}

// EC2Keys lists the EC2 credentials of a user.
func (s *Service) EC2Keys(ctx context.Context, userID string) ([]*EC2Key, error) {
	list, err := s.Credentials(ctx, ListOptions{}.Equals("c.user_id", userID).Equals("c.type", EC2Credential))
	if err != nil {
		return nil, err
	}
	out := make([]*EC2Key, len(list))
	for i, c := range list {
		if out[i], err = ec2Key(c); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// EC2Key returns the EC2 credential with an access key. A credential of another type is a 401, as upstream has it.
func (s *Service) EC2Key(ctx context.Context, access string) (*EC2Key, error) {
	c, err := s.Credential(ctx, AccessKeyID(access))
	if err != nil {
		return nil, err
	}
	if c.Type != EC2Credential {
		return nil, rest.Unauthorized("EC2 access key not found.")
	}
	return ec2Key(c)
}

// EC2Login says which signed request is shown as proof: one of EC2's or S3's, with the access key and signature that came with it.
type EC2Login struct {
	Access, Signature string
	Request           *awssign.Request // of ec2tokens
	StringToSign      []byte           // of s3tokens
}

// IssueEC2Token turns a signed request into a token of the user whose key signed it, with the rights that the key has.
func (s *Service) IssueEC2Token(ctx context.Context, l EC2Login) (*Token, error) {
	if err := s.refreshNow(ctx); err != nil {
		return nil, err
	}
	start := s.memory.generations()
	unknown := rest.NotFound("EC2 access key not found.")
	c, err := s.Credential(ctx, AccessKeyID(l.Access))
	if rest.IsNotFound(err) || err == nil && c.Type != EC2Credential {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	key, err := ec2Key(c)
	if err != nil {
		return nil, unknown.Because(err)
	}
	if err := key.fits(l, s.clock.Now()); err != nil {
		return nil, err
	}
	p := token.Payload{
		UserID: key.UserID, ProjectID: key.ProjectID, Methods: []string{"ec2credential"}, AuditIDs: []string{newAuditID()},
		ExpiresAt: s.clock.Now().Add(s.lifetime).Truncate(time.Second),
		TrustID:   key.by.TrustID, ApplicationCredentialID: key.by.ApplicationCredentialID, AccessTokenID: key.by.AccessTokenID,
	}
	if p.TrustID != "" {
		// The key of a trust with impersonation belongs to the trustor, its tokens to the trustee.
		trust, err := db.GetTrust(ctx, s.db.Read(ctx), p.TrustID)
		switch {
		case store.IsNotFound(err), err == nil && key.UserID != trust.TrusteeUserID && !(trust.Impersonation && key.UserID == trust.TrustorUserID):
			return nil, Unauthorized(errors.New("the trust of the EC2 credential is gone, or not its user's"))
		case err != nil:
			return nil, err
		}
		p.UserID = trust.TrusteeUserID
	}
	u, err := db.FindUser(ctx, s.db.Read(ctx), db.UserKey{ID: p.UserID})
	if store.IsNotFound(err) {
		return nil, rest.NotFound("Could not find user: %s.", p.UserID)
	}
	if err != nil {
		return nil, err
	}
	t := &Token{Payload: p}
	if err := s.fill(ctx, t, u); errors.Is(err, ErrInvalidToken) {
		return nil, Unauthorized(err)
	} else if err != nil {
		return nil, err
	}
	return t, s.seal(ctx, t, &proof{user: u}, start)
}

// fits checks the signature and, where the request tells when it was made, its age.
func (k *EC2Key) fits(l EC2Login, now time.Time) error {
	if l.Request == nil {
		if !awssign.VerifyS3(k.Secret, l.StringToSign, l.Signature) {
			return rest.Unauthorized("Credential signature mismatch")
		}
		return nil
	}
	if l.Signature == "" {
		return rest.Unauthorized("EC2 signature not supplied.")
	}
	right, err := l.Request.Verify(k.Secret, l.Signature)
	if err != nil || !right {
		return rest.Unauthorized("Invalid EC2 signature.").Because(err)
	}
	stamp := l.Request.Timestamp()
	if stamp == "" {
		return nil // left out by the signer, who alone could
	}
	at, err := awssign.ParseTime(stamp)
	if err != nil {
		return rest.Unauthorized("Credential timestamp is invalid: %s", stamp)
	}
	if now.After(at.Add(ec2Lifetime)) {
		return rest.Unauthorized("Credential is expired")
	}
	return nil
}
