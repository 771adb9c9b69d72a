package hosts

import (
	"context"
	"errors"
	"time"

	"gostack/internal/cloudca"
	"gostack/internal/hostlink"
	"gostack/internal/hosts/db"
	"gostack/internal/store"
)

// The services of hostlink that make and keep members.
const (
	JoinService    = "join"    // for strangers with a token
	RenewService   = "renew"   // for hosts, before their certificate ends
	RemovedService = "removed" // for hosts: keys that they must refuse
)

// JoinRequest is what a new machine sends.
type JoinRequest struct {
	Host    string    `json:"host"`
	Secret  string    `json:"secret"`
	Request []byte    `json:"request"` // for a certificate, PEM
	Time    time.Time `json:"time"`    // on that machine
}

// JoinReply is all that a host gets.
type JoinReply struct {
	Certificate []byte   `json:"certificate"`
	Bus         string   `json:"bus"` // URL with the host's own user; secret
	BusCA       string   `json:"bus_ca,omitempty"`
	OVNCA       []byte   `json:"ovn_ca,omitempty"` // who signed the servers of OVN's databases
	Settings    Settings `json:"settings"`
}

// RenewRequest asks for another certificate for the same key.
type RenewRequest struct {
	Request []byte `json:"request"`
}

// RenewReply is the new certificate.
type RenewReply struct {
	Certificate []byte `json:"certificate"`
	OVNCA       []byte `json:"ovn_ca,omitempty"` // as in JoinReply: hosts that joined before there was one get it here
}

// RemovedReply are the keys of hosts that were removed.
type RemovedReply struct {
	Keys []string `json:"keys"`
}

// maxSkew is how far the clock of a new machine may be off.
const maxSkew = cloudca.Backdate / 2

// Serve answers hosts, and machines that want to be one.
func (s *Service) Serve(link *hostlink.Link) {
	link.HandleAnybody(JoinService, func(ctx context.Context, st *hostlink.Stream) error {
		if ok, wait := s.limit.allow(st.Remote, s.now()); !ok {
			return hostlink.Refuse(hostlink.CodeBusy, "too many attempts to join; try again in %s", wait.Round(time.Second))
		}
		var req JoinRequest
		if err := st.Decode(&req); err != nil {
			return err
		}
		reply, err := s.join(ctx, req)
		if err != nil {
			return err
		}
		s.limit.giveBack(st.Remote)
		_, err = st.AcceptWith(reply)
		s.log().Info("host joined", "host", req.Host, "remote", st.Remote)
		return err
	})
	link.Handle(RenewService, func(ctx context.Context, st *hostlink.Stream) error {
		var req RenewRequest
		if err := st.Decode(&req); err != nil {
			return err
		}
		reply, err := s.renew(ctx, st.Peer, req)
		if err != nil {
			return err
		}
		_, err = st.AcceptWith(reply)
		return err
	})
	link.Handle(RemovedService, func(ctx context.Context, st *hostlink.Stream) error {
		list, err := db.ListRemoved(ctx, s.DB.Read(ctx), s.now())
		if err != nil {
			return err
		}
		var reply RemovedReply
		for _, r := range list {
			reply.Keys = append(reply.Keys, r.KeyPrint)
		}
		_, err = st.AcceptWith(reply)
		return err
	})
}

// join takes a host in: its token is used up, its key known, its certificate made, its user on the broker too.
func (s *Service) join(ctx context.Context, req JoinRequest) (*JoinReply, error) {
	if s.Broker == nil {
		return nil, hostlink.Refuse(hostlink.CodeFailed, "this cloud cannot take hosts in: its message bus is inside one process")
	}
	// Before the token is touched: who comes back with the right time can still use it.
	if off := req.Time.Sub(s.now()); off.Abs() > maxSkew {
		return nil, hostlink.Refuse(hostlink.CodeSkew, "the clock of this machine is %s %s control's (%s); set it right and join again", off.Abs().Round(time.Second), aheadOrBehind(off), s.now().Format(time.RFC3339))
	}
	public, print, err := cloudca.RequestedKey(req.Request)
	if err != nil {
		return nil, hostlink.Refuse(hostlink.CodeBad, "the request for a certificate: %v", err)
	}
	a, err := s.Authority(ctx)
	if err != nil {
		return nil, err
	}
	central, err := s.OVNAuthority(ctx)
	if err != nil {
		return nil, err
	}
	now := s.now()
	cert, err := a.Issue(cloudca.Identity{Host: req.Host}, public, now, CertificateLife)
	if err != nil {
		return nil, hostlink.Refuse(hostlink.CodeBad, "%v", err)
	}
	err = s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := useToken(ctx, tx, req, print, now); err != nil {
			return err
		}
		if err := s.retireKey(ctx, tx, req.Host, print); err != nil {
			return err
		}
		if err := db.DeleteRemoved(ctx, tx, print, now); err != nil {
			return err
		}
		return db.PutMember(ctx, tx, &db.Member{Host: req.Host, KeyPrint: print, JoinedAt: now, RenewedAt: now, GoodUntil: now.Add(CertificateLife)})
	})
	if err != nil {
		return nil, err
	}
	// The same key may come again with the same token when the answer is lost.
	url, err := s.Broker.EnsureHost(ctx, req.Host)
	if err != nil {
		err = errors.Join(err, s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
			return db.UpdateToken(ctx, tx, &db.Token{Hash: hashOf(req.Secret)}) // as if it had not been used
		}))
		s.log().Error("a host that joins gets no user on the message broker", "host", req.Host, "error", err)
		return nil, hostlink.Refuse(hostlink.CodeFailed, "control could not make this host's user on the message broker; see control's log, and join again with the same token")
	}
	return &JoinReply{Certificate: cert, Bus: url.Reveal(), BusCA: s.Settings.BusCA, OVNCA: central.CertPEM(), Settings: s.Settings}, nil
}

