package hostlink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"gostack/internal/cloudca"
)

// helloTime is how long a peer may take to say who it is and what it wants.
const helloTime = 10 * time.Second

func (l *Link) acceptAll() {
	for {
		conn, err := l.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, a connection reset before it was taken
			l.Log.Warn("hostlink: no connection taken", "error", err)
			select {
			case <-l.ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		select {
		case l.slots <- struct{}{}:
		default: // too many strangers at once: this one is the one to go
			_ = conn.Close()
			continue
		}
		if !l.background(conn, func() { l.serveTCP(conn) }) {
			_ = conn.Close()
			<-l.slots
		}
	}
}

// serveTCP takes a connection through its hello and gives it to its handler.
func (l *Link) serveTCP(raw net.Conn) {
	known := false
	free := func() {
		if !known {
			known = true
			<-l.slots
		}
	}
	defer free()
	ctx, cancel := context.WithTimeout(l.ctx, helloTime)
	defer cancel()
	_ = raw.SetDeadline(time.Now().Add(helloTime))
	creds, err := l.Credentials(ctx)
	if err != nil {
		l.Log.Warn("hostlink: no credentials", "error", err)
		return
	}
	conn := tls.Server(raw, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{alpn}, Certificates: []tls.Certificate{*creds.Certificate},
		// The certificate is judged below, after the handshake, so that the peer hears why it is refused.
		ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true,
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		l.Log.Debug("hostlink: handshake", "remote", raw.RemoteAddr().String(), "error", err)
		return
	}
	var req request
	if err := readFrame(conn, &req); err != nil {
		return
	}
	peer, strange := l.judge(ctx, creds, conn.ConnectionState())
	s := &Stream{Peer: peer, Remote: remoteIP(raw), Header: req.Header, conn: conn}
	l.mu.Lock()
	h, ok := l.handlers[req.Service]
	l.mu.Unlock()
	switch {
	case strange != nil && !(ok && h.anybody):
		l.Log.Warn("hostlink: peer refused", "remote", s.Remote, "service", req.Service, "error", strange)
		_ = writeFrame(conn, answer{Refused: refusal(strange)})
	case !ok:
		_ = writeFrame(conn, answer{Refused: refusal(Refuse(CodeNoService, "%s does not serve %s", l.Self, req.Service))})
	default:
		if strange == nil {
			free()
			_ = raw.SetDeadline(time.Time{})
		}
		l.run(s, h, req.Service)
	}
}

// judge says who the peer is, or why it is nobody.
func (l *Link) judge(ctx context.Context, creds *Credentials, state tls.ConnectionState) (Identity, error) {
	if state.NegotiatedProtocol != alpn {
		return Identity{}, Refuse(CodeBad, "the peer speaks %q, not %q", state.NegotiatedProtocol, alpn)
	}
	if len(state.PeerCertificates) == 0 {
		return Identity{}, Refuse(CodeStranger, "a certificate of this cloud is needed; gostack join gets one")
	}
	cert := state.PeerCertificates[0]
	id, err := creds.Roots.Verify(cert, l.Clock.Now())
	switch {
	case errors.Is(err, cloudca.ErrExpired):
		return Identity{}, Refuse(CodeExpired, "%v; a host joins again with a new token: gostack token create", err)
	case errors.Is(err, cloudca.ErrEarly):
		return Identity{}, Refuse(CodeSkew, "%v", err)
	case err != nil:
		return Identity{}, Refuse(CodeStranger, "%v", err)
	}
	if l.Admit != nil {
		if err := l.Admit(ctx, id, cert); err != nil {
			return Identity{}, err
		}
	}
	return id, nil
}

// run calls the handler and tells the peer when it refuses.
func (l *Link) run(s *Stream, h handler, service string) {
	err := guard(func() error { return h.Handler(l.ctx, s) })
	if err == nil {
		return
	}
	if s.accepted {
		if l.ctx.Err() == nil {
			l.Log.Info("hostlink: stream ended", "service", service, "peer", s.Peer.String(), "error", err)
		}
		return
	}
	l.Log.Warn("hostlink: stream refused", "service", service, "peer", s.Peer.String(), "remote", s.Remote, "error", err)
	_ = s.conn.SetWriteDeadline(time.Now().Add(helloTime))
	_ = writeFrame(s.conn, answer{Refused: refusal(err)})
}

// guard makes an error of a panic: one stream must not end the process.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

func remoteIP(c net.Conn) string {
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		return c.RemoteAddr().String()
	}
	return host
}
