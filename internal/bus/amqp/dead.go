package amqp

import (
	"context"
	"maps"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"gostack/internal/bus"
)

// Dead letters are messages that cannot be handled: not ours, or deadly to each process that had them. They are kept for an operator
// to look at, the latest of them, for a week.
const (
	deadKept = 10_000
	deadLive = 7 * 24 * time.Hour
)

// poisonous is how often a message may have come back before it is put aside: each time, the process that had it died.
const poisonous = 5

// A quorum queue counts how often a message came back; for others we do.
const (
	headerCount    = "x-delivery-count"
	headerAttempts = "attempts"
)

func attempts(d amqp091.Delivery) int64 {
	return max(count(d.Headers[headerCount]), count(d.Headers[headerAttempts]))
}

// recount puts a cast that has come back into its queue anew, with its attempts counted.
func (b *Bus) recount(key string, d amqp091.Delivery) {
	ctx, cancel := context.WithTimeout(b.ctx, bus.CallTimeout)
	defer cancel()
	headers := maps.Clone(d.Headers)
	headers[headerAttempts] = attempts(d) + 1
	if host, _ := identity(d.UserId); host != "" { // we publish it, in the host's name
		headers[headerFrom] = host
	}
	m := amqp091.Publishing{
		Type: d.Type, MessageId: d.MessageId, UserId: b.address.User, AppId: d.AppId, ContentType: d.ContentType, DeliveryMode: d.DeliveryMode, Expiration: d.Expiration,
		Headers: headers, Body: d.Body,
	}
	s, err := b.session(ctx)
	if err == nil {
		var c *amqp091.DeferredConfirmation
		if c, err = s.publish(ctx, d.Exchange, key, false, m); err == nil {
			err = s.confirmed(ctx, c)
		}
	}
	if err != nil {
		_ = d.Nack(false, true)
		return
	}
	_ = d.Ack(false)
}

// declareDead makes the place for dead letters. When its node is away, or it was declared otherwise, only dead letters suffer: that is told, and the rest of
// the bus goes on without it.
func (b *Bus) declareDead(ctx context.Context, s *session) error {
	if err := s.exchange(ctx, deadExchange); err != nil {
		return err
	}
	kept := amqp091.Table{"x-queue-type": "classic", "x-max-length": int32(deadKept), "x-overflow": "drop-head", "x-message-ttl": deadLive.Milliseconds()}
	if b.clustered() {
		kept["x-queue-type"] = "quorum"
	}
	err := s.setup(ctx, func(ch *amqp091.Channel) error {
		if _, err := ch.QueueDeclare(deadQueue, true, false, false, false, kept); err != nil {
			return err
		}
		return ch.QueueBind(deadQueue, "#", deadExchange, false, nil)
	})
	switch code(err) {
	case amqp091.PreconditionFailed:
		err = errOtherwise
	case amqp091.NotFound: // "home node ... is down or inaccessible"
	default:
		if err != nil {
			return err
		}
	}
	b.problem(deadQueue, err)
	return nil
}

// keepDead makes that place in a cluster whenever it may be gone, over a link that lasts no longer: see roleConsumers.
func (b *Bus) keepDead() {
	for {
		select {
		case <-b.deadWanted:
		case <-b.ctx.Done():
			return
		}
		ctx, cancel := context.WithCancel(b.ctx)
		l := b.newLink(deadQueue, nil)
		b.wg.Go(func() { l.keep(ctx) })
		for try := 0; ; try++ {
			s, err := l.session(ctx)
			if err == nil {
				err = b.declareDead(ctx, s)
			}
			if err == nil || b.ctx.Err() != nil {
				break
			}
			b.problem(deadQueue, err)
			select {
			case <-time.After(jitter(b.MinBackoff, b.MaxBackoff, try)):
			case <-ctx.Done():
			}
		}
		cancel()
	}
}

// bury puts a message aside. A host, which may write to nobody, only says so in its log.
func (b *Bus) bury(queue string, d amqp091.Delivery, why error) {
	b.Log.Warn("a message cannot be handled and is put aside", "queue", queue, "from", d.UserId, "message", d.MessageId, "why", why)
	if b.host == "" {
		ctx, cancel := context.WithTimeout(b.ctx, bus.CallTimeout)
		defer cancel()
		headers := amqp091.Table{"x-gostack-queue": queue, "x-gostack-why": why.Error(), "x-gostack-user": d.UserId}
		if m, ok := d.Headers[headerMethod].(string); ok {
			headers[headerMethod] = m
		}
		m := amqp091.Publishing{
			Type: d.Type, MessageId: d.MessageId, UserId: b.address.User, AppId: d.AppId, ContentType: d.ContentType, DeliveryMode: amqp091.Persistent,
			Timestamp: time.Now(), Headers: headers, Body: d.Body,
		}
		s, err := b.session(ctx)
		if err == nil {
			var c *amqp091.DeferredConfirmation
			if c, err = s.publish(ctx, deadExchange, queue, false, m); err == nil {
				err = s.confirmed(ctx, c)
			}
		}
		if err != nil {
			_ = d.Nack(false, true) // it comes again
			return
		}
	}
	_ = d.Ack(false)
}
