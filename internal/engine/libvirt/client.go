// Package libvirt is a thin client of libvirtd over its RPC socket.
//
// It owns one connection for calls and one per event subscription, makes them
// anew when libvirtd restarts, and gives every call a deadline. It knows
// nothing of servers: what a domain means is its user's business.
//
// Calls are repeated when the connection breaks under them, so a call must be
// one that may run twice: define, create (a second one answers "already
// running"), destroy and reads are.
package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	rpc "github.com/digitalocean/go-libvirt"
)

// DefaultSocket is where a monolithic libvirtd listens.
const DefaultSocket = "/run/libvirt/libvirt-sock"

// ErrUnavailable says that libvirtd does not answer.
var ErrUnavailable = errors.New("libvirtd does not answer")

// maxDeadline bounds every call, whatever its context allows: writing a large
// guest's memory to disk takes minutes, an hour is a libvirtd that hangs.
const maxDeadline = 10 * time.Minute

// Client talks to one libvirtd. Its methods may be used by many goroutines.
type Client struct {
	socket string
	uri    rpc.ConnectURI

	mu     sync.Mutex
	conn   *conn
	closed bool
}

// New makes a client of the libvirtd that listens on the unix socket. The
// connection is made by the first call.
func New(socket string) *Client {
	if socket == "" {
		socket = DefaultSocket
	}
	return &Client{socket: socket, uri: rpc.QEMUSystem}
}

// Close ends the connection. Calls under way fail; later ones too.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.conn != nil {
		c.conn.close()
		c.conn = nil
	}
}

// Call runs fn with a live connection and answers what it answers. When the
// connection breaks it is made again and fn runs again, until ctx ends.
func Call[T any](ctx context.Context, c *Client, fn func(*rpc.Libvirt) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, maxDeadline)
	defer cancel()
	var zero T
	wait := 50 * time.Millisecond
	for {
		v, err := attempt(ctx, c, fn)
		if err == nil || !broken(err) {
			return v, err
		}
		c.mu.Lock()
		closed := c.closed
		c.mu.Unlock()
		if closed {
			return zero, fmt.Errorf("%w: client is closed", ErrUnavailable)
		}
		select {
		case <-ctx.Done():
			return zero, fmt.Errorf("%w: %w (%w)", ErrUnavailable, err, ctx.Err())
		case <-time.After(wait):
			wait = min(2*wait, time.Second)
		}
	}
}

// Do is Call for functions that answer nothing but an error.
func Do(ctx context.Context, c *Client, fn func(*rpc.Libvirt) error) error {
	_, err := Call(ctx, c, func(l *rpc.Libvirt) (struct{}, error) { return struct{}{}, fn(l) })
	return err
}

// attempt runs fn once. The RPC library has no deadlines of its own: fn runs in
// a goroutine that ends with the answer or with the connection, and a call that
// outlives its context takes the connection with it, so that a libvirtd that
// hangs does not collect goroutines.
func attempt[T any](ctx context.Context, c *Client, fn func(*rpc.Libvirt) (T, error)) (T, error) {
	var zero T
	conn, err := c.connection(ctx)
	if err != nil {
		return zero, err
	}
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := fn(conn.rpc)
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			c.drop(conn)
		}
		return zero, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

// connection answers the live connection, making it if there is none.
func (c *Client) connection(ctx context.Context) (*conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errDown
	}
	if c.conn != nil && c.conn.rpc.IsConnected() {
		return c.conn, nil
	}
	if c.conn != nil {
		c.conn.close()
		c.conn = nil
	}
	n, err := dial(ctx, c.socket, c.uri)
	if err != nil {
		return nil, err
	}
	c.conn = n
	return n, nil
}

func (c *Client) drop(old *conn) {
	c.mu.Lock()
	if c.conn == old {
		c.conn = nil
	}
	c.mu.Unlock()
	old.close()
}

// conn is one connection: the RPC state and the socket below it.
type conn struct {
	rpc *rpc.Libvirt
	net net.Conn
}

func (c *conn) close() { _ = c.net.Close() }

// given hands an open socket to the RPC library.
type given struct{ net.Conn }

func (g given) Dial() (net.Conn, error) { return g.Conn, nil }

func dial(ctx context.Context, socket string, uri rpc.ConnectURI) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDown, err)
	}
	l := rpc.NewWithDialer(given{nc})
	done := make(chan error, 1)
	go func() { done <- l.ConnectToURI(uri) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("%w: handshake: %w", errDown, err)
	}
	return &conn{rpc: l, net: nc}, nil
}

// errDown marks a connection that could not be made.
var errDown = errors.New("cannot connect to libvirtd")

// broken tells a lost connection from an answer of libvirtd.
func broken(err error) bool {
	var answer rpc.Error
	if errors.As(err, &answer) {
		// What libvirtd says while it is going down.
		return answer.Code == uint32(rpc.ErrRPC) || answer.Code == uint32(rpc.ErrNoConnect)
	}
	var netErr *net.OpError
	return errors.Is(err, errDown) || errors.Is(err, rpc.ErrInterrupted) || errors.Is(err, io.EOF) ||
		errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EPIPE) || errors.As(err, &netErr)
}

// Is tells whether err is libvirtd's error of one of the codes.
func Is(err error, codes ...rpc.ErrorNumber) bool {
	var answer rpc.Error
	if !errors.As(err, &answer) {
		return false
	}
	for _, code := range codes {
		if answer.Code == uint32(code) {
			return true
		}
	}
	return false
}
