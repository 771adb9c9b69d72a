package amqp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"gostack/internal/bus"
)

// serveWait bounds how long Serve waits until its queues are read, or cannot be. The rest then happens in the background.
const serveWait = 10 * time.Second

// topic is what this process serves of a topic.
type topic struct {
	name    string
	servers []*server
	next    int
	roles   []*consumer // the shared queues, while there are servers
}

// server is one call of Serve.
type server struct {
	host     string
	handlers bus.Handlers
	queue    *consumer // of the host; nil without one
	ctx      context.Context
	cancel   context.CancelFunc

	mu      sync.Mutex
	stopped bool
	under   sync.WaitGroup
}

// begin notes that a handler starts; false: the server has stopped.
func (s *server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.under.Add(1)
	}
	return !s.stopped
}

// Serve implements bus.Bus. A host's process may serve its own host's addresses only. While the broker is away, or another process
// serves the same host, Serve succeeds and takes over as soon as it can; Ready tells.
func (b *Bus) Serve(to bus.To, h bus.Handlers) (func(), error) {
	if err := checkAddress(to); err != nil {
		return nil, err
	}
	if b.host != "" && to.Host != b.host {
		return nil, fmt.Errorf("host %s cannot serve %s", b.host, to)
	}
	s := &server{host: to.Host, handlers: h}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	b.mu.Lock()
	t := b.topics[to.Topic]
	if t == nil {
		t = &topic{name: to.Topic}
		b.topics[to.Topic] = t
	}
	for _, other := range t.servers {
		if to.Host != "" && other.host == to.Host {
			b.mu.Unlock()
			s.cancel()
			return nil, fmt.Errorf("%s is served already", to)
		}
	}
	var begun []*consumer
	if to.Host != "" {
		s.queue = b.hostConsumer(t, s)
		begun = append(begun, s.queue)
	}
	first := len(t.servers) == 0
	t.servers = append(t.servers, s)
	if first && b.host == "" {
		t.roles = b.roleConsumers(t)
		begun = append(begun, t.roles...)
	}
	b.mu.Unlock()
	session, _, _ := b.main.state()
	for _, c := range begun {
		b.wg.Go(c.run)
	}
	if session != nil {
		b.await(session, begun)
	}
	return func() { b.unserve(t, s) }, nil
}

// await waits until the consumers read or have failed to, the connection is lost, or serveWait is over.
func (b *Bus) await(s *session, list []*consumer) {
	timeout := time.NewTimer(serveWait)
	defer timeout.Stop()
	for _, c := range list {
		select {
		case <-c.ready:
		case <-s.done:
			return
		case <-timeout.C:
			return
		}
	}
}

// unserve takes a server away: from then on nobody is there, and what it has begun has ended.
func (b *Bus) unserve(t *topic, s *server) {
	b.mu.Lock()
	var ended []*consumer
	for i := range t.servers {
		if t.servers[i] == s {
			t.servers = append(append([]*server(nil), t.servers[:i]...), t.servers[i+1:]...)
			if s.queue != nil {
				ended = append(ended, s.queue)
			}
			if len(t.servers) == 0 {
				ended = append(ended, t.roles...)
				t.roles = nil
			}
			break
		}
	}
	b.mu.Unlock()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	for _, c := range ended {
		c.stop()
	}
	s.cancel()
	s.under.Wait()
	for _, c := range ended {
		c.release()
	}
}

// hostConsumer reads a host's queue of a topic. The queue is this connection's alone and goes away with it, so nobody waits for a
// host that is gone.
func (b *Bus) hostConsumer(t *topic, s *server) *consumer {
	queue, exchange := hostQueue(t.name, s.host), exchangeOf(t.name)
	c := b.newConsumer(queue, exchange, func(ch *amqp091.Channel) error {
		if _, err := ch.QueueDeclare(queue, false, true, true, false, nil); err != nil {
			return err
		}
		return ch.QueueBind(queue, hostKey(t.name, s.host), exchange, false, nil)
	}, func(d amqp091.Delivery) { b.handle(queue, hostKey(t.name, s.host), func() *server { return s }, d) })
	c.own = true
	c.prepare = func(ctx context.Context, s *session) error { return b.bindFanout(ctx, s, t.name) }
	return c
}

