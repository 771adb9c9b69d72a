// Package amqp is the transport of package bus over AMQP 0-9-1, on RabbitMQ.
//
// Each service has one topic exchange. A server on a host reads a queue of its own; the servers of a role share two, one for calls, which
// goes away with them, and a quorum queue for casts, which does not. Each process has one inbox, for replies and fanouts. There is no
// queue for each call, and nothing for each pair of peers.
//
// The connection's user is the identity. RabbitMQ verifies the property user_id of each message; Message.From is the host that the user
// stands for. The control side's user may say on whose behalf it speaks (bus.AsHost), nobody else's word counts. What a host's
// user may read, write and declare is provisioned by Admin.
//
// The package keeps no truth. A call is sent again while its deadline lasts when the connection breaks or the answer stays away;
// handlers are idempotent, so that costs time only.
package amqp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"gostack/internal/bus"
)

// Options say how to reach the broker. Zero values are right for production.
type Options struct {
	URL                       string // see ParseURL
	CAFile, CertFile, KeyFile string // for amqps: authorities to trust, and what to show; empty: the system's, and nothing
	Name                      string // shown in the broker's list of connections
	Log                       *slog.Logger

	Prefetch   int           // messages that one queue's handlers work on at a time; 0: 128
	Heartbeat  time.Duration // of the connection; 0: 10 s
	MinBackoff time.Duration // first wait before another connection; 0: 200 ms
	MaxBackoff time.Duration // longest; 0: 10 s
	// Grace is how long after the broker's return "nobody is there" is not believed: others need time to come back. 0: 20 s.
	Grace time.Duration
	// Resend is how long a call waits for its answer before it is sent again; the wait doubles each time. 0: 10 s.
	Resend time.Duration
	// NotifyExchanges are those that Subscribe listens to; nil: those of OpenStack's services.
	NotifyExchanges []string
}

// Bus is a connection to the broker that outlives the broker.
type Bus struct {
	Options
	address Address
	tls     *tls.Config
	host    string // that we are; "" on the control side
	id      string // of this process's inbox

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	main       *link         // for all but what is kept on several nodes; see roleConsumers
	deadWanted chan struct{} // see keepDead

	mu       sync.Mutex
	topics   map[string]*topic
	problems map[string]error // queues that cannot be had
	waiting  map[string]*waiter
	underway map[string]bool // ids of requests whose handlers run
}

var _ bus.Bus = (*Bus)(nil)

// errClosed is what operations on a closed bus end with.
var errClosed = errors.New("the message bus is closed")

// Open reads the options and connects in the background. An unreachable broker is no error: Ready and the log tell, calls wait for it
// within their deadlines.
func Open(o Options) (*Bus, error) {
	address, err := ParseURL(o.URL)
	if err != nil {
		return nil, err
	}
	host, err := identity(address.User)
	if err != nil {
		return nil, err
	}
	b := &Bus{
		Options: o, address: address, host: host, id: strings.ToLower(rand.Text()), deadWanted: make(chan struct{}, 1),
		topics: map[string]*topic{}, problems: map[string]error{}, waiting: map[string]*waiter{}, underway: map[string]bool{},
	}
	if address.TLS {
		if b.tls, err = tlsConfig(o.CAFile, o.CertFile, o.KeyFile); err != nil {
			return nil, fmt.Errorf("TLS to the message broker: %w", err)
		}
	}
	if b.Log == nil {
		b.Log = slog.Default()
	}
	b.Log = b.Log.With("component", "bus", "broker", address.String())
	or := func(v *time.Duration, absent time.Duration) {
		if *v == 0 {
			*v = absent
		}
	}
	or(&b.Heartbeat, 10*time.Second)
	or(&b.MinBackoff, 200*time.Millisecond)
	or(&b.MaxBackoff, 10*time.Second)
	or(&b.Grace, 20*time.Second)
	or(&b.Resend, 10*time.Second)
	if b.Prefetch == 0 {
		b.Prefetch = 128
	}
	if b.NotifyExchanges == nil {
		b.NotifyExchanges = NotifyExchanges
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.main = b.newLink("", b.openInbox)
	first := b.main.changed
	b.wg.Go(func() { b.main.keep(b.ctx) })
	if b.host == "" && b.clustered() {
		b.wg.Go(b.keepDead)
	}
	select { // who serves at once then finds the broker there
	case <-first:
	case <-time.After(firstWait):
	}
	return b, nil
}

// firstWait bounds how long Open waits for the outcome of the first attempt to connect.
const firstWait = 5 * time.Second

// Close ends the connection and everything that waits for it. Servers that still are there are stopped.
func (b *Bus) Close() error {
	b.mu.Lock()
	var stops []func()
	for _, t := range b.topics {
		for _, s := range t.servers {
			stops = append(stops, func() { b.unserve(t, s) })
		}
	}
	b.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
	b.cancel()
	b.wg.Wait()
	return nil
}

// Ready is nil when the broker is there and every queue of ours is being read, and else says what is missing.
func (b *Bus) Ready() error {
	if s, trouble, since := b.main.state(); s == nil {
		return fmt.Errorf("message broker %s is not reachable since %s: %w", b.address, since.UTC().Format(time.RFC3339), trouble)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for queue, err := range b.problems {
		return fmt.Errorf("queue %s: %w", queue, err)
	}
	return nil
}

// session returns the connection in use; it waits for one while ctx lasts.
func (b *Bus) session(ctx context.Context) (*session, error) { return b.main.session(ctx) }
