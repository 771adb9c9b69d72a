package amqp

import (
	"math/rand/v2"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

// connect keeps a session, from Open to Close.
func (b *Bus) connect() {
	again := false
	tries := 0
	var told time.Time
	// Processes spread over the nodes of a cluster. One that was lost, or does not answer, is asked last.
	at := rand.N(len(b.address.Hosts))
	for ; ; at++ {
		s, err := b.attempt(b.address.Hosts[at%len(b.address.Hosts)], again)
		if err != nil {
			if b.ctx.Err() != nil {
				return
			}
			b.setSession(nil, err)
			if time.Since(told) > time.Minute { // at once, and now and then
				told = time.Now()
				b.Log.Warn("the message broker cannot be reached; trying on", "error", err)
			}
			tries++
			select {
			case <-time.After(jitter(b.MinBackoff, b.MaxBackoff, tries)):
				continue
			case <-b.ctx.Done():
				return
			}
		}
		if again || tries > 0 {
			b.Log.Info("connected to the message broker", "attempts", tries+1)
		}
		tries, again, told = 0, true, time.Time{}
		b.setSession(s, nil)
		select {
		case <-s.done:
			b.setSession(nil, s.err)
			b.Log.Warn("the connection to the message broker was lost", "error", s.err)
			// Not all processes at once: the broker has enough to do when it comes back.
			select {
			case <-time.After(jitter(b.MinBackoff, b.MaxBackoff, 0)):
			case <-b.ctx.Done():
				return
			}
		case <-b.ctx.Done():
			s.end(errClosed)
			b.setSession(nil, errClosed)
			return
		}
	}
}

// jitter is the wait before try n: it doubles, up to longest, and a random half of it counts.
func jitter(first, longest time.Duration, n int) time.Duration {
	d := longest
	if n < 16 {
		d = min(first<<n, longest)
	}
	return d/2 + rand.N(d/2+1)
}

// attempt makes a session that can be used: connected, with this process's inbox being read.
func (b *Bus) attempt(hostPort string, again bool) (*session, error) {
	s, err := b.dial(hostPort, again)
	if err != nil {
		return nil, err
	}
	s.watch()
	if err := b.openInbox(s); err != nil {
		s.end(err)
		return nil, err
	}
	return s, nil
}

// openInbox declares where replies and fanouts come in, and reads it.
func (b *Bus) openInbox(s *session) error {
	if err := s.exchange(repliesExchange); err != nil {
		return err
	}
	if b.host == "" {
		if err := b.declareDead(s); err != nil {
			return err
		}
	}
	queue := inboxQueue(b.host, b.id)
	err := s.setup(func(ch *amqp091.Channel) error {
		if _, err := ch.QueueDeclare(queue, false, true, true, false, amqp091.Table{"x-expires": idleExpires}); err != nil {
			return err
		}
		return ch.QueueBind(queue, inboxKey(b.host, b.id), repliesExchange, false, nil)
	})
	if err != nil {
		return err
	}
	deliveries, err := s.in.Consume(queue, "inbox", true, true, false, false, nil)
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
func (b *Bus) bindFanout(s *session, topic string) error {
	return s.setup(func(ch *amqp091.Channel) error {
		key := fanoutKey(topic)
		if s.known[key] {
			return nil
		}
		err := ch.QueueBind(inboxQueue(b.host, b.id), key, exchangeOf(topic), false, nil)
		s.known[key] = err == nil
		return err
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
