package keystone

import (
	"sync"
	"time"

	"gostack/internal/keystone/db"
	"gostack/internal/keystone/token"
)

// rememberedTokens is how many checked tokens are kept at most, twice. One takes about a kilobyte.
const rememberedTokens = 10_000

// memory is what makes a repeated check cheap: tokens that were good, the revocations, the catalogue. Each entry is good for one
// generation of the identity tables; the database holds the true generation, see Service.refresh.
type memory struct {
	mu          sync.Mutex
	identity    int64
	revocations int64
	checked     time.Time // when the generations were last compared with the database
	tokens      map[string]*remembered
	older       map[string]*remembered // full; dropped when tokens is full
	revoked     revoked
	catalog     []db.CatalogRow
	catalogOf   int64 // the generation the catalogue belongs to; 0: none

	endpointFilter *endpointFilter // of the catalogue
}

// remembered is a token that was good.
type remembered struct {
	token    *Token
	identity int64  // generation of the identity tables
	keys     uint64 // generation of the key repository
}

// revoked are the revocations that can still matter.
type revoked struct {
	loaded bool
	tokens map[string]bool      // by audit id
	chains map[string]bool      // by audit id of the chain's first token
	users  map[string]time.Time // all tokens up to this second
}

func newMemory() *memory {
	return &memory{tokens: map[string]*remembered{}, older: map[string]*remembered{}}
}

// compareSoon has the next check compare the generations with the database.
func (m *memory) compareSoon() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checked = time.Time{}
}

func (m *memory) identityChanged(generation int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.identity = max(m.identity, generation)
}

// token returns what is remembered of a token if it is of the present generation, and the generation.
func (m *memory) token(text string, keys uint64) (*Token, int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.tokens[text]
	if r == nil {
		if r = m.older[text]; r != nil {
			m.put(text, r)
		}
	}
	if r == nil || r.identity != m.identity || r.keys != keys {
		return nil, m.identity
	}
	return r.token, m.identity
}

func (m *memory) remember(text string, r *remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(text, r)
}

func (m *memory) put(text string, r *remembered) {
	if len(m.tokens) >= rememberedTokens {
		m.older, m.tokens = m.tokens, map[string]*remembered{}
	}
	m.tokens[text] = r
}

func (r *revoked) add(v *db.Revocation) {
	switch {
	case v.AuditID != "":
		r.tokens[v.AuditID] = true
	case v.AuditChainID != "":
		r.chains[v.AuditChainID] = true
	case v.UserID != "":
		if r.users[v.UserID].Before(v.IssuedBefore) {
			r.users[v.UserID] = v.IssuedBefore
		}
	}
}

// covers tells whether a token is revoked, by itself or with all those of its user or of one who gave it rights.
func (r *revoked) covers(p *token.Payload, issuedAt time.Time, grantors []string) bool {
	if r.tokens[p.AuditID()] || r.chains[p.ChainID()] {
		return true
	}
	for _, id := range append([]string{p.UserID}, grantors...) {
		if before, ok := r.users[id]; ok && !issuedAt.After(before) {
			return true
		}
	}
	return false
}

// generations are the versions of the data that a decision was made on.
type generations struct{ identity, revocations int64 }

func (m *memory) generations() generations {
	m.mu.Lock()
	defer m.mu.Unlock()
	return generations{m.identity, m.revocations}
}
