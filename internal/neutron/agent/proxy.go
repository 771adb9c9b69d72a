package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Limits of what a guest may send and cost.
const (
	maxBody      = 64 << 10
	maxHeader    = 16 << 10
	maxRequests  = 64 // at once, for one network
	fetchTimeout = 30 * time.Second
	idleTimeout  = 15 * time.Second
)

// forwarded are the only headers of a guest that go on. Everything by which proxies and Nova identify a caller (X-Forwarded-For,
// X-Instance-ID, X-Tenant-ID, X-OVN-Network-ID, their signatures, ...) ends here.
var forwarded = []string{
	"Accept", "Content-Type", "User-Agent", "X-Aws-Ec2-Metadata-Token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds",
}

// proxy serves one network.
type proxy struct {
	network network
	fetch   Fetcher
	log     *slog.Logger
	server  *http.Server
	slots   chan struct{}

	mu     sync.Mutex
	guests map[netip.Addr]string
}

// serve listens in the network's namespace.
func serve(n network, fetch Fetcher, log *slog.Logger) (*proxy, error) {
	p := &proxy{network: n, fetch: fetch, log: log.With("network", n.id), slots: make(chan struct{}, maxRequests), guests: n.guests}
	ns, err := netns.GetFromName(namespaceName(n.id))
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	listeners, err := listenIn(ns, n.id)
	if err != nil {
		return nil, fmt.Errorf("listen for network %s: %w", n.id, err)
	}
	p.server = &http.Server{
		Handler: p, ReadTimeout: idleTimeout, IdleTimeout: idleTimeout, WriteTimeout: fetchTimeout + idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo),
	}
	for _, l := range listeners {
		go func() {
			if err := p.server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
				p.log.Error("metadata service ended", "error", err)
			}
		}()
	}
	return p, nil
}

// listenIn opens the listeners in the namespace. A host without IPv6 serves IPv4 only.
func listenIn(ns netns.NsHandle, id string) (listeners []net.Listener, err error) {
	err = inside(ns, func() error {
		four, err := listen(metadata4.Addr().String())
		if err != nil {
			return err
		}
		listeners = append(listeners, four)
		dev, err := net.InterfaceByName(innerName(id))
		if err != nil {
			return nil
		}
		// The index, not the name: the net package remembers names across namespaces.
		if six, err := listen(metadata6.Addr().WithZone(strconv.Itoa(dev.Index)).String()); err == nil {
			listeners = append(listeners, six)
		}
		return nil
	})
	return listeners, err
}

// listen opens a listener in the thread's namespace. The address may not be usable yet (the device has just come up), which the socket
// option ignores.
func listen(address string) (net.Listener, error) {
	free := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if cerr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1) }); cerr != nil {
			return cerr
		}
		return err
	}}
	// ListenConfig creates the socket on the calling goroutine, so on this thread.
	return free.Listen(context.Background(), "tcp", net.JoinHostPort(address, "80"))
}

// stop ends the service; requests in flight get a moment.
func (p *proxy) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if p.server.Shutdown(ctx) != nil {
		_ = p.server.Close()
	}
}

// learn replaces what is known about link-local addresses.
func (p *proxy) learn(guests map[netip.Addr]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.guests = guests
}

// guest is the fixed address of the guest that a connection comes from; OVN's port security guarantees the source address.
func (p *proxy) guest(remote string) (string, bool) {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return "", false
	}
	ip := at.Addr().Unmap().WithZone("")
	if !ip.IsLinkLocalUnicast() {
		return ip.String(), true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fixed, ok := p.guests[ip]
	return fixed, ok
}

// ServeHTTP hands a request to the Fetcher.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	default:
		refuse(w, http.StatusServiceUnavailable, "Too many requests of this network are being answered; try again.")
		return
	}
	remote, ok := p.guest(r.RemoteAddr)
	if !ok {
		refuse(w, http.StatusNotFound, "The source address belongs to no port of this network.")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "The request is too large.")
		return
	}
	req := Request{Method: r.Method, Path: r.URL.RequestURI(), Header: http.Header{}, Body: body}
	for _, name := range forwarded {
		if values := r.Header.Values(name); len(values) > 0 {
			req.Header[name] = slices.Clone(values)
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), fetchTimeout)
	defer cancel()
	reply, err := p.fetch.Fetch(ctx, p.network.id, remote, req)
	if err != nil {
		p.log.Warn("metadata request failed", "remote", remote, "error", err)
		refuse(w, http.StatusServiceUnavailable, "The metadata service does not answer now; try again.")
		return
	}
	maps.Copy(w.Header(), reply.Header)
	for _, hop := range []string{"Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Trailer", "Content-Length"} {
		w.Header().Del(hop)
	}
	w.WriteHeader(reply.Status)
	_, _ = w.Write(reply.Body)
}

func refuse(w http.ResponseWriter, status int, text string) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	http.Error(w, text, status)
}
