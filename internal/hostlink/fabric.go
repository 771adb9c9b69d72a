package hostlink

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Fabric joins the links of one process: what dials the identity of another reaches it without network or certificate.
type Fabric struct {
	mu    sync.Mutex
	links []*Link
}

func (f *Fabric) join(l *Link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.links = append(f.links, l)
}

func (f *Fabric) leave(l *Link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.links {
		if f.links[i] == l {
			f.links = append(f.links[:i], f.links[i+1:]...)
			return
		}
	}
}

func (f *Fabric) find(id Identity) *Link {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.links {
		if l.Self.Has(id) {
			return l
		}
	}
	return nil
}

// local opens a stream to a link of this process.
func (l *Link) local(ctx context.Context, other *Link, req request, value any) (net.Conn, error) {
	near, far, err := socketPair()
	if err != nil {
		return nil, err
	}
	ok := other.background(far, func() {
		var req request
		if readFrame(far, &req) != nil {
			return
		}
		other.mu.Lock()
		h, found := other.handlers[req.Service]
		other.mu.Unlock()
		if !found {
			_ = writeFrame(far, answer{Refused: refusal(Refuse(CodeNoService, "%s does not serve %s", other.Self, req.Service))})
			return
		}
		other.run(&Stream{Peer: l.Self, Header: req.Header, conn: far}, h, req.Service)
	})
	if !ok {
		_, _ = near.Close(), far.Close()
		return nil, errors.New("the other side has stopped")
	}
	if err := ask(ctx, near, nil, req, value); err != nil {
		return nil, err
	}
	return near, nil
}

// socketPair is a connection that can be closed half, as TLS and TCP can.
func socketPair() (net.Conn, net.Conn, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	var conns [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "hostlink")
		c, e := net.FileConn(f) // has its own descriptor
		err = errors.Join(err, e, f.Close())
		conns[i] = c
	}
	return conns[0], conns[1], err
}
