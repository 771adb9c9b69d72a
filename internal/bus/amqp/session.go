package amqp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"gostack/internal/bus"
)

// dialTimeout bounds one attempt to connect, TLS and login included.
const dialTimeout = 15 * time.Second

// errLost says that the connection went away under an operation.
var errLost = errors.New("the connection to the message broker was lost")

// session is one connection to the broker and what is on it. It ends as a whole: another one follows.
type session struct {
	bus     *Bus
	conn    *amqp091.Connection
	out, in *amqp091.Channel // for publishing, with confirms; for consuming
	keep    *amqp091.Channel // for what the broker must store: a queue that cannot holds up nothing else
	began   time.Time
	again   bool // it follows one that was lost
	queue   chan *outgoing
	flush   chan struct{} // see returns
	done    chan struct{} // closed at its end

	ended sync.Once
	err   error // why it ended

	turn    chan struct{} // taken by who declares something, on:
	setupCh *amqp091.Channel
	knownMu sync.Mutex
	known   map[string]bool // exchanges that are there, fanouts that are bound
}

// outgoing is a message on its way to the connection.
type outgoing struct {
	exchange, key string
	mandatory     bool
	message       amqp091.Publishing
	sent          chan sent
}

type sent struct {
	confirmation *amqp091.DeferredConfirmation
	err          error
}

// dial connects to one node and opens the channels.
func (b *Bus) dial(ctx context.Context, hostPort, name string, again bool) (*session, error) {
	scheme := "amqp"
	cfg := amqp091.Config{
		SASL:  []amqp091.Authentication{&amqp091.PlainAuth{Username: b.address.User, Password: b.address.Password.Reveal()}},
		Vhost: b.address.VHost, Heartbeat: b.Heartbeat, ChannelMax: 64,
		Properties: amqp091.Table{"connection_name": name, "product": "gostack"},
		Dial: func(network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return conn, conn.SetDeadline(time.Now().Add(dialTimeout))
		},
	}
	if b.tls != nil {
		scheme = "amqps"
		cfg.TLSClientConfig = b.tls.Clone()
		cfg.TLSClientConfig.ServerName, _, _ = net.SplitHostPort(hostPort)
	}
	conn, err := amqp091.DialConfig((&url.URL{Scheme: scheme, Host: hostPort, Path: "/"}).String(), cfg)
	if err != nil {
		return nil, err
	}
	s := &session{bus: b, conn: conn, began: time.Now(), again: again, queue: make(chan *outgoing), flush: make(chan struct{}), done: make(chan struct{}), turn: make(chan struct{}, 1), known: map[string]bool{}}
	open := func() error {
		for _, ch := range []**amqp091.Channel{&s.out, &s.keep} {
			if *ch, err = conn.Channel(); err != nil {
				return err
			}
			if err := (*ch).Confirm(false); err != nil {
				return err
			}
		}
		s.in, err = s.consuming()
		return err
	}
	if err := s.soon(open); err != nil {
		s.end(err)
		return nil, err
	}
	return s, nil
}

// consuming opens a channel to consume on.
func (s *session) consuming() (*amqp091.Channel, error) {
	ch, err := s.conn.Channel()
	if err != nil {
		return nil, err
	}
	return ch, ch.Qos(s.bus.Prefetch, 0, false) // for each consumer
}

// watch ends the session when the connection or a channel ends. Its goroutines end with it.
func (s *session) watch() {
	b := s.bus
	returned := make(chan amqp091.Return)
	kept := s.keep.NotifyReturn(make(chan amqp091.Return))
	s.out.NotifyReturn(returned)
	for _, closed := range []chan *amqp091.Error{
		s.conn.NotifyClose(make(chan *amqp091.Error, 1)), s.out.NotifyClose(make(chan *amqp091.Error, 1)),
		s.keep.NotifyClose(make(chan *amqp091.Error, 1)), s.in.NotifyClose(make(chan *amqp091.Error, 1)),
	} {
		b.wg.Go(func() {
			select {
			case err := <-closed:
				if err != nil {
					s.end(err)
				} else {
					s.end(errLost)
				}
			case <-s.done:
			}
		})
	}
	b.wg.Go(func() { s.returns(returned, kept) })
	b.wg.Go(s.publisher)
}

// end closes the session for a reason.
func (s *session) end(why error) {
	s.ended.Do(func() {
		s.err = why
		close(s.done)
		s.bus.wg.Go(func() { _ = s.conn.CloseDeadline(time.Now().Add(5 * time.Second)) })
	})
}

// publisher writes what is sent. One goroutine does, so that who sends can give up waiting when the connection is stuck.
func (s *session) publisher() {
	for {
		select {
		case o := <-s.queue:
			ch := s.out
			if o.message.DeliveryMode == amqp091.Persistent {
				ch = s.keep
			}
			c, err := ch.PublishWithDeferredConfirm(o.exchange, o.key, o.mandatory, false, o.message)
			if err != nil {
				s.end(err)
				err = errLost
			}
			o.sent <- sent{c, err}
		case <-s.done:
			return
		}
	}
}

