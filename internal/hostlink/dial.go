package hostlink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// Peer is whom to reach, and where. Whoever answers must prove to be that identity.
type Peer struct {
	Identity  Identity
	Addresses []string // host:port, tried in order; not needed for what is in this process
}

// Host is the peer of that name at an address.
func Host(name, address string) Peer {
	return Peer{Identity: Identity{Host: name}, Addresses: []string{address}}
}

// Control is the control side, wherever this link's options say it is.
func (l *Link) Control() Peer {
	return Peer{Identity: Identity{Control: true}, Addresses: l.Options.Control}
}

// Dial opens a stream. ctx bounds the opening, not the stream. A refusal of the other side is a *RefusedError.
func (l *Link) Dial(ctx context.Context, to Peer, service string, header any) (net.Conn, error) {
	return l.DialInto(ctx, to, service, header, nil)
}

// DialInto is Dial that reads what the other side gave to AcceptWith.
func (l *Link) DialInto(ctx context.Context, to Peer, service string, header, value any) (net.Conn, error) {
	conn, err := l.dial(ctx, to, service, header, value)
	if err != nil {
		return nil, fmt.Errorf("hostlink to %s for %s: %w", to.Identity, service, err)
	}
	return conn, nil
}

func (l *Link) dial(ctx context.Context, to Peer, service string, header, value any) (net.Conn, error) {
	raw, err := json.Marshal(header)
	if err != nil {
		return nil, err
	}
	req := request{Service: service, Header: raw}
	if l.Self.Has(to.Identity) {
		return l.local(ctx, l, req, value)
	}
	if l.Fabric != nil {
		if other := l.Fabric.find(to.Identity); other != nil {
			return l.local(ctx, other, req, value)
		}
	}
	if l.Credentials == nil {
		return nil, Refuse(CodeNoLink, "this process reaches no other: it has no certificate")
	}
	creds, err := l.Credentials(ctx)
	if err != nil {
		return nil, err
	}
	if left := creds.Certificate.Leaf.NotAfter; l.Clock.Now().After(left) {
		return nil, Refuse(CodeExpired, "this machine's certificate has expired at %s; join again with a new token: gostack token create --host %s",
			left.UTC().Format(time.RFC3339), l.Self.Host)
	}
	if len(to.Addresses) == 0 {
		return nil, errors.New("no address is known")
	}
	var errs []error
	for _, address := range to.Addresses {
		conn, err := l.dialTLS(ctx, address, &tls.Config{
			MinVersion: tls.VersionTLS13, NextProtos: []string{alpn}, Certificates: []tls.Certificate{*creds.Certificate},
			InsecureSkipVerify: true, //nolint:gosec // VerifyConnection judges by the cloud's own authority and identities instead of names
			VerifyConnection: func(state tls.ConnectionState) error {
				id, err := l.judge(ctx, creds, state)
				if err == nil && !id.Has(to.Identity) {
					err = Refuse(CodeWrongPeer, "%s answers at %s instead of %s", id, address, to.Identity)
				}
				return err
			},
		}, req, value)
		var refused *RefusedError
		if err == nil || errors.As(err, &refused) && refused.Code != CodeWrongPeer {
			return conn, err
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// DialStranger opens a stream without a certificate, to a service for anybody. verify gets the chain that the other side shows.
func DialStranger(ctx context.Context, address, service string, header, value any, verify func([]*x509.Certificate) error) (net.Conn, error) {
	raw, err := json.Marshal(header)
	if err != nil {
		return nil, err
	}
	l := &Link{}
	return l.dialTLS(ctx, address, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{alpn},
		InsecureSkipVerify: true, //nolint:gosec // verify judges by a fingerprint
		VerifyConnection:   func(state tls.ConnectionState) error { return verify(state.PeerCertificates) },
	}, request{service, raw}, value)
}

// dialTLS connects, shakes hands and asks for the service.
func (l *Link) dialTLS(ctx context.Context, address string, config *tls.Config, req request, value any) (net.Conn, error) {
	raw, err := (&net.Dialer{Timeout: helloTime, KeepAlive: keepAlive}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, config)
	if err := ask(ctx, conn, conn.HandshakeContext, req, value); err != nil {
		return nil, err
	}
	return conn, nil
}

// answerTime is how long the other side may take until it opens the stream: its handler may have to look things up.
const answerTime = 30 * time.Second

// ask sends the request and reads the answer; on an error the connection is closed.
func ask(ctx context.Context, conn net.Conn, handshake func(context.Context) error, req request, value any) (err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			_ = conn.Close()
			if ctx.Err() != nil {
				err = errors.Join(ctx.Err(), err)
			}
			return
		}
		_ = conn.SetDeadline(time.Time{})
	}()
	if handshake != nil {
		if err := handshake(ctx); err != nil {
			return err
		}
	}
	if err := writeFrame(conn, req); err != nil {
		return err
	}
	var a answer
	if err := readFrame(conn, &a); err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	if a.Refused != nil {
		return a.Refused
	}
	if value != nil && a.Value != nil {
		return json.Unmarshal(a.Value, value)
	}
	return nil
}
