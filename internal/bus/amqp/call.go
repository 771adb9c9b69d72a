package amqp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	crand "crypto/rand"

	"github.com/rabbitmq/amqp091-go"

	"gostack/internal/bus"
)

// The kinds of messages: property type.
const (
	kindCall   = "call"
	kindCast   = "cast"
	kindFanout = "fanout"
	kindReply  = "reply"
)

// Headers of our messages.
const (
	headerMethod    = "method"
	headerRequestID = "request_id"
	headerFrom      = "on_behalf_of" // counts from the control side alone
	headerTimeout   = "timeout_ms"   // what is left for the caller; clocks of machines differ, so no point in time
	headerFailed    = "failed"       // the body of this reply is a bus.RemoteError
	// headerTo repeats the routing key. The broker verifies the sender of a message but not its way: a host may give its queue a dead letter
	// exchange, and by it pass on what was meant for itself, still under the sender's name. So each receiver compares.
	headerTo = "to"
)

// waiter is a message of ours whose fate is open.
type waiter struct {
	reply    chan amqp091.Delivery
	returned chan struct{}
	expects  func(user string) bool
}

func (b *Bus) wait(id string, expects func(user string) bool) (*waiter, func()) {
	w := &waiter{reply: make(chan amqp091.Delivery, 1), returned: make(chan struct{}, 1), expects: expects}
	b.mu.Lock()
	b.waiting[id] = w
	b.mu.Unlock()
	return w, func() {
		b.mu.Lock()
		delete(b.waiting, id)
		b.mu.Unlock()
	}
}

// returned notes that the broker found nobody for a message.
func (b *Bus) returned(id string) {
	b.mu.Lock()
	w := b.waiting[id]
	b.mu.Unlock()
	if w != nil {
		select {
		case w.returned <- struct{}{}:
		default:
		}
	}
}

// expects tells whose answer counts: the called host's, or the control side's, which may play it.
func (b *Bus) expects(to bus.To) func(user string) bool {
	return func(user string) bool {
		host, err := identity(user)
		return err == nil && (host == "" || b.host == "" && (to.Host == "" || to.Host == host))
	}
}

// request makes a message of a call, cast or fanout.
func (b *Bus) request(ctx context.Context, kind string, to bus.To, method string, args any) (amqp091.Publishing, error) {
	if err := checkAddress(to); err != nil {
		return amqp091.Publishing{}, err
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return amqp091.Publishing{}, err
	}
	headers := amqp091.Table{headerMethod: method}
	if id := bus.RequestID(ctx); id != "" {
		headers[headerRequestID] = id
	}
	if host := bus.Sender(ctx); host != "" {
		headers[headerFrom] = host
	}
	return amqp091.Publishing{
		Type: kind, MessageId: crand.Text(), UserId: b.address.User, AppId: "gostack", ContentType: "application/json", Headers: headers, Body: raw,
	}, nil
}

// until gives a message the life that ctx has left: the broker drops it afterwards.
func until(ctx context.Context, m *amqp091.Publishing) {
	if deadline, ok := ctx.Deadline(); ok {
		left := max(time.Until(deadline).Milliseconds(), 1)
		m.Expiration = strconv.FormatInt(left, 10)
		m.Headers[headerTimeout] = left
	}
}

// Call implements bus.Bus.
func (b *Bus) Call(ctx context.Context, to bus.To, method string, args, reply any) error {
	ctx, cancel := context.WithTimeout(ctx, bus.CallTimeout)
	defer cancel()
	m, err := b.request(ctx, kindCall, to, method, args)
	if err != nil {
		return fmt.Errorf("%s on %s: %w", method, to, err)
	}
	key := callKey(to.Topic)
	if to.Host != "" {
		key = hostKey(to.Topic, to.Host)
	}
	m.CorrelationId, m.ReplyTo, m.DeliveryMode = m.MessageId, inboxKey(b.host, b.id), amqp091.Transient
	w, forget := b.wait(m.MessageId, b.expects(to))
	defer forget()
	resend := b.Resend
	for {
		s, err := b.session(ctx)
		if err != nil {
			return fmt.Errorf("%s on %s: %w", method, to, err)
		}
		until(ctx, &m)
		if _, err = b.send(ctx, s, to, key, m); err == nil {
			var d amqp091.Delivery
			if d, err = w.answer(ctx, s, resend); err == nil {
				return readReply(d, reply)
			}
		}
		if errors.Is(err, errLost) {
			err = s.lost(exchangeOf(to.Topic), key)
		}
		switch {
		case errors.Is(err, errSilent):
			resend *= 2
		case errors.Is(err, errLost):
		case errors.Is(err, bus.ErrUnroutable) && s.settling(b.Grace):
			pause(ctx)
		case ctx.Err() != nil:
			return fmt.Errorf("%s on %s: no answer in time: %w", method, to, ctx.Err())
		default:
			return fmt.Errorf("%s on %s: %w", method, to, err)
		}
	}
}

// errSilent says that no answer has come for a while.
var errSilent = errors.New("no answer yet")