func aheadOrBehind(d time.Duration) string {
	if d > 0 {
		return "ahead of"
	}
	return "behind"
}

// useToken marks a token as used by a key. Who has no good token does not hear whether the host or a token of it exists.
func useToken(ctx context.Context, tx store.Tx, req JoinRequest, print string, now time.Time) error {
	t, err := db.GetToken(ctx, tx, hashOf(req.Secret))
	switch {
	case store.IsNotFound(err):
		return hostlink.Refuse(hostlink.CodeForbidden, "the token is not known: it was used or replaced by a newer one, or another cloud made it")
	case err != nil:
		return err
	case t.Host != req.Host:
		return hostlink.Refuse(hostlink.CodeForbidden, "the token is for host %s, not %s", t.Host, req.Host)
	case t.UsedAt != nil && t.KeyPrint != print:
		return hostlink.Refuse(hostlink.CodeForbidden, "the token has been used at %s; each is good for one machine, once", t.UsedAt.UTC().Format(time.RFC3339))
	case !now.Before(t.ExpiresAt):
		return hostlink.Refuse(hostlink.CodeExpired, "the token has expired at %s; make a new one: gostack token create --host %s", t.ExpiresAt.UTC().Format(time.RFC3339), t.Host)
	}
	t.UsedAt, t.KeyPrint = &now, print
	return db.UpdateToken(ctx, tx, t)
}

// retireKey makes the key that a member had before one that is refused.
func (s *Service) retireKey(ctx context.Context, tx store.Tx, host, except string) error {
	m, err := db.GetMember(ctx, tx, host)
	if store.IsNotFound(err) {
		return nil
	}
	if err != nil || m.KeyPrint == except {
		return err
	}
	return db.PutRemoved(ctx, tx, &db.Removed{KeyPrint: m.KeyPrint, Host: host, RemovedAt: s.now(), GoodUntil: m.GoodUntil})
}

// renew makes another certificate for the key that a host has.
func (s *Service) renew(ctx context.Context, peer cloudca.Identity, req RenewRequest) (*RenewReply, error) {
	if peer.Host == "" {
		return nil, hostlink.Refuse(hostlink.CodeForbidden, "certificates of hosts are renewed here")
	}
	public, print, err := cloudca.RequestedKey(req.Request)
	if err != nil {
		return nil, hostlink.Refuse(hostlink.CodeBad, "the request for a certificate: %v", err)
	}
	a, err := s.Authority(ctx)
	if err != nil {
		return nil, err
	}
	central, err := s.OVNAuthority(ctx)
	if err != nil {
		return nil, err
	}
	now := s.now()
	err = s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		m, err := db.GetMember(ctx, tx, peer.Host)
		if err != nil {
			return err
		}
		if m.KeyPrint != print {
			return hostlink.Refuse(hostlink.CodeForbidden, "a certificate is renewed for the key that it had")
		}
		m.RenewedAt, m.GoodUntil = now, now.Add(CertificateLife)
		return db.PutMember(ctx, tx, m)
	})
	if err != nil {
		return nil, err
	}
	cert, err := a.Issue(cloudca.Identity{Host: peer.Host}, public, now, CertificateLife)
	return &RenewReply{Certificate: cert, OVNCA: central.CertPEM()}, err
}

// Remove ends a host's membership: its certificate is refused at once, its user on the broker goes, tokens for its name end.
// It says nothing of what the host runs. A host that never joined is no error.
func (s *Service) Remove(ctx context.Context, host string) error {
	err := s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		return errors.Join(s.retireKey(ctx, tx, host, ""), db.DeleteMember(ctx, tx, host), db.DeleteTokens(ctx, tx, host, s.now().Add(-maxTokenLife)))
	})
	if err == nil && s.Broker != nil {
		err = s.Broker.RemoveHost(ctx, host)
	}
	return err
}

// Member is a host that has joined.
type Member = db.Member

// Members returns the hosts that have joined, by name.
func (s *Service) Members(ctx context.Context) ([]*Member, error) {
	return db.ListMembers(ctx, s.DB.Read(ctx))
}