// Limits of the queue for a role's casts: a control side that is away for long finds the latest.
const (
	castsKept   = 100_000
	castsLive   = 24 * time.Hour
	idleExpires = int32(60_000) // ms that a queue without reader stays
)

// errOtherwise says that a queue is there with other properties, for instance from when the broker was one node.
var errOtherwise = errors.New("the queue was declared otherwise; stop the control side, delete it when it is empty, and start again")

// roleConsumers read the queues that all servers of a topic share. Casts are kept in a quorum queue where the broker is a cluster. On a
// single node that brings nothing, and after a restart such a queue may stay without leader for ever (rabbitmq-server issue 10070). Such a queue is read over a link of
// its own: while it has no leader, to declare or to read it takes a quarter of a minute and ends the connection with an INTERNAL_ERROR, whatever else is on it.
func (b *Bus) roleConsumers(t *topic) []*consumer {
	exchange := exchangeOf(t.name)
	shared := func(queue, key string, durable bool, args amqp091.Table) *consumer {
		c := b.newConsumer(queue, exchange, func(ch *amqp091.Channel) error {
			_, err := ch.QueueDeclare(queue, durable, !durable, false, false, args)
			if durable && code(err) == amqp091.PreconditionFailed {
				err = errOtherwise
			}
			if err != nil {
				return err
			}
			return ch.QueueBind(queue, key, exchange, false, nil)
		}, func(d amqp091.Delivery) { b.handle(queue, key, func() *server { return b.pick(t) }, d) })
		if c.apart = durable && b.clustered(); !c.apart {
			c.prepare = func(ctx context.Context, s *session) error { return b.bindFanout(ctx, s, t.name) }
		}
		return c
	}
	kept := amqp091.Table{"x-queue-type": "classic", "x-max-length": int32(castsKept), "x-overflow": "drop-head", "x-message-ttl": castsLive.Milliseconds()}
	if b.clustered() {
		kept["x-queue-type"] = "quorum"
	}
	return []*consumer{
		shared(callQueue(t.name), callKey(t.name), false, amqp091.Table{"x-expires": idleExpires}),
		shared(castQueue(t.name), castKey(t.name), true, kept),
	}
}

// clustered says that the broker has several nodes: what must outlive one of them is kept on all.
func (b *Bus) clustered() bool { return len(b.address.Hosts) > 1 }

// pick takes the servers of a topic in turn.
func (b *Bus) pick(t *topic) *server {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(t.servers) == 0 {
		return nil
	}
	t.next++
	return t.servers[t.next%len(t.servers)]
}

// ackAfter is how long a message is kept for others while a handler works on it; the broker closes channels that keep one for
// half an hour (its consumer_timeout).
const ackAfter = 10 * time.Minute

// sender is on whose behalf a message was sent.
func (b *Bus) sender(d amqp091.Delivery) (string, error) {
	host, err := identity(d.UserId)
	switch {
	case err != nil:
		return "", err
	case host != "" && b.host != "":
		return "", fmt.Errorf("host %s has nothing to say to a host", host)
	case host == "":
		host, _ = d.Headers[headerFrom].(string)
	}
	return host, nil
}

// addressed tells whether a message was sent to where it has come in.
func addressed(d amqp091.Delivery, key string) error {
	if to, _ := d.Headers[headerTo].(string); to != key {
		return fmt.Errorf("it was sent to %q and came in at %q", to, key)
	}
	return nil
}

