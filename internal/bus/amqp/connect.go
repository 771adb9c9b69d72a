package amqp

import (
	"context"

	"github.com/rabbitmq/amqp091-go"
)

// openInbox declares where replies and fanouts come in, and reads it.
func (b *Bus) openInbox(s *session) error {
	if err := s.exchange(b.ctx, repliesExchange); err != nil {
		return err
	}
	switch {
	case b.host != "":
	case b.clustered():
		select {
		case b.deadWanted <- struct{}{}:
		default:
		}
	default:
		if err := b.declareDead(b.ctx, s); err != nil {
			return err
		}
	}
	queue := inboxQueue(b.host, b.id)
	err := s.setup(b.ctx, func(ch *amqp091.Channel) error {
		if _, err := ch.QueueDeclare(queue, false, true, true, false, amqp091.Table{"x-expires": idleExpires}); err != nil {
			return err
		}
		return ch.QueueBind(queue, inboxKey(b.host, b.id), repliesExchange, false, nil)
	})
	if err != nil {
		return err
	}
	var deliveries <-chan amqp091.Delivery
	err = s.soon(func() (err error) {
		deliveries, err = s.in.Consume(queue, "inbox", true, true, false, false, nil)
		return err
	})
	if err != nil {
		return err
	}
	b.wg.Go(func() {
		for d := range deliveries {
			b.receive(d)
		}
		s.end(errLost) // also when somebody has deleted the queue: all of it is made again
	})
	return nil
}

// bindFanout makes fanouts to a topic reach this process, once for all its servers.
func (b *Bus) bindFanout(ctx context.Context, s *session, topic string) error {
	key := fanoutKey(topic)
	return s.once(ctx, key, func(ch *amqp091.Channel) error {
		return ch.QueueBind(inboxQueue(b.host, b.id), key, exchangeOf(topic), false, nil)
	})
}

// receive takes what comes into the inbox: replies to calls, and fanouts. It must not block.
func (b *Bus) receive(d amqp091.Delivery) {
	if d.Type == kindFanout {
		b.fanout(d)
		return
	}
	b.mu.Lock()
	w := b.waiting[d.CorrelationId]
	b.mu.Unlock()
	if w == nil {
		return // the caller has given up, or a repetition was answered twice
	}
	if err := addressed(d, inboxKey(b.host, b.id)); err != nil || w.expects == nil || !w.expects(d.UserId) {
		b.Log.Warn("a reply from somebody who was not asked is ignored", "from", d.UserId, "error", err)
		return
	}
	select {
	case w.reply <- d:
	default:
	}
}
