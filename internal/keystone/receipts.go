package keystone

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"gostack/internal/keystone/db"
	"gostack/internal/keystone/fernet"
	"gostack/internal/keystone/token"
	"gostack/internal/store"
)

// receiptLifetime is upstream's [receipt] expiration.
const receiptLifetime = 5 * time.Minute

// Receipt is what somebody gets who has shown enough to be known and not enough to be let in: with it they need show only the rest
// (https://docs.openstack.org/keystone/latest/user/multi-factor-authentication.html). It is an error: no token was made.
type Receipt struct {
	ID                  string
	User, UserDomain    Named
	Methods             []string
	IssuedAt, ExpiresAt time.Time
	Required            [][]string // the rules that were begun on, of which one must be met
}

func (*Receipt) Error() string { return "more methods of authentication are required" }

// receiptText is what is encrypted. It is no payload of a token, and so never passes for one.
type receiptText struct {
	Kind    string   `json:"kind"`
	User    string   `json:"user"`
	Methods []string `json:"methods"`
	Expires int64    `json:"expires"`
}

const receiptKind = "receipt"

// methodRules are the user's rules whose methods this cloud knows; those it does not know do not count, as upstream has it.
func methodRules(u *db.UserInDomain) [][]string {
	if on, set := u.Options["multi_factor_auth_enabled"].(bool); set && !on {
		return nil
	}
	list, _ := u.Options["multi_factor_auth_rules"].([]any)
	var out [][]string
	for _, r := range list {
		rule, _ := r.([]any)
		var methods []string
		for _, m := range rule {
			if name, _ := m.(string); slices.Contains(token.Methods, name) {
				methods = append(methods, name)
			}
		}
		if len(methods) > 0 {
			out = append(out, methods)
		}
	}
	return out
}

// checkMethodRules demands what the user's option multi_factor_auth_rules demands, all methods of at least one rule, or gives a receipt.
func (s *Service) checkMethodRules(who *proof) error {
	rules := methodRules(who.user)
	if len(rules) == 0 {
		return nil
	}
	for _, rule := range rules {
		if !slices.ContainsFunc(rule, func(m string) bool { return !slices.Contains(who.methods, m) }) {
			return nil
		}
	}
	now := s.clock.Now().Truncate(time.Second)
	r := &Receipt{
		User: Named{who.user.ID, who.user.Name}, UserDomain: Named{who.user.DomainID, who.user.DomainName}, Methods: who.methods,
		IssuedAt: now, ExpiresAt: now.Add(receiptLifetime),
		Required: slices.DeleteFunc(rules, func(rule []string) bool {
			return !slices.ContainsFunc(rule, func(m string) bool { return slices.Contains(who.methods, m) })
		}),
	}
	text, err := json.Marshal(receiptText{Kind: receiptKind, User: who.user.ID, Methods: who.methods, Expires: r.ExpiresAt.Unix()})
	if err != nil {
		return err
	}
	keys, _, err := s.keys.Keys()
	if err != nil {
		return err
	}
	if r.ID, err = fernet.Encrypt(keys[0], text, now); err != nil {
		return err
	}
	return r
}

// takeReceipt adds what a receipt proves to what was shown now. A receipt that is no good counts for nothing.
func (s *Service) takeReceipt(ctx context.Context, text string, who *proof) error {
	keys, _, err := s.keys.Keys()
	if err != nil {
		return err
	}
	plain, _, err := fernet.Decrypt(keys, text)
	if err != nil {
		return Unauthorized(err)
	}
	var r receiptText
	if err := json.Unmarshal(plain, &r); err != nil || r.Kind != receiptKind || s.clock.Now().Unix() >= r.Expires {
		return Unauthorized(err)
	}
	if who.user == nil {
		u, err := db.FindUser(ctx, s.db.Read(ctx), db.UserKey{ID: r.User})
		if store.IsNotFound(err) {
			return Unauthorized(err)
		}
		if err != nil {
			return err
		}
		who.user = u
	}
	if who.user.ID != r.User {
		return Unauthorized(nil)
	}
	who.methods = append(who.methods, r.Methods...)
	return nil
}