// answer waits for a call's reply, or for a reason to send it again.
func (w *waiter) answer(ctx context.Context, s *session, patience time.Duration) (amqp091.Delivery, error) {
	silent := time.NewTimer(patience)
	defer silent.Stop()
	select {
	case d := <-w.reply:
		return d, nil
	case <-w.returned:
		return amqp091.Delivery{}, bus.ErrUnroutable
	case <-s.done:
		return amqp091.Delivery{}, errLost
	case <-silent.C:
		return amqp091.Delivery{}, errSilent
	case <-ctx.Done():
		return amqp091.Delivery{}, ctx.Err()
	}
}

func readReply(d amqp091.Delivery, reply any) error {
	if failed, _ := d.Headers[headerFailed].(bool); failed {
		e := &bus.RemoteError{}
		if err := json.Unmarshal(d.Body, e); err != nil {
			return bus.Fail(bus.CodePermanent, "the error in a reply does not read: %v", err)
		}
		return e
	}
	if reply == nil {
		return nil
	}
	return json.Unmarshal(d.Body, reply)
}

// settling tells whether the broker has come back so lately that others may not be there yet.
func (s *session) settling(grace time.Duration) bool {
	return s.again && time.Since(s.began) < grace
}

// pause waits a moment before another try.
func pause(ctx context.Context) {
	select {
	case <-time.After(200*time.Millisecond + rand.N(300*time.Millisecond)):
	case <-ctx.Done():
	}
}

// send publishes into the exchange of the topic's service. No exchange means that no such server ever was.
func (b *Bus) send(ctx context.Context, s *session, to bus.To, key string, m amqp091.Publishing) (*amqp091.DeferredConfirmation, error) {
	if b.host != "" && to.Host != "" {
		return nil, bus.Fail(bus.CodeForbidden, "host %s may send to roles of the control side only", b.host)
	}
	exchange := exchangeOf(to.Topic)
	if err := s.exchange(ctx, exchange); err != nil {
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, errNoExchange):
			return nil, bus.ErrUnroutable
		case code(err) == amqp091.AccessRefused:
			return nil, err
		default:
			s.end(err)
			return nil, errLost
		}
	}
	m.Headers[headerTo] = key
	return s.publish(ctx, exchange, key, true, m)
}

// Cast implements bus.Bus. To a role it survives the broker's end and waits for a server, unless it is ephemeral; to a host it lives as
// long as the host's connection.
func (b *Bus) Cast(ctx context.Context, to bus.To, method string, args any) error {
	m, err := b.request(ctx, kindCast, to, method, args)
	if err != nil {
		return fmt.Errorf("%s on %s: %w", method, to, err)
	}
	ctx, cancel := context.WithTimeout(ctx, bus.CallTimeout)
	defer cancel()
	key := castKey(to.Topic)
	m.DeliveryMode = amqp091.Persistent
	switch {
	case to.Host != "":
		key, m.DeliveryMode = hostKey(to.Topic, to.Host), amqp091.Transient
	case bus.IsEphemeral(ctx):
		key, m.DeliveryMode = callKey(to.Topic), amqp091.Transient
		until(ctx, &m)
	}
	w, forget := b.wait(m.MessageId, nil)
	defer forget()
	for {
		s, err := b.session(ctx)
		if err != nil {
			return fmt.Errorf("%s on %s: %w", method, to, err)
		}
		var c *amqp091.DeferredConfirmation
		if c, err = b.send(ctx, s, to, key, m); err == nil {
			err = s.confirmed(ctx, c)
		}
		select {
		case <-w.returned:
			err = bus.ErrUnroutable
		default:
		}
		if errors.Is(err, errLost) {
			err = s.lost(exchangeOf(to.Topic), key)
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errLost):
		case errors.Is(err, errRefused), errors.Is(err, bus.ErrUnroutable) && s.settling(b.Grace):
			pause(ctx)
		default:
			return fmt.Errorf("%s on %s: %w", method, to, err)
		}
	}
}

// Fanout implements bus.Bus. Processes that are not connected now do not get it.
func (b *Bus) Fanout(ctx context.Context, topic, method string, args any) error {
	to := bus.To{Topic: topic}
	m, err := b.request(ctx, kindFanout, to, method, args)
	if err != nil {
		return fmt.Errorf("%s on every %s: %w", method, topic, err)
	}
	ctx, cancel := context.WithTimeout(ctx, bus.CallTimeout)
	defer cancel()
	m.DeliveryMode = amqp091.Transient
	for {
		s, err := b.session(ctx)
		if err != nil {
			return fmt.Errorf("%s on every %s: %w", method, topic, err)
		}
		var c *amqp091.DeferredConfirmation
		if c, err = b.send(ctx, s, to, fanoutKey(topic), m); err == nil {
			err = s.confirmed(ctx, c)
		}
		if errors.Is(err, errLost) {
			err = s.lost(exchangeOf(topic), fanoutKey(topic))
		}
		switch {
		case err == nil, errors.Is(err, bus.ErrUnroutable):
			return nil
		case errors.Is(err, errLost):
		case errors.Is(err, errRefused):
			pause(ctx)
		default:
			return fmt.Errorf("%s on every %s: %w", method, topic, err)
		}
	}
}