// publish hands a message to the connection. The confirmation tells when the broker has it.
func (s *session) publish(ctx context.Context, exchange, key string, mandatory bool, message amqp091.Publishing) (*amqp091.DeferredConfirmation, error) {
	message.Headers = maps.Clone(message.Headers) // the publisher may still read them when the caller tries again
	o := &outgoing{exchange, key, mandatory, message, make(chan sent, 1)}
	select {
	case s.queue <- o:
	case <-s.done:
		return nil, errLost
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case r := <-o.sent:
		return r.confirmation, r.err
	case <-s.done:
		return nil, errLost
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// returns takes back what the broker could not route. The broker returns a message before it confirms it, and the library hands both on in
// that order; a round through flush after a confirmation makes sure that its return has been seen.
func (s *session) returns(returned, kept <-chan amqp091.Return) {
	for {
		select {
		case r := <-returned:
			s.bus.returned(r.MessageId)
		case r := <-kept:
			s.bus.returned(r.MessageId)
		case <-s.flush:
		case <-s.done:
			return
		}
	}
}

// endsSoon is how long the end of a channel may take to become that of its session.
const endsSoon = time.Second

// confirmed waits until the broker has taken the message, or has said that nobody would.
func (s *session) confirmed(ctx context.Context, c *amqp091.DeferredConfirmation) error {
	select {
	case <-c.Done():
	case <-s.done:
		return errLost
	case <-ctx.Done():
		return ctx.Err()
	}
	if !c.Acked() { // said by the broker, or by the library when the channel has ended: then the session is about to
		select {
		case <-s.done:
			return errLost
		case <-time.After(endsSoon):
			return errRefused
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case s.flush <- struct{}{}:
		return nil
	case <-s.done:
		return errLost
	}
}

// errRefused says that the broker could not take a message just now.
var errRefused = errors.New("the message broker did not take the message")

// setupTimeout is how long the broker may take to answer a declaration: a cluster whose nodes come and go may be slow, but a connection that does not answer is of no use.
const setupTimeout = time.Minute

// errSlow says that the broker keeps a connection and does not answer on it.
var errSlow = errors.New("the message broker does not answer")

// soon runs what waits for the broker's answer, and ends the session when none comes.
func (s *session) soon(f func() error) error {
	defer time.AfterFunc(setupTimeout, func() { s.end(errSlow) }).Stop()
	return f()
}

// setup runs declarations on a channel of their own, since a refused one closes its channel. One after the other; who gives up waiting leaves it to itself.
func (s *session) setup(ctx context.Context, f func(ch *amqp091.Channel) error) error {
	select {
	case s.turn <- struct{}{}:
	case <-s.done:
		return errLost
	case <-ctx.Done():
		return ctx.Err()
	}
	result := make(chan error, 1)
	s.bus.wg.Go(func() {
		defer func() { <-s.turn }()
		result <- s.soon(func() error {
			if s.setupCh == nil || s.setupCh.IsClosed() {
				ch, err := s.conn.Channel()
				if err != nil {
					return err
				}
				s.setupCh = ch
			}
			return f(s.setupCh)
		})
	})
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// once is setup of what is done once in a session. Who comes later does not wait for others' declarations.
func (s *session) once(ctx context.Context, name string, f func(ch *amqp091.Channel) error) error {
	done := func() bool {
		s.knownMu.Lock()
		defer s.knownMu.Unlock()
		return s.known[name]
	}
	if done() {
		return nil
	}
	return s.setup(ctx, func(ch *amqp091.Channel) error {
		if done() {
			return nil
		}
		err := f(ch)
		s.knownMu.Lock()
		defer s.knownMu.Unlock()
		s.known[name] = err == nil
		return err
	})
}

// exchange makes sure that an exchange is there. A host may not declare any, and finds out with errNoExchange.
func (s *session) exchange(ctx context.Context, name string) error {
	return s.once(ctx, name, func(ch *amqp091.Channel) error {
		if s.bus.host == "" {
			return ch.ExchangeDeclare(name, "topic", true, false, false, false, nil)
		}
		err := ch.ExchangeDeclarePassive(name, "topic", true, false, false, false, nil)
		if code(err) == amqp091.NotFound {
			return fmt.Errorf("%w: %w", errNoExchange, err)
		}
		return err
	})
}

// errNoExchange says that no control side has been on this broker yet.
var errNoExchange = errors.New("the exchange does not exist")

// lost is why a message that was sent to an exchange with a key is lost with the session: the broker has refused just that, or the
// connection broke and another may carry it.
func (s *session) lost(exchange, key string) error {
	select {
	case <-s.done:
	default:
		return errLost
	}
	var e *amqp091.Error
	if errors.As(s.err, &e) && e.Code == amqp091.AccessRefused && (strings.Contains(e.Reason, "'"+key+"'") || strings.Contains(e.Reason, "exchange '"+exchange+"' in vhost")) {
		return bus.Fail(bus.CodeForbidden, "the message broker refuses it: %s", e.Reason)
	}
	return errLost
}

// code is the reply code of a broker's refusal, or 0.
func code(err error) int {
	var e *amqp091.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}
