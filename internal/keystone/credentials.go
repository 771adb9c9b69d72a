package keystone

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/secret"
	"gostack/internal/store"
)

// EC2Credential is the type of credentials that sign requests in Amazon's way. Their id is the SHA-256 of the access key.
const EC2Credential = "ec2"

// Credential is something a user proves who they are with, or keeps for another service. Its blob is a secret.
type Credential struct {
	ID, UserID, ProjectID, Type string
	Blob                        secret.String
	Extra                       map[string]any
}

var credentialColumns = []string{"user_id", "project_id", "type", "blob"}

// delegationKeys are the members of an EC2 credential's blob that say whose rights it has. No client writes them (OSSA-2020-003, OSSA-2020-004).
var delegationKeys = []string{"trust_id", "app_cred_id", "access_token_id", "access_id"}

// Delegation is what a token was made from, when it was not by its user's own proof: at most one field is set.
type Delegation struct{ TrustID, ApplicationCredentialID, AccessTokenID string }

// Delegation tells by what a token's user was given its rights.
func (t *Token) Delegation() Delegation {
	return Delegation{t.Payload.TrustID, t.Payload.ApplicationCredentialID, t.Payload.AccessTokenID}
}

// mark writes a delegation into the blob of an EC2 credential.
func (d Delegation) mark(blob map[string]any) {
	for _, k := range delegationKeys {
		delete(blob, k)
	}
	for k, v := range map[string]string{"trust_id": d.TrustID, "app_cred_id": d.ApplicationCredentialID, "access_token_id": d.AccessTokenID} {
		if v != "" {
			blob[k] = v
		}
	}
}

// AccessKeyID is the id of the EC2 credential with that access key.
func AccessKeyID(access string) string {
	sum := sha256.Sum256([]byte(access))
	return hex.EncodeToString(sum[:])
}

func (s *Service) openCredentials(ctx context.Context, rows ...*db.Credential) ([]*Credential, error) {
	out := make([]*Credential, len(rows))
	if len(rows) == 0 {
		return out, nil
	}
	keys, err := s.credentialKeys(ctx)
	if err != nil {
		return nil, err
	}
	for i, r := range rows {
		blob, err := keys.open(r)
		if err != nil {
			return nil, err
		}
		out[i] = &Credential{ID: r.ID, UserID: r.UserID, ProjectID: r.ProjectID, Type: r.Type, Blob: blob, Extra: r.Extra}
	}
	return out, nil
}

// Credential returns a credential.
func (s *Service) Credential(ctx context.Context, id string) (*Credential, error) {
	r, err := db.GetCredential(ctx, s.db.Read(ctx), id)
	if err != nil {
		return nil, found(err, "credential", id)
	}
	list, err := s.openCredentials(ctx, r)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// Credentials lists credentials.
func (s *Service) Credentials(ctx context.Context, o ListOptions) ([]*Credential, error) {
	rows, err := db.ListCredentials(ctx, s.db.Read(ctx), o.on("c.id"))
	if err != nil {
		return nil, err
	}
	return s.openCredentials(ctx, rows...)
}

// CreateCredential stores a credential; blob is taken out of the members by the caller.
func (s *Service) CreateCredential(ctx context.Context, a Attrs, blob secret.String) (*Credential, error) {
	c := &Credential{ID: s.newID(), Blob: blob, Extra: a.extra(nil, credentialColumns...)}
	a.text("user_id", &c.UserID)
	a.text("project_id", &c.ProjectID)
	a.text("type", &c.Type)
	if strings.EqualFold(c.Type, EC2Credential) {
		if c.ProjectID == "" {
			return nil, missing("project_id", "credential")
		}
		ec2, err := ec2Blob(blob)
		if err != nil {
			return nil, err
		}
		access, ok := ec2["access"].(string)
		if !ok || access == "" {
			return nil, missing("access", "credential")
		}
		Delegation{}.mark(ec2)
		text, err := json.Marshal(ec2)
		if err != nil {
			return nil, err
		}
		if len(ec2) != countMembers(blob) {
			c.Blob = secret.New(string(text))
		}
		c.ID = AccessKeyID(access)
	}
	return c, s.storeCredential(ctx, c)
}

func ec2Blob(blob secret.String) (map[string]any, error) {
	var doc any
	if err := json.Unmarshal([]byte(blob.Reveal()), &doc); err != nil {
		return nil, rest.BadRequest("Invalid blob in credential")
	}
	ec2, ok := doc.(map[string]any)
	if !ok || len(ec2) == 0 {
		return nil, missing("blob", "credential")
	}
	return ec2, nil
}

func countMembers(blob secret.String) int {
	var doc map[string]json.RawMessage
	_ = json.Unmarshal([]byte(blob.Reveal()), &doc)
	return len(doc)
}

func (s *Service) storeCredential(ctx context.Context, c *Credential) error {
	keys, err := s.credentialKeys(ctx)
	if err != nil {
		return err
	}
	row := &db.Credential{ID: c.ID, UserID: c.UserID, ProjectID: c.ProjectID, Type: c.Type, Extra: c.Extra}
	if err := keys.seal(s, row, c.Blob); err != nil {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		err := db.Insert(ctx, tx, row)
		if store.IsUnique(err) {
			return conflict("credential", "Duplicate entry found with ID %s", c.ID)
		}
		return err
	})
}

// UpdateCredential changes a credential. Whose rights an EC2 credential has cannot be changed.
func (s *Service) UpdateCredential(ctx context.Context, id string, a Attrs, blob secret.String) (*Credential, error) {
	c, err := s.Credential(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := a.matchID(id); err != nil {
		return nil, err
	}
	if !blob.Empty() {
		if strings.EqualFold(c.Type, EC2Credential) {
			if err := sameDelegation(c.Blob, blob); err != nil {
				return nil, err
			}
		}
		c.Blob = blob
	}
	a.text("user_id", &c.UserID)
	a.text("project_id", &c.ProjectID)
	a.text("type", &c.Type)
	if strings.EqualFold(c.Type, EC2Credential) && c.ProjectID == "" {
		return nil, missing("project_id", "credential")
	}
	c.Extra = a.extra(c.Extra, credentialColumns...)
	keys, err := s.credentialKeys(ctx)
	if err != nil {
		return nil, err
	}
	row := &db.Credential{ID: c.ID, UserID: c.UserID, ProjectID: c.ProjectID, Type: c.Type, Extra: c.Extra}
	if err := keys.seal(s, row, c.Blob); err != nil {
		return nil, err
	}
	return c, s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error { return found(db.Update(ctx, tx, row), "credential", id) })
}

func sameDelegation(old, fresh secret.String) error {
	before, err := ec2Blob(old)
	if err != nil {
		return err
	}
	after, err := ec2Blob(fresh)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(delegationKeys, func(k string) bool { return before[k] != after[k] })
	if i >= 0 {
		return rest.BadRequest("%s can not be updated for credential", delegationKeys[i])
	}
	return nil
}

// DeleteCredential removes a credential.
func (s *Service) DeleteCredential(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		return found(db.Delete(ctx, tx, &db.Credential{ID: id}), "credential", id)
	})
}
