// Package hostlink carries streams between the machines of one cloud: images from control to hosts, consoles from hosts to control, disks and
// memory of moving servers between hosts. (Messages go over the bus.)
//
// A stream has a service's name, a header in JSON, and then belongs to the two ends. Both prove who they are by certificates of the cloud's own authority
// (mutual TLS 1.3); a handler learns the peer's identity and decides by it, and by tickets of control. Inside one process a stream is a socket pair
// without certificates. The package knows nothing of what it carries.
package hostlink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"gostack/internal/clock"
	"gostack/internal/cloudca"
)

// Identity is who a peer is; see cloudca.
type Identity = cloudca.Identity

// DefaultPort is where hosts and control listen unless the configuration says otherwise.
const DefaultPort = "5002"

// Credentials prove who this process is.
type Credentials struct {
	Roots       *cloudca.Roots
	Certificate *tls.Certificate
}

// Options of a Link.
type Options struct {
	Self Identity
	// Listen is host:port; empty means no listener: only this process reaches what it handles.
	Listen string
	// Control is where control listens, host:port each; they are tried in order.
	Control []string
	// Credentials are asked for at each connection, so that renewed ones count at once. nil: this process reaches only itself.
	Credentials func(ctx context.Context) (*Credentials, error)
	// Admit refuses peers whose certificate is good but who were removed. nil admits all.
	Admit func(ctx context.Context, id Identity, cert *x509.Certificate) error
	// Fabric joins links of one process, for tests and simulated hosts. nil: none.
	Fabric *Fabric
	Clock  clock.Clock  // nil: the system's
	Log    *slog.Logger // nil: slog.Default()
}

// Handler serves one stream. An error before Accept goes to the peer, as a refusal. The stream ends when it returns.
type Handler func(ctx context.Context, s *Stream) error

// Stream is a stream that a peer has opened.
type Stream struct {
	Peer   Identity
	Remote string // the peer's address, "" inside the process
	Header json.RawMessage

	conn     net.Conn
	accepted bool
}

// Decode reads the header.
func (s *Stream) Decode(v any) error {
	if err := json.Unmarshal(s.Header, v); err != nil {
		return Refuse(CodeBad, "the header does not read: %v", err)
	}
	return nil
}

// Accept tells the peer that the stream is open and returns it. The handler need not close it.
func (s *Stream) Accept() (net.Conn, error) {
	if !s.accepted {
		if err := writeFrame(s.conn, answer{}); err != nil {
			return nil, err
		}
		s.accepted = true
	}
	return s.conn, nil
}

// AcceptWith is Accept with a value for the dialer, which DialInto reads.
func (s *Stream) AcceptWith(v any) (net.Conn, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if err := writeFrame(s.conn, answer{Value: raw}); err != nil {
		return nil, err
	}
	s.accepted = true
	return s.conn, nil
}

// Link is this process's end of all streams.
type Link struct {
	Options
	listener net.Listener
	slots    chan struct{} // connections that have not shown who they are

	mu       sync.Mutex
	handlers map[string]handler
	conns    map[net.Conn]struct{}
	stopped  bool
	wg       sync.WaitGroup
	ctx      context.Context
	cancel   context.CancelFunc
}

type handler struct {
	Handler
	anybody bool // strangers too
}

// strangers is how many connections may be between their beginning and the proof of who they are.
const strangers = 256

// New makes a link; Handle adds services, Start opens the listener.
func New(o Options) *Link {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	l := &Link{Options: o, slots: make(chan struct{}, strangers), handlers: map[string]handler{}, conns: map[net.Conn]struct{}{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	if o.Fabric != nil {
		o.Fabric.join(l)
	}
	return l
}

// Handle serves a service to peers of this cloud.
func (l *Link) Handle(service string, h Handler) { l.handle(service, handler{h, false}) }

// HandleAnybody serves a service to whoever connects, certificate or not.
func (l *Link) HandleAnybody(service string, h Handler) { l.handle(service, handler{h, true}) }

func (l *Link) handle(service string, h handler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handlers[service] = h
}

// Start opens the listener, when there is to be one.
func (l *Link) Start(ctx context.Context) error {
	if l.Listen == "" {
		return nil
	}
	if l.Credentials == nil {
		return errors.New("hostlink: a listener needs credentials")
	}
	ln, err := (&net.ListenConfig{KeepAlive: keepAlive}).Listen(ctx, "tcp", l.Listen)
	if err != nil {
		return fmt.Errorf("hostlink: %w", err)
	}
	l.listener = ln
	l.wg.Go(l.acceptAll)
	return nil
}

// keepAlive finds out that a peer is gone whose machine died.
const keepAlive = 15 * time.Second

// Address is where the listener is, for tests with port 0; nil without one.
func (l *Link) Address() net.Addr {
	if l.listener == nil {
		return nil
	}
	return l.listener.Addr()
}

// Stop closes the listener and every stream, and waits for the handlers.
func (l *Link) Stop() {
	l.mu.Lock()
	l.stopped = true
	l.cancel()
	if l.listener != nil {
		_ = l.listener.Close()
	}
	for c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.wg.Wait()
	if l.Fabric != nil {
		l.Fabric.leave(l)
	}
}

// serveInBackground runs a stream's handler unless the link has stopped.
func (l *Link) background(conn net.Conn, f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return false
	}
	l.conns[conn] = struct{}{}
	l.wg.Go(func() {
		defer func() {
			_ = conn.Close()
			l.mu.Lock()
			delete(l.conns, conn)
			l.mu.Unlock()
		}()
		f()
	})
	return true
}