// handle gives a request that came in at a key to a server and answers it. It does not wait.
func (b *Bus) handle(queue, key string, pick func() *server, d amqp091.Delivery) {
	from, err := b.sender(d)
	method, _ := d.Headers[headerMethod].(string)
	if err == nil && (method == "" || d.MessageId == "" || d.Type != kindCall && d.Type != kindCast) {
		err = errors.New("it is not a message of gostack")
	}
	if err == nil {
		err = addressed(d, key)
	}
	if err == nil && attempts(d) >= poisonous {
		err = fmt.Errorf("it came back %d times", poisonous)
	}
	if err != nil {
		b.wg.Go(func() { b.bury(queue, d, err) })
		return
	}
	if d.Redelivered && d.Type == kindCast && d.Headers[headerCount] == nil && b.host == "" {
		b.wg.Go(func() { b.recount(key, d) })
		return
	}
	b.mu.Lock()
	repeated := b.underway[d.MessageId]
	b.underway[d.MessageId] = true
	b.mu.Unlock()
	if repeated { // its reply will do for both
		_ = d.Ack(false)
		return
	}
	s := pick()
	if s == nil || !s.begin() {
		b.finished(d.MessageId)
		_ = d.Nack(false, true)
		return
	}
	go func() {
		defer s.under.Done()
		defer b.finished(d.MessageId)
		ack := sync.OnceFunc(func() { _ = d.Ack(false) })
		defer time.AfterFunc(ackAfter, ack).Stop()
		ctx, cancel := s.ctx, context.CancelFunc(func() {})
		left := bus.CallTimeout
		if ms := count(d.Headers[headerTimeout]); ms > 0 && d.Type == kindCall {
			left = time.Duration(ms) * time.Millisecond
			ctx, cancel = context.WithTimeout(ctx, left)
		}
		defer cancel()
		began := time.Now()
		raw, err := bus.Answer(ctx, s.handlers, b.message(&ctx, from, d))
		if d.Type == kindCall {
			b.answer(d, raw, err, left-time.Since(began))
		} else if err != nil {
			b.Log.Warn("a cast has failed", "method", method, "error", err)
		}
		ack()
	}()
}

// message is what the handler sees; ctx gets the request id.
func (b *Bus) message(ctx *context.Context, from string, d amqp091.Delivery) *bus.Message {
	id, _ := d.Headers[headerRequestID].(string)
	method, _ := d.Headers[headerMethod].(string)
	*ctx = bus.WithRequestID(*ctx, id)
	return &bus.Message{From: from, RequestID: id, Method: method, Args: d.Body}
}

func (b *Bus) finished(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.underway, id)
}

// count reads an integer of a header.
func count(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case int32:
		return int64(n)
	}
	return 0
}

// answer sends a call's reply while somebody may wait for it. A host is answered at its own inbox only, whatever it asks for.
func (b *Bus) answer(d amqp091.Delivery, raw []byte, failed error, left time.Duration) {
	host, _ := identity(d.UserId)
	if !strings.HasPrefix(d.ReplyTo, inboxKey(host, "")) {
		b.Log.Warn("a call wants its reply sent to somebody else", "from", d.UserId, "reply_to", d.ReplyTo)
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, left)
	defer cancel()
	m := amqp091.Publishing{
		Type: kindReply, MessageId: d.MessageId, CorrelationId: d.CorrelationId, UserId: b.address.User, AppId: "gostack", ContentType: "application/json",
		Headers: amqp091.Table{headerTo: d.ReplyTo}, Body: raw,
	}
	var remote *bus.RemoteError
	if errors.As(failed, &remote) {
		m.Headers[headerFailed] = true
		m.Body = remoteJSON(remote)
	}
	for {
		s, err := b.session(ctx)
		if err != nil {
			return // nobody waits any more
		}
		until(ctx, &m)
		if _, err := s.publish(ctx, repliesExchange, d.ReplyTo, false, m); err == nil {
			return
		}
	}
}

func remoteJSON(e *bus.RemoteError) []byte {
	raw, err := json.Marshal(e)
	if err != nil { // two strings always can be written
		return []byte(`{"message":"the error cannot be written"}`)
	}
	return raw
}

// fanout gives a message to all servers of its topic in this process.
func (b *Bus) fanout(d amqp091.Delivery) {
	from, err := b.sender(d)
	name, ok := strings.CutPrefix(d.RoutingKey, fanoutKey(""))
	if err == nil {
		err = addressed(d, d.RoutingKey)
	}
	if err != nil || !ok {
		b.Log.Warn("a fanout is ignored", "from", d.UserId, "error", err)
		return
	}
	b.mu.Lock()
	var list []*server
	if t := b.topics[name]; t != nil {
		list = t.servers
	}
	b.mu.Unlock()
	for _, s := range list {
		if !s.begin() {
			continue
		}
		go func() {
			defer s.under.Done()
			ctx := s.ctx
			if _, err := bus.Answer(ctx, s.handlers, b.message(&ctx, from, d)); err != nil {
				b.Log.Warn("a fanout has failed", "topic", name, "error", err)
			}
		}()
	}
}
