package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Listener is an address that a handler answers on.
type Listener struct {
	Address           string // host:port
	CertFile, KeyFile string // both or none
	Handler           http.Handler

	server *http.Server
	ln     net.Listener
	done   chan error
}

// Start opens the address and serves until Stop. An address in use is an error at once.
func (l *Listener) Start(ctx context.Context) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.Address)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", l.Address, err)
	}
	l.ln = ln
	l.server = &http.Server{
		Handler:           l.Handler,
		ReadHeaderTimeout: 20 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    64 << 10,
	}
	if l.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(l.CertFile, l.KeyFile)
		if err != nil {
			_ = ln.Close()
			return fmt.Errorf("TLS certificate: %w", err)
		}
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
	}
	l.done = make(chan error, 1)
	go func() { l.done <- l.server.Serve(ln) }()
	return nil
}

// Addr is the address in use, with the port the system chose when Address had port 0.
func (l *Listener) Addr() string { return l.ln.Addr().String() }

// Stop takes no new requests and waits for those under way until ctx ends; then it cuts them.
func (l *Listener) Stop(ctx context.Context) error {
	if l.server == nil {
		return nil
	}
	err := l.server.Shutdown(ctx)
	if err != nil {
		_ = l.server.Close()
	}
	if served := <-l.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
