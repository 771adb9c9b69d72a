package lab

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Balancer spreads TCP connections over the control replicas. A replica that does not answer its health check gets no new connections and loses
// those it has, so clients find out at once; one that answers "degraded" is used when nobody does better.
type Balancer struct {
	listener net.Listener
	backends []*backend
	stop     context.CancelFunc
	all      sync.WaitGroup

	mu   sync.Mutex
	next int
}

type backend struct {
	address string
	mu      sync.Mutex
	grade   int // 2: well, 1: answers, 0: does not
	conns   map[net.Conn]bool
}

const (
	checkEvery = 300 * time.Millisecond
	// checkTimeout is how late a health check's answer may be. A replica that is dead says so at once; one that is only slow, on a busy box, must
	// not lose its connections, consoles among them, for that.
	checkTimeout = 15 * time.Second
	dialTimeout  = 2 * time.Second
)

// Balance listens on an address.
func Balance(address string, backends ...string) (*Balancer, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &Balancer{listener: ln, stop: stop}
	for _, a := range backends {
		one := &backend{address: a, conns: map[net.Conn]bool{}}
		b.backends = append(b.backends, one)
		b.all.Go(func() { one.check(ctx) })
	}
	b.all.Go(b.accept)
	return b, nil
}

// Close ends the balancer with all connections.
func (b *Balancer) Close() {
	b.stop()
	_ = b.listener.Close()
	for _, one := range b.backends {
		one.drop()
	}
	b.all.Wait()
}

func (b *Balancer) accept() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.all.Go(func() { b.serve(conn) })
	}
}

// order lists the backends, the best first, in turn among equals.
func (b *Balancer) order() []*backend {
	b.mu.Lock()
	b.next++
	turn := b.next
	b.mu.Unlock()
	var list []*backend
	for grade := 2; grade >= 0; grade-- {
		for i := range b.backends {
			if one := b.backends[(i+turn)%len(b.backends)]; one.is() == grade {
				list = append(list, one)
			}
		}
	}
	return list
}

func (b *Balancer) serve(client net.Conn) {
	defer client.Close()
	for _, one := range b.order() {
		server, err := net.DialTimeout("tcp", one.address, dialTimeout)
		if err != nil {
			continue
		}
		one.hold(server, true)
		var both sync.WaitGroup
		pipe := func(to, from net.Conn) {
			_, _ = io.Copy(to, from)
			if half, ok := to.(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
		}
		both.Go(func() { pipe(server, client) })
		both.Go(func() { pipe(client, server); _ = client.Close(); _ = server.Close() })
		both.Wait()
		one.hold(server, false)
		_ = server.Close()
		return
	}
}

func (o *backend) is() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.grade
}

func (o *backend) hold(conn net.Conn, yes bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if yes {
		o.conns[conn] = true
	} else {
		delete(o.conns, conn)
	}
}

// drop closes the connections to a replica that does not answer.
func (o *backend) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for conn := range o.conns {
		_ = conn.Close()
	}
}

func (o *backend) check(ctx context.Context) {
	client := &http.Client{Timeout: checkTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		grade := 0
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.address+"/healthcheck", nil)
		if err == nil {
			if resp, err := client.Do(req); err == nil {
				_ = resp.Body.Close()
				grade = 1
				if resp.StatusCode == http.StatusOK {
					grade = 2
				}
			}
		}
		o.mu.Lock()
		o.grade = grade
		o.mu.Unlock()
		if grade == 0 {
			o.drop()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
