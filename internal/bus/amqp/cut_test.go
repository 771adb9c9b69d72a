package amqp_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"gostack/internal/bus"
	"gostack/internal/bus/amqp"
)

// wire is a network between a client and the broker that can be cut: what is sent then stays away, and nobody is told.
type wire struct {
	net.Listener
	to   string
	mu   sync.Mutex
	cut  chan struct{} // of the connections there are
	open []net.Conn
	wg   sync.WaitGroup
}

func newWire(t *testing.T, to string) *wire {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := &wire{Listener: l, to: to, cut: make(chan struct{})}
	w.wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			w.mu.Lock()
			cut := w.cut
			w.open = append(w.open, in, out)
			w.mu.Unlock()
			w.wg.Go(func() { forward(in, out, cut) })
			w.wg.Go(func() { forward(out, in, cut) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.mu.Lock()
		for _, c := range w.open {
			c.Close()
		}
		w.mu.Unlock()
		w.wg.Wait()
	})
	return w
}

// forward copies until an end closes; after a cut it swallows.
func forward(to io.WriteCloser, from io.Reader, cut <-chan struct{}) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		select {
		case <-cut:
			if err != nil {
				return
			}
			continue
		default:
		}
		if err == nil {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			to.Close()
			return
		}
	}
}

// Cut cuts the connections there are. New ones work.
func (w *wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.cut)
	w.cut = make(chan struct{})
}

// TestTheNetworkIsCut leaves the connections of a caller, and then of a host, open and dead: only heartbeats can tell.
func TestTheNetworkIsCut(t *testing.T) {
	c := newCloud(t)
	through := func(url string) (amqp.Options, *wire) {
		w := newWire(t, c.Addr)
		o := c.options(strings.Replace(url, c.Addr, w.Addr().String(), 1))
		o.Heartbeat = time.Second
		return o, w
	}
	o, callers := through(c.URL(amqp.ControlUser, c.password.Reveal(), c.vhost))
	control := c.open(o)
	password, err := c.admin.EnsureHostUser(t.Context(), "one")
	must(t, err)
	o, hosts := through(c.URL(amqp.HostUser("one"), password.Reveal(), c.vhost))
	to := bus.To{Topic: "nova-compute", Host: "one"}
	serve(t, c.open(o), to, who)
	must(t, control.Call(t.Context(), to, "who", nil, nil))
	callers.Cut()
	must(t, control.Call(t.Context(), to, "who", nil, nil)) // within its deadline, over another connection
	hosts.Cut()
	// The host's queue is locked until the broker has missed its heartbeats; then the host has it again.
	await(t, "the host is back", func() bool { return control.Call(t.Context(), to, "who", nil, nil) == nil })
}
